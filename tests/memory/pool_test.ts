import { assert, assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import "../support/native.ts";
import { OutOfMemoryError } from "../../lib/core/errors.ts";
import { type Block, pool } from "../../lib/memory/mod.ts";

const kib = 1 << 10;
const mib = 1 << 20;

/** Runs something with blocks of given sizes, and releases them however it ends. */
function withBlocks(sizes: number[], run: (blocks: Block[]) => void): void {
  const blocks = sizes.map((bytes) => pool.acquire(bytes));
  try {
    run(blocks);
  } finally {
    pool.releaseBatch(blocks);
  }
}

Deno.test("pool.acquire() grants aligned blocks with at most 25 % waste above 256 bytes", () => {
  for (const bytes of [1, 255, 256, 257, 320, 321, 1000, 4096, 4097, 65_537, mib, mib + 1]) {
    withBlocks([bytes], ([block]) => {
      assertEquals(block.address % 64n, 0n);
      assert(block.byteLength >= bytes);
      if (bytes > 256) {
        assert(block.byteLength <= bytes * 1.25 + 64, `${bytes} → ${block.byteLength}`);
      }
      assertEquals(block.segmentAddress + BigInt(block.segmentOffset), block.address);
      assert(block.segmentOffset + block.byteLength <= block.segmentBytes);
    });
  }
});

Deno.test("pool.acquire() gives the block that was returned last, small or large", () => {
  for (const bytes of [1000, 3 * mib]) {
    const first = pool.acquire(bytes);
    pool.release(first);
    const second = pool.acquire(bytes - 8);
    assertStrictEquals(second, first);
    pool.release(second);
  }
});

Deno.test("pool.acquire() gives every power of two from 1 to 4096 as an alignment", () => {
  for (let alignment = 1; alignment <= 4096; alignment *= 2) {
    for (const bytes of [1, 64, 300, 5000, 70_000, mib, 2 * mib]) {
      const [first, second] = [pool.acquire(bytes, alignment), pool.acquire(bytes, alignment)];
      for (const block of [first, second]) {
        assertEquals(block.address % BigInt(alignment), 0n, `${bytes} at ${alignment}`);
        assert(block.byteLength >= bytes);
      }
      pool.release(first);
      // What comes from a shelf is aligned as well.
      const third = pool.acquire(bytes, alignment);
      assertEquals(third.address % BigInt(alignment), 0n, `${bytes} at ${alignment}, again`);
      pool.release(second);
      pool.release(third);
    }
  }
});

Deno.test("blocks do not overlap, and keep what is written into them", () => {
  const sizes = [1, 256, 300, 4096, 5000, 100_000, mib, mib + 1, 3 * mib];
  withBlocks([...sizes, ...sizes, ...sizes], (blocks) => {
    const views = blocks.map((block) =>
      new Uint8Array(block.buffer, block.bufferOffset, block.byteLength)
    );
    views.forEach((view, index) => view.fill(index + 1));
    for (const [index, view] of views.entries()) {
      assert(view.every((byte) => byte === index + 1), `block ${index}`);
    }
  });
});

Deno.test("pool.release() refuses a block that was released before", () => {
  for (const bytes of [1000, 3 * mib, 64 * mib]) {
    const block = pool.acquire(bytes);
    pool.release(block);
    const { returns } = pool.stats();
    assertThrows(() => pool.release(block), Error, "was released twice");
    assertThrows(() => pool.releaseBatch([block]), Error, "was released twice");
    assertEquals(pool.stats().returns, returns);
  }
});

Deno.test("pool.release() refuses a block that left the shelf since it was released", () => {
  const block = pool.acquire(1000);
  pool.release(block);
  pool.trim();
  assertThrows(() => pool.release(block), Error, "was released twice");
});

Deno.test("pool.stats() counts rents, returns, hits and live bytes exactly", () => {
  for (const bytes of [5000, 3 * mib, 64 * mib]) {
    pool.release(pool.acquire(bytes));
    pool.resetStats();
    const before = pool.stats();
    const block = pool.acquire(bytes);
    const during = pool.stats();
    pool.release(block);
    const after = pool.stats();
    assertEquals(during.rents, 1);
    assertEquals(during.hits, 1);
    assertEquals(during.outstanding, before.outstanding + 1);
    assertEquals(during.liveBytes, before.liveBytes + block.byteLength);
    assertEquals(during.requestedBytes, before.requestedBytes + bytes);
    assertEquals(after.returns, 1);
    assertEquals(after.outstanding, before.outstanding);
    assertEquals(after.liveBytes, before.liveBytes);
    assertEquals(after.requestedBytes, before.requestedBytes);
    assertEquals(after.hitRate, 1);
  }
});

Deno.test("pool.stats() adds up: held is live and cached, shelves are cached", () => {
  pool.trim();
  const sizes = [300, 5000, 100_000, 2 * mib, 40 * mib];
  withBlocks(sizes, () => {
    const stats = pool.stats();
    assertEquals(stats.heldBytes, stats.liveBytes + stats.cachedBytes);
    assertEquals(stats.shelvedBytes, 0);
  });
  const stats = pool.stats();
  assertEquals(stats.heldBytes, stats.liveBytes + stats.cachedBytes);
  assert(stats.shelvedBytes >= 2 * mib && stats.shelvedBytes <= stats.cachedBytes);
  assert(stats.peakHeldBytes >= stats.heldBytes);
  assert(stats.peakBytes >= 42 * mib);
  assert(stats.reservedBytes >= stats.heldBytes);
  assertEquals(stats.isolates, 1);
  assertEquals(stats.shared, 0);
});

Deno.test("pool.stats() counts misses: rents that needed pages from the system", () => {
  pool.trim();
  pool.resetStats();
  // More than the process has ever had.
  const count = Math.ceil(pool.stats().reservedBytes / (7 * mib)) + 1;
  const blocks = Array.from({ length: count }, () => pool.acquire(7 * mib));
  const { rents, hits, misses, hitRate } = pool.stats();
  pool.releaseBatch(blocks);
  assertEquals(rents, count);
  assertEquals(hits + misses, count);
  assert(misses > 0, `${misses} misses`);
  assertEquals(hitRate, hits / count);
});

Deno.test("pool.classStats() counts by size, large blocks last", () => {
  const before = pool.classStats();
  assertEquals(before.length, 50);
  assertEquals([before[0].bytes, before[48].bytes, before[49].bytes], [256, mib, Infinity]);
  pool.resetStats();
  withBlocks([300, 300, 2 * mib], () => {
    pool.release(pool.acquire(310));
    const stats = pool.classStats();
    assertEquals(stats[1].bytes, 320);
    assertEquals([stats[1].rents, stats[1].returns], [3, 1]);
    assertEquals(stats[1].outstanding, before[1].outstanding + 2);
    assertEquals(stats[1].liveBytes, before[1].liveBytes + 640);
    assert(stats[1].cachedBytes >= 320);
    assertEquals([stats[49].rents, stats[49].returns], [1, 0]);
    assertEquals(stats[49].liveBytes, before[49].liveBytes + 2 * mib);
    assertEquals(stats.reduce((sum, { rents }) => sum + rents, 0), pool.stats().rents);
  });
});

Deno.test("pool.acquire() says what it cannot give, and what is live", () => {
  const error = assertThrows(() => pool.acquire(2 ** 50), OutOfMemoryError);
  assertMatch(error.message, /^pool\.acquire: .*asked for 1024 TiB, live .*, cached .*, held /);
  assertMatch(error.message, /budget none\): dispose of tensors/);
});

