/**
 * Mistakes that other pools were found to make, each as a test of this one: what
 * three systems for small models get wrong, and what users of larger ones
 * complain of.
 */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { withoutLeaks, withoutLeaksAsync } from "../support/native.ts";
import { DisposedError, OutOfMemoryError } from "../../lib/core/errors.ts";
import { type Block, keep, pool, scope } from "../../lib/memory/mod.ts";
import { addInPlace } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

const mib = 1 << 20;

// ---- Pools of buckets ------------------------------------------------------

Deno.test("returning nothing, something foreign, or late is never silent", () => {
  for (const wrong of [null, undefined, {}, new Float32Array(64), 1n]) {
    assertThrows(() => pool.release(wrong as unknown as Block), TypeError, "pool.release");
  }
  const block = pool.acquire(1000);
  pool.release(block);
  assertThrows(() => pool.release(block), Error, "released twice");
});

Deno.test("outstanding blocks are counted, and counters can be reset", () => {
  const before = pool.stats().outstanding;
  const blocks = pool.acquireBatch(2048, 17);
  assertEquals(pool.stats().outstanding, before + 17);
  pool.resetStats();
  const { rents, returns, misses, outstanding } = pool.stats();
  assertEquals([rents, returns, misses, outstanding], [0, 0, 0, before + 17]);
  pool.releaseBatch(blocks);
  assertEquals(pool.stats().outstanding, before);
  assertEquals(pool.stats().returns, 17);
});

Deno.test("native allocations are counted, not rents less returns", () => {
  pool.releaseBatch(pool.acquireBatch(5000, 8));
  pool.resetStats();
  const held = pool.acquireBatch(5000, 8);
  const { rents, returns, misses, hits } = pool.stats();
  pool.releaseBatch(held);
  assertEquals([rents, returns, misses, hits], [8, 0, 0, 8]);
});

Deno.test("a pool that is full gives back, and keeps no more than it says", () => {
  const limit = pool.limits[0];
  const blocks = pool.acquireBatch(256, limit * 3);
  const before = pool.stats().shelvedBytes;
  pool.releaseBatch(blocks);
  const { shelvedBytes } = pool.stats();
  assert(shelvedBytes - before <= limit * 256, `${shelvedBytes - before} bytes on the shelf`);
});

// ---- Pools of categories ---------------------------------------------------

Deno.test("warming takes what was asked for and no more", () => {
  pool.trim();
  const before = pool.stats().heldBytes;
  pool.prewarm({ bytes: 4096, count: 16 });
  const taken = pool.stats().heldBytes - before;
  assert(taken >= 0 && taken <= 16 * 4096, `${taken} bytes`);
});

Deno.test("no size always misses", () => {
  for (let bytes = 100; bytes < 3 * mib; bytes = Math.floor(bytes * 1.37) + 1) {
    pool.release(pool.acquire(bytes));
    pool.resetStats();
    pool.release(pool.acquire(bytes));
    assertEquals(pool.stats().misses, 0, `${bytes} bytes`);
  }
});

Deno.test("what missed joins the pool", () => {
  const sizes = [777, 77_777, 7_777_777];
  const blocks = sizes.map((bytes) => pool.acquire(bytes));
  pool.releaseBatch(blocks);
  pool.resetStats();
  pool.releaseBatch(sizes.map((bytes) => pool.acquire(bytes)));
  assertEquals(pool.stats().hitRate, 1);
});

Deno.test("a buffer does not grow to the largest that was ever asked for", () => {
  pool.release(pool.acquire(40 * mib));
  pool.release(pool.acquire(mib));
  const small = pool.acquire(300);
  const large = pool.acquire(2 * mib + 1);
  const granted = [small.byteLength, large.byteLength];
  pool.releaseBatch([small, large]);
  assert(granted[0] <= 375, `${granted[0]}`);
  assert(granted[1] <= 2 * mib + 2 * 65_536, `${granted[1]}`);
});

// ---- Tensors and scopes ------------------------------------------------------

Deno.test("disposing through the base type returns the buffer", () => {
  const before = pool.stats().outstanding;
  const resources: Disposable[] = [Tensor.zeros([10]), pool.rent(10), pool.rentBatch(3, 10)];
  assertEquals(pool.stats().outstanding, before + 5);
  for (const resource of resources) resource[Symbol.dispose]();
  assertEquals(pool.stats().outstanding, before);
});

