/**
 * Snapshots across isolates: who holds what, what is shared, and what is gone with a worker.
 */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type BlockSnapshot, pool, snapshotPage } from "../../../lib/memory/mod.ts";
import { summarizeSnapshot } from "../../../lib/memory/snapshot_summary.ts";
import { Tensor } from "../../../lib/tensor/mod.ts";
import "../../support/native.ts";

function blocksNow(): BlockSnapshot[] {
  return pool.snapshot().segments.flatMap((segment) => segment.blocks);
}

/** A worker that holds two blocks of sizes that nobody else asks for, and says its isolate's are there. */
async function withWorker(body: (worker: Worker) => void | Promise<void>): Promise<void> {
  const library = new URL("../../../lib/tensor/mod.ts", import.meta.url).href;
  const memory = new URL("../../../lib/memory/mod.ts", import.meta.url).href;
  const source = `
    import { Tensor } from "${library}";
    import { pool } from "${memory}";
    const held: unknown[] = [pool.acquire(123_457), pool.acquire(3_333_333)];
    pool.release(pool.acquire(77_777));
    onmessage = ({ data }) => {
      held.push(Tensor.fromShared(data));
      postMessage(held.length);
    };
    postMessage(held.length);`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/typescript" }));
  const worker = new Worker(url, { type: "module" });
  try {
    await answer(worker);
    await body(worker);
  } finally {
    worker.terminate();
    URL.revokeObjectURL(url);
  }
}

function answer(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
}

/** Isolates while no worker of these tests runs: earlier test modules may have left theirs. */
let isolates = 0;

/** Waits until what ended workers held was taken back. */
async function untilAlone(): Promise<void> {
  for (let i = 0; i < 500 && pool.stats().isolates > isolates; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertEquals(pool.stats().isolates, isolates, "isolates");
}

function askedFor(blocks: BlockSnapshot[], bytes: number): BlockSnapshot[] {
  return blocks.filter((block) => block.requested === bytes && block.state !== "shelved");
}

Deno.test("a snapshot shows what a worker holds, under the worker's isolate", async () => {
  const own = pool.acquire(55_555);
  ({ isolates } = pool.stats());
  await withWorker(() => {
    const blocks = blocksNow();
    const [[mine], [small], [large]] = [55_555, 123_457, 3_333_333]
      .map((bytes) => askedFor(blocks, bytes));
    assertEquals([mine.state, small.state, large.state], ["live", "live", "live"]);
    assertEquals(small.isolate, large.isolate);
    assertNotEquals(small.isolate, mine.isolate);
    // It cannot know of the shelves of another isolate.
    assertEquals(askedFor(blocks, 77_777).map(({ state }) => state), ["live"]);
  });
  pool.release(own);
});

Deno.test("what a worker held is gone from snapshots some time after it was ended", async () => {
  await withWorker(() => assertEquals(askedFor(blocksNow(), 123_457).length, 1));
  await untilAlone();
  assertEquals(askedFor(blocksNow(), 123_457), []);
  assertEquals(askedFor(blocksNow(), 3_333_333), []);
});

Deno.test("memory on the way to a worker, and then held by it, is shared", async () => {
  await withWorker(async (worker) => {
    const tensor = Tensor.ones([99, 101]);
    const bytes = tensor.byteLength;
    assertEquals(askedFor(blocksNow(), bytes)[0].state, "live");
    const ticket = tensor.share();
    assertEquals(askedFor(blocksNow(), bytes)[0].state, "shared");
    worker.postMessage(ticket);
    await answer(worker);
    assertEquals(askedFor(blocksNow(), bytes)[0].state, "shared");
    tensor.dispose();
    assertEquals(askedFor(blocksNow(), bytes).length, 1);
  });
});

Deno.test("the blocks of a snapshot add up to the statistics of the pool", async () => {
  await untilAlone();
  // Slices without blocks, which earlier test modules may have left, keep their pages: they
  // are held, but no block shows them.
  pool.trim();
  const blocks = [1000, 70_000, 2_500_000].map((bytes) => pool.acquire(bytes));
  for (let i = 0; i < 20; i++) pool.release(pool.acquire(1 << i));
  const snapshot = pool.snapshot();
  const { states } = summarizeSnapshot(snapshot);
  const { totals } = snapshot;
  // Shelves of other isolates, which earlier test modules left, count as cached but look live.
  const { live, shared, shelved, thread, cached } = states;
  const held = live.bytes + shared.bytes + shelved.bytes + thread.bytes + cached.bytes;
  assertEquals(held, totals.heldBytes);
  assertEquals(held, (totals.liveBytes ?? 0) + (totals.cachedBytes ?? 0));
  assert(shelved.bytes > 0 && shelved.bytes <= (totals.shelvedBytes ?? 0));
  assert(live.blocks + shared.blocks >= (totals.outstanding ?? Infinity));
  pool.releaseBatch(blocks);
});

Deno.test("blocks of a segment follow each other and do not overlap", () => {
  for (const { address, bytes, blocks } of pool.snapshot().segments) {
    let end = BigInt(address);
    for (const block of blocks) {
      assert(BigInt(block.address) >= end, `${block.address} overlaps the block before it`);
      end = BigInt(block.address) + BigInt(block.bytes);
    }
    assert(end <= BigInt(address) + BigInt(bytes), `${address} is longer than its segment`);
  }
});

Deno.test("a snapshot of very many blocks is complete, and its page small", () => {
  const before = blocksNow().length;
  const blocks = pool.acquireBatch(256, 50_000);
  const snapshot = pool.snapshot();
  const count = snapshot.segments.reduce((sum, segment) => sum + segment.blocks.length, 0);
  assert(count >= 50_000 && count >= before, `${count} blocks`);
  const page = snapshotPage(snapshot);
  assert(page.length < 1_000_000, `${page.length} characters`);
  assertMatch(page, /^<!DOCTYPE html>/);
  pool.releaseBatch(blocks);
});