Deno.test("pool.setBudget() limits what is held, and frees what is cached before it refuses", () => {
  const held = pool.acquire(mib);
  try {
    pool.trim();
    pool.setBudget(pool.stats().heldBytes + mib);
    for (let i = 0; i < 8; i++) pool.release(pool.acquire(mib - i * 128 * kib));
    const second = pool.acquire(mib);
    const error = assertThrows(() => pool.acquire(mib), OutOfMemoryError);
    pool.release(second);
    assertMatch(error.message, /asked for 1\.00 MiB, live [\d.]+ .*budget [\d.]+ MiB\)/);
    assertMatch(error.message, /raise the budget\. The largest holders:\n {2}2 × 1\.00 MiB/);
    pool.release(pool.acquire(mib));
  } finally {
    pool.setBudget(Infinity);
    pool.release(held);
  }
});

Deno.test("pool.setBudget() counts what waits on shelves, and takes it back for a request", () => {
  pool.trim();
  pool.setBudget(pool.stats().heldBytes + 2 * mib);
  try {
    const blocks = Array.from({ length: 8 }, () => pool.acquire(200 * kib));
    pool.releaseBatch(blocks);
    assert(pool.stats().shelvedBytes > 0);
    pool.release(pool.acquire(2 * mib - 256 * kib));
  } finally {
    pool.setBudget(Infinity);
  }
});

