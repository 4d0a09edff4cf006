import { assert, assertEquals } from "@std/assert";
import { batchSize, countedOperations, countHeap } from "../../lib/cli/bench/measure.ts";
import { poolTable } from "../../lib/cli/bench/pool_table.ts";

/** Objects of 40 bytes: three words of every object, and two fields. */
class Pair {
  constructor(readonly first: number, readonly second: unknown) {}
}

Deno.test("countHeap() counts no bytes for a loop that allocates none", () => {
  let sum = 0;
  const loop = (count: number) => {
    for (let i = 0; i < count; i++) sum = (sum + i) & 0xff;
  };
  for (let i = 0; i < 20; i++) loop(100_000);
  const { operations, bytes, collections } = countHeap(loop, 1_000_000);
  assertEquals([operations, collections], [1_000_000, 0]);
  // Less than a thousandth of a byte an operation, were V8 to compile in between.
  assert(Math.abs(bytes) < 1000, `${bytes} bytes`);
});

Deno.test("countHeap() counts objects that were collected meanwhile", () => {
  const ring: Pair[] = [];
  const loop = (count: number) => {
    for (let i = 0; i < count; i++) ring[i & 63] = new Pair(i & 0xff, undefined);
  };
  loop(100_000);
  const { bytes, collections } = countHeap(loop, 1_000_000);
  assert(collections > 0, "40 MB do not fit into the young generation");
  const each = bytes / 1_000_000;
  assert(each >= 39 && each <= 44, `${each} bytes an object`);
});

Deno.test("batchSize() and countedOperations() give multiples that are not 0", () => {
  const size = batchSize((count) => {
    for (const end = performance.now() + count / 64; performance.now() < end;);
  }, 64);
  assert(size % 64 === 0 && size > 0 && size <= 64 * 100, `${size}`);
  assertEquals(batchSize(() => {}, 64) % 64, 0, "a loop that takes no time ends too");
  assertEquals(countedOperations(1, 64, 100), 1_000_000);
  assertEquals(countedOperations(1, 48, 100), 1_000_032);
  assertEquals(countedOperations(1000, 1, 100), 100_000);
  assertEquals(countedOperations(1e12, 64, 100), 64);
});

Deno.test("poolTable() shows nanoseconds with three digits and exact zeros", () => {
  const row = {
    name: "acquire 64",
    shape: "64",
    threads: 1,
    workers: 0,
    iterations: 3,
    countedOperations: 1_000_000,
    medianNs: 8.1234,
    minNs: 7,
    itemsPerSecond: 123_456_789,
    nativeAllocationsPerOp: 0,
    heapBytesPerOp: 0,
    garbageCollections: 0,
  };
  const peer = { ...row, nativeAllocationsPerOp: null, medianNs: 12_345.6, heapBytesPerOp: 200.1 };
  const [, , first, second] = poolTable([row, peer], "markdown").split("\n");
  assertEquals(first, "| acquire 64 | 1 | 8.12 | 7.00 | 123 | 0 | 0 | 0 |");
  assertEquals(second, "| acquire 64 | 1 | 12346 | 7.00 | 123 | - | 200 | 0 |");
});