Deno.test(
  "one tensor can be kept out of a scope",
  withoutLeaks(() => {
    const kept: Tensor[] = [];
    scope(() => {
      Tensor.zeros([3]);
      kept.push(keep(Tensor.ones([3])));
    });
    assertEquals([...kept[0].data as Float32Array], [1, 1, 1]);
    kept[0].dispose();
  }),
);

Deno.test(
  "a loop need not hold everything until the scope around it ends",
  withoutLeaks(() => {
    scope(() => {
      const before = pool.stats().outstanding;
      for (let i = 0; i < 100; i++) {
        using x = Tensor.full([64], i);
        addInPlace(x, x);
      }
      assertEquals(pool.stats().outstanding, before);
    });
  }),
);

Deno.test(
  "copies use the size of a tensor, not the capacity of its block",
  withoutLeaks(() => {
    using dirty = Tensor.full([80], 7);
    dirty.dispose();
    using x = Tensor.from([1, 2, 3, 4, 5]);
    using y = x.clone();
    assertEquals([y.size, y.data.length, y.byteLength], [5, 5, 20]);
    assertEquals(x.toArray(), y.toArray());
    using shorter = Tensor.zeros([4]);
    assertThrows(() => shorter.copyFrom(x), RangeError, "[5]");
  }),
);

Deno.test(
  "a handle that was used again is never mistaken for its successor",
  withoutLeaks(() => {
    const first = pool.rent(128);
    first.dispose();
    using second = pool.rent(128);
    assertThrows(() => first.data, DisposedError, "[128]");
    first.dispose();
    assertEquals(second.disposed, false);
    second.data.fill(3);
    using third = pool.rent(128);
    assertNotEquals(third.address, second.address);
  }),
);

// ---- What users of larger systems complain of --------------------------------

Deno.test("sizes that vary do not make the pool grow without bound", () => {
  pool.trim();
  const before = pool.stats().heldBytes;
  let state = 1;
  for (let i = 0; i < 20_000; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    pool.release(pool.acquire(1 + (state >>> 8) % (2 * mib)));
  }
  // One block of each class, and the few large ones that the shelf takes.
  const { heldBytes } = pool.stats();
  assert(heldBytes - before <= 64 * mib, `${heldBytes - before} bytes after 20,000 sizes`);
  pool.trim();
  assert(pool.stats().heldBytes - before <= mib, "what was returned is given back");
});

Deno.test("memory that is free in the right size is not out of memory", () => {
  const sizes = Array.from({ length: 12 }, (_, i) => (2 + i % 3) * mib);
  const blocks = sizes.map((bytes) => pool.acquire(bytes));
  const held = pool.stats().heldBytes;
  pool.releaseBatch(blocks);
  pool.setBudget(held + mib);
  try {
    // All of it in one piece: free neighbours are one range.
    pool.release(pool.acquire(sizes.reduce((a, b) => a + b) - mib));
  } finally {
    pool.setBudget(Infinity);
  }
});

Deno.test("the text of an out-of-memory error says what is so", () => {
  using x = Tensor.zeros([1024, 1024]);
  const { heldBytes } = pool.stats();
  pool.setBudget(heldBytes + mib);
  try {
    const error = assertThrows(() => Tensor.zeros([4096, 4096]), OutOfMemoryError);
    for (const words of ["64.0 MiB", "live", "cached", "held", "budget", "4.00 MiB"]) {
      assert(error.message.includes(words), `${words}: ${error.message}`);
    }
    assertEquals(x.disposed, false);
  } finally {
    pool.setBudget(Infinity);
  }
});

Deno.test(
  "two asynchronous scopes at once do not free each other's tensors",
  withoutLeaksAsync(async () => {
    const turns = async (value: number) =>
      await scope(async () => {
        const x = Tensor.full([8], value);
        for (let i = 0; i < 5; i++) {
          await Promise.resolve();
          assertEquals(x.get(0), value);
          Tensor.zeros([8]);
        }
        return x.get(7);
      });
    assertEquals(await Promise.all([turns(1), turns(2), turns(3)]), [1, 2, 3]);
  }),
);
