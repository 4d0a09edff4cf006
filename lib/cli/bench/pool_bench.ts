/**
 * `bench pool`: what the pool's ways of holding memory cost, alone and with workers at
 * once, beside typed arrays, malloc and another library's pool.
 *
 * Every case is timed once a round, and rounds go through the cases forwards and
 * backwards in turn, so that a change of the machine's speed meets all alike. Bytes
 * and collections are counted afterwards, apart from the times.
 *
 * @module
 */

import { delay } from "../../core/delay.ts";
import { nativeAllocations } from "../generation_run.ts";
import { batchSize, countedOperations } from "./measure.ts";
import { openPoolCases, type PoolCase } from "./pool_cases.ts";
import { preparePoolPeers, removePoolPeers } from "./pool_peers.ts";
import { LocalRunner, type PoolRunner, WorkerRunner } from "./pool_runner.ts";
import { type BenchRow, median } from "./rows.ts";

/** What is measured. */
export interface PoolPlan {
  /** Numbers of float32 elements. */
  readonly lengths: readonly number[];
  /** Rounds before timing. */
  readonly warmup: number;
  /** Timed rounds. */
  readonly iters: number;
  /** How many workers at once, besides this isolate alone. */
  readonly workers: readonly number[];
  /** Whether malloc and numpy-ts are measured too. */
  readonly peer: boolean;
  readonly signal: AbortSignal;
  /** Told what is measured now. */
  readonly onProgress: (line: string) => void;
}

/** A row, with how many operations its bytes and collections were counted over. */
export interface PoolRow extends BenchRow {
  /** Isolates that worked at the same time; times are one's, items a second are all theirs. */
  readonly threads: number;
  /** 0: the main isolate, alone. */
  readonly workers: number;
  readonly countedOperations: number;
}

/** Measures everything; the rows are in the order of the cases, this isolate's first. */
export async function measurePool(plan: PoolPlan): Promise<PoolRow[]> {
  const peers = plan.peer ? await preparePoolPeers(plan.signal) : undefined;
  try {
    const cases = await openPoolCases(plan.lengths, peers);
    // Sized here for all: in workers that share a processor, a small batch looks long.
    const batches = cases.map(({ loop, multiple }) => batchSize(loop, multiple));
    const rows: PoolRow[] = [];
    for (const workers of [0, ...plan.workers]) {
      plan.onProgress(workers === 0 ? "alone" : `${workersText(workers)} at once`);
      using runner = workers === 0
        ? new LocalRunner(cases)
        : await WorkerRunner.start(workers, plan.lengths, peers);
      rows.push(...await measureWith(runner, cases, batches, plan));
    }
    return rows;
  } finally {
    if (peers !== undefined) await removePoolPeers(peers);
  }
}

/** How long counting may take: alone, enough for a million of anything under 700 ns. */
const COUNTED_MS = 700;
const WORKERS_COUNTED_MS = 150;

/** Times of one case: nanoseconds by round, then by isolate. */
type Times = number[][];

async function measureWith(
  runner: PoolRunner,
  cases: readonly PoolCase[],
  batches: readonly number[],
  plan: PoolPlan,
): Promise<PoolRow[]> {
  const times: Times[] = cases.map(() => []);
  const forwards = [...cases.keys()];
  for (let round = 0; round < plan.warmup + plan.iters; round++) {
    for (const index of round % 2 === 0 ? forwards : forwards.toReversed()) {
      const ns = await runner.time(index, batches[index]);
      if (round >= plan.warmup) times[index].push(ns);
    }
    // The loops do not give way by themselves; a signal can only come here.
    await delay(0);
    plan.signal.throwIfAborted();
  }
  const rows: PoolRow[] = [];
  for (const [index, one] of cases.entries()) {
    rows.push(await countRow(runner, index, one, times[index]));
    plan.signal.throwIfAborted();
  }
  return rows;
}

/** Counts bytes and collections of a case, and makes its row. */
async function countRow(
  runner: PoolRunner,
  index: number,
  one: PoolCase,
  times: Times,
): Promise<PoolRow> {
  const medianNs = median(times.flat());
  const time = runner.workers === 0 ? COUNTED_MS : WORKERS_COUNTED_MS;
  const operations = countedOperations(medianNs, one.multiple, time);
  const allocated = nativeAllocations();
  const heap = await runner.count(index, operations);
  const all = operations * heap.length;
  return {
    name: runner.workers === 0 ? one.name : `${one.name}, ${workersText(runner.workers)}`,
    shape: one.length === 0 ? "-" : `${one.length}`,
    threads: Math.max(1, runner.workers),
    iterations: times.length,
    medianNs,
    minNs: Math.min(...times.flat()),
    itemsPerSecond: median(times.map((round) => round.reduce((sum, ns) => sum + 1e9 / ns, 0))),
    nativeAllocationsPerOp: one.ours ? (nativeAllocations() - allocated) / all : null,
    heapBytesPerOp: heap.reduce((sum, { bytes }) => sum + bytes, 0) / all,
    garbageCollections: heap.reduce((sum, { collections }) => sum + collections, 0),
    workers: runner.workers,
    countedOperations: all,
  };
}

function workersText(workers: number): string {
  return workers === 1 ? "1 worker" : `${workers} workers`;
}