Deno.test("pool.trim() gives returned memory back and leaves live blocks alone", () => {
  withBlocks([8 * mib], ([kept]) => {
    const view = new Uint8Array(kept.buffer, kept.bufferOffset, kept.byteLength).fill(7);
    pool.release(pool.acquire(8 * mib));
    pool.release(pool.acquire(1000));
    const released = pool.trim();
    assert(released >= 8 * mib, `${released}`);
    const { shelvedBytes, liveBytes } = pool.stats();
    assertEquals(shelvedBytes, 0);
    assert(liveBytes >= kept.byteLength);
    assert(view.every((byte) => byte === 7));
  });
});

Deno.test("pool.setIdle() takes a time, or Infinity", () => {
  pool.setIdle(1);
  pool.setIdle(Infinity);
  pool.setIdle(10_000);
});

Deno.test("pool.prewarm() makes rents hits, whatever a plan is written as", () => {
  const plans = [
    { plan: { bytes: 90_000, count: 7 }, bytes: 90_000, count: 7 },
    { plan: { length: 20_000, count: 3 }, bytes: 80_000, count: 3 },
    { plan: { shape: [16, 3000], dtype: "float16" as const, count: 5 }, bytes: 96_000, count: 5 },
    { plan: { shape: [], count: 2 }, bytes: 4, count: 2 },
    { plan: { bytes: 9 * mib, count: 3 }, bytes: 9 * mib, count: 3 },
  ];
  for (const { plan, bytes, count } of plans) {
    pool.trim();
    pool.prewarm(plan);
    pool.resetStats();
    const blocks = Array.from({ length: count }, () => pool.acquire(bytes));
    const { rents, hits } = pool.stats();
    pool.releaseBatch(blocks);
    assertEquals([rents, hits], [count, count], JSON.stringify(plan));
  }
});

Deno.test("pool.prewarm() warms nothing when one of several plans is wrong", () => {
  pool.trim();
  const { cachedBytes } = pool.stats();
  assertThrows(() => pool.prewarm([{ bytes: mib, count: 4 }, { bytes: 0, count: 1 }]), RangeError);
  assertEquals(pool.stats().cachedBytes, cachedBytes);
});

Deno.test("pool.prewarm() says what the budget does not allow", () => {
  pool.trim();
  pool.setBudget(pool.stats().heldBytes + mib);
  try {
    const error = assertThrows(
      () => pool.prewarm({ bytes: mib, count: 64 }),
      OutOfMemoryError,
      "pool.prewarm: ",
    );
    assertMatch(error.message, /asked for 64 × 1\.00 MiB/);
  } finally {
    pool.setBudget(Infinity);
  }
});

Deno.test("pool.snapshot() tells blocks in use from those on a shelf", () => {
  const hexadecimal = (block: Block) => `0x${block.address.toString(16)}`;
  const [used, shelved] = [pool.acquire(1000), pool.acquire(70_000)];
  pool.release(shelved);
  const blocks = pool.snapshot().segments.flatMap((segment) => segment.blocks);
  const states = [used, shelved].map((block) =>
    blocks.find(({ address }) => address === hexadecimal(block))?.state
  );
  pool.release(used);
  assertEquals(states, ["live", "shelved"]);
});

Deno.test("pool.diagnostics() describes the pool in words", () => {
  assertMatch(pool.diagnostics(), /pool/i);
});

Deno.test("pool.autoTune() lengthens a shelf that was too short", () => {
  const bytes = 700_000;
  pool.autoTune();
  for (let round = 0; round < 20; round++) {
    pool.releaseBatch(Array.from({ length: 12 }, () => pool.acquire(bytes)));
  }
  const report = pool.autoTune(0.99);
  const tuned = report.classes.find((each) => each.bytes >= bytes && each.bytes < bytes * 1.25);
  assert(tuned !== undefined && tuned.newLimit >= 12, JSON.stringify(tuned));
  assert(pool.limits.includes(tuned.newLimit));
  pool.trim();
  pool.resetStats();
  const blocks = Array.from({ length: 12 }, () => pool.acquire(bytes));
  pool.releaseBatch(blocks);
  assertEquals(pool.stats().shelvedBytes, 12 * tuned.bytes);
});
