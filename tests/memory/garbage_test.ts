/**
 * What holding memory costs the JavaScript heap: nothing by blocks, 64 bytes by
 * handles, 72 by storages, which count how often they were written.
 */
import { assert } from "@std/assert";
import "../support/native.ts";
import { collectGarbage } from "../support/garbage.ts";
import { HeapCounter, type HeapCounts } from "../../lib/cli/garbage.ts";
import { pool, PooledStorage } from "../../lib/memory/mod.ts";

const mib = 1 << 20;
const attempts = 5;

/** What V8 allocated in a loop. */
function costOf(loop: () => void): HeapCounts {
  const counter = new HeapCounter();
  loop();
  return counter.stop();
}

for (const bytes of [256, 16_384, 4 * mib]) {
  Deno.test(`a million blocks of ${bytes} bytes, one after another, make no garbage`, async () => {
    const loop = (count: number) => {
      for (let i = 0; i < count; i++) pool.release(pool.acquire(bytes));
    };
    loop(500_000);
    // The compiler's own garbage may fall into one attempt, but not into all.
    const costs: HeapCounts[] = [];
    for (let i = 0; i < attempts; i++) {
      await collectGarbage();
      costs.push(costOf(() => loop(1_000_000)));
    }
    const isFree = costs.some((cost) => cost.collections === 0 && cost.heapBytes < 100_000);
    assert(isFree, JSON.stringify(costs));
  });
}

Deno.test("a buffer takes at most 64 bytes of the heap, and a storage 72", async () => {
  const count = 50_000;
  const buffer = () => {
    const made = pool.rent(64);
    made.dispose();
    return made;
  };
  const storage = () => {
    const made = new PooledStorage(256);
    made.release();
    return made;
  };
  for (const { make, most } of [{ make: buffer, most: 64 }, { make: storage, most: 72 }]) {
    const sizes: number[] = [];
    for (let i = 0; i < attempts; i++) {
      const kept: object[] = new Array(count).fill(pool);
      await collectGarbage();
      const before = Deno.memoryUsage().heapUsed;
      for (let index = 0; index < count; index++) kept[index] = make();
      await collectGarbage();
      sizes.push((Deno.memoryUsage().heapUsed - before) / count);
      assert(kept.every((handle) => handle !== pool));
    }
    assert(Math.min(...sizes) < most + 1, `${sizes} bytes`);
    assert(Math.max(...sizes) > 40, `${sizes} bytes: they were not all made`);
  }
});
