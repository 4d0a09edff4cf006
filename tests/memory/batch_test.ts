import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { DisposedError, OutOfMemoryError } from "../../lib/core/errors.ts";
import { type Block, pool } from "../../lib/memory/mod.ts";

const mib = 1 << 20;

function distinct(blocks: readonly Block[]): number {
  return new Set(blocks.map(({ address }) => address)).size;
}

Deno.test(
  "pool.acquireBatch() gives blocks of their own, from shelves and beyond them",
  withoutLeaks(() => {
    for (const [bytes, count] of [[64, 1], [1000, 64], [4096, 300], [mib, 9], [3 * mib, 12]]) {
      pool.trim();
      pool.release(pool.acquire(bytes));
      const blocks = pool.acquireBatch(bytes, count);
      assertEquals(blocks.length, count);
      assertEquals(distinct(blocks), count);
      assert(blocks.every((block) => block.byteLength >= bytes && block.address % 64n === 0n));
      pool.releaseBatch(blocks);
    }
  }),
);

Deno.test("a batch counts as so many rents and returns, of so many bytes asked for", () => {
  for (const [bytes, count] of [[1000, 64], [1000, 700], [3 * mib, 12]]) {
    pool.trim();
    const before = pool.stats();
    for (let round = 0; round < 3; round++) {
      pool.resetStats();
      const blocks = pool.acquireBatch(bytes, count);
      const during = pool.stats();
      pool.releaseBatch(blocks);
      const after = pool.stats();
      assertEquals(during.rents, count);
      assertEquals(during.outstanding, before.outstanding + count);
      assertEquals(during.requestedBytes, before.requestedBytes + count * bytes);
      assertEquals(after.returns, count);
      assertEquals(after.outstanding, before.outstanding);
      assertEquals(after.requestedBytes, before.requestedBytes);
      assertEquals(after.liveBytes, before.liveBytes);
    }
  }
});

Deno.test(
  "pool.acquireBatch() fills the array that it is given, whatever it held",
  withoutLeaks(() => {
    const into = pool.acquireBatch(500, 10);
    pool.releaseBatch(into);
    assertStrictEquals(pool.acquireBatch(700, 4, into), into);
    assertEquals(into.length, 4);
    assertEquals(distinct(into), 4);
    pool.releaseBatch(into);
    assertEquals(pool.acquireBatch(700, 0), []);
  }),
);

Deno.test(
  "pool.acquireBatch() takes nothing when the last of the blocks is refused",
  withoutLeaks(() => {
    pool.trim();
    pool.releaseBatch(pool.acquireBatch(mib, 4));
    pool.setBudget(pool.stats().heldBytes + 4 * mib);
    try {
      const into: Block[] = [];
      const error = assertThrows(() => pool.acquireBatch(mib, 64, into), OutOfMemoryError);
      assert(error.message.startsWith("pool.acquireBatch: "), error.message);
      assertEquals(into, []);
    } finally {
      pool.setBudget(Infinity);
    }
  }),
);

Deno.test(
  "pool.releaseBatch() releases what it can when one of the blocks is wrong",
  withoutLeaks(() => {
    const blocks = pool.acquireBatch(1000, 5);
    const early = blocks[2];
    pool.release(early);
    assertThrows(() => pool.releaseBatch(blocks), Error, "was released twice");
    const again = pool.acquireBatch(1000, 3);
    const twice = [again[0], again[1], again[0], again[2]];
    assertThrows(() => pool.releaseBatch(twice), Error, "was released twice");
    const last = pool.acquireBatch(1000, 2);
    const mixed = [last[0], null as unknown as Block, last[1]];
    assertThrows(() => pool.releaseBatch(mixed), TypeError, "not null");
    assert([...blocks, ...again, ...last].every(({ held }) => !held));
  }),
);

Deno.test(
  "pool.releaseBatch() takes blocks of different sizes",
  withoutLeaks(() => {
    pool.releaseBatch([1, 300, 5000, 100_000, mib, 2 * mib, 50 * mib].map((n) => pool.acquire(n)));
  }),
);

Deno.test(
  "pool.rentBatch() gives buffers that do not overlap, under one handle",
  withoutLeaks(() => {
    for (const [count, length] of [[1, 1], [16, 512], [300, 100], [3, 1 << 19], [4, 0], [0, 9]]) {
      using batch = pool.rentBatch(count, length);
      assertEquals([batch.count, batch.length, batch.dtype], [count, length, "float32"]);
      assertEquals(batch.byteLength, count * length * 4);
      for (let i = 0; i < count; i++) batch.data(i).fill(i);
      for (let i = 0; i < count; i++) {
        assertEquals(batch.data(i).length, length);
        assert(batch.data(i).every((value) => value === i));
        assertStrictEquals(batch.data(i), batch.data(i));
        assertEquals(batch.address(i) % 64n, 0n);
      }
    }
  }),
);

Deno.test(
  "a batch is disposed of once, and is an error to use after that",
  withoutLeaks(() => {
    const batch = pool.rentBatch(3, 10, "int32");
    assert(!batch.disposed);
    pool.resetStats();
    batch.dispose();
    batch.dispose();
    batch[Symbol.dispose]();
    assert(batch.disposed);
    assertEquals(pool.stats().returns, 3);
    for (const use of [() => batch.data(0), () => batch.address(2), () => batch.data(7)]) {
      assertThrows(use, DisposedError, "PooledBatch of 3 × int32 [10] was used after it was disp");
    }
    assertEquals(Deno.inspect(batch), "PooledBatch 3 × int32 [10], disposed");
    using open = pool.rentBatch(2, 512);
    assertEquals(Deno.inspect(open), "PooledBatch 2 × float32 [512], 4.00 KiB");
  }),
);

Deno.test(
  "pool.releaseBatch() puts runs of sizes on their shelves, and passes on what does not fit",
  withoutLeaks(() => {
    pool.trim();
    const sizes = [300, 300, 5000, 300, 3 * mib, mib, mib, mib, mib, mib, mib, 300];
    const requested = pool.stats().requestedBytes;
    for (let round = 0; round < 3; round++) {
      pool.releaseBatch(sizes.map((bytes) => pool.acquire(bytes)));
      const { requestedBytes, shelvedBytes, cachedBytes } = pool.stats();
      assertEquals(requestedBytes, requested);
      assert(shelvedBytes > 0 && shelvedBytes < cachedBytes, "some are on shelves, others not");
    }
  }),
);

Deno.test(
  "a batch that is disposed of may be followed by others and by buffers in any order",
  withoutLeaks(() => {
    const first = pool.rentBatch(3, 100);
    const between = pool.rent(100);
    const second = pool.rentBatch(3, 100);
    const none = pool.rentBatch(0, 100);
    first.dispose();
    const third = pool.rentBatch(3, 100);
    const places = [0, 1, 2].flatMap((i) => [second.address(i), third.address(i)]);
    assertEquals(new Set([...places, between.address]).size, 7);
    for (const handle of [third, between, none, second]) handle.dispose();
  }),
);
