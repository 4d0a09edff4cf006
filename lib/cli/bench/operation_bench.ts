/**
 * How fast single operations are, as a program calls them: each writes into a result
 * that is there already.
 *
 * Cases are timed once a round, forwards and backwards in turn, so that a change of
 * the machine's speed meets all alike; what they allocate is counted afterwards.
 *
 * @module
 */

import { delay } from "../../core/delay.ts";
import { threads } from "../../ffi/mod.ts";
import { nativeAllocations } from "../generation_run.ts";
import { formatTable, markdownTable } from "../output.ts";
import { batchSize, countedOperations, countHeap, type Loop, timeLoop } from "./measure.ts";
import { type BenchRow, rowOf } from "./rows.ts";

/** One operation on tensors that it keeps until it is disposed of. */
export interface OperationCase extends Disposable {
  readonly name: string;
  readonly shape: string;
  /** Multiplications and additions of one operation, where they are its measure. */
  readonly flops?: number;
  /** Elements that one operation makes, where they are; else it is counted itself. */
  readonly items?: number;
  /** Bytes that one operation must read and write. */
  readonly bytes?: number;
  readonly loop: Loop;
}

/** A case that calls `run` and keeps `tensors`. */
export function caseOf(
  what: Omit<OperationCase, "loop" | typeof Symbol.dispose>,
  run: () => unknown,
  tensors: readonly Disposable[],
): OperationCase {
  return {
    ...what,
    loop(operations) {
      for (let i = 0; i < operations; i++) run();
    },
    [Symbol.dispose]() {
      for (const tensor of tensors) tensor[Symbol.dispose]();
    },
  };
}

/** How operations are measured. */
export interface OperationPlan {
  /** Rounds before timing. */
  readonly warmup: number;
  /** Timed rounds. */
  readonly iters: number;
  readonly signal: AbortSignal;
}

/** A row, with what makes operations of different sizes comparable. */
export interface OperationRow extends BenchRow {
  readonly gflops?: number;
  readonly gbPerSecond?: number;
}

/** How long counting what one case allocates may take. */
const COUNTED_MS = 200;
/** How often an operation runs at most until the pool has what it needs. */
const SETTLING = 4;

/** Measures cases; the rows are in their order. */
export async function measureOperations(
  cases: readonly OperationCase[],
  plan: OperationPlan,
): Promise<OperationRow[]> {
  const batches = cases.map(({ loop }) => batchSize(loop, 1));
  const times: number[][] = cases.map(() => []);
  const forwards = [...cases.keys()];
  for (let round = 0; round < plan.warmup + plan.iters; round++) {
    for (const index of round % 2 === 0 ? forwards : forwards.toReversed()) {
      const ns = timeLoop(cases[index].loop, batches[index]);
      if (round >= plan.warmup) times[index].push(ns);
      // The loops do not give way by themselves; a signal can only come here.
      await delay(0);
      plan.signal.throwIfAborted();
    }
  }
  return cases.map((one, index) => countRow(one, times[index]));
}

/** Lets an operation get back what the pool gave to others meanwhile. */
function settle(loop: Loop): void {
  for (let turn = 0; turn < SETTLING; turn++) {
    const before = nativeAllocations();
    loop(1);
    if (nativeAllocations() === before) return;
  }
}

function countRow(one: OperationCase, ns: readonly number[]): OperationRow {
  const { name, shape, flops, items = 1, bytes, loop } = one;
  const operations = countedOperations(Math.min(...ns), 1, COUNTED_MS);
  settle(loop);
  const allocated = nativeAllocations();
  const heap = countHeap(loop, operations);
  const row = rowOf({
    name,
    shape,
    threads: threads(),
    ns,
    itemsPerOp: items,
    nativeAllocationsPerOp: (nativeAllocations() - allocated) / operations,
    heapBytesPerOp: heap.bytes / operations,
    garbageCollections: heap.collections,
  });
  return {
    ...row,
    ...(flops === undefined ? {} : { gflops: flops / row.medianNs }),
    ...(bytes === undefined ? {} : { gbPerSecond: bytes / row.medianNs }),
  };
}

/** What tells how fast a row is; columns that no row has are left out. */
const SPEEDS: readonly [name: string, of: (row: OperationRow) => number | undefined][] = [
  ["GFLOP/s", (row) => row.gflops],
  ["M/s", (row) => row.gflops === undefined ? row.itemsPerSecond / 1e6 : undefined],
  ["GB/s", (row) => row.gbPerSecond],
];
const NUMERIC: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 7, 8, 9]);

/** Rows as a table; native allocations and heap bytes are those of one operation. */
export function operationTable(
  rows: readonly OperationRow[],
  form: "text" | "markdown",
): string {
  const speeds = SPEEDS.filter(([, of]) => rows.some((row) => of(row) !== undefined));
  const names = speeds.map(([name]) => name);
  const head = [
    "name",
    "shape",
    "threads",
    "median us",
    "min us",
    ...names,
    "native",
    "heap bytes",
  ];
  const cells = rows.map((row) => [
    row.name,
    row.shape,
    `${row.threads}`,
    (row.medianNs / 1e3).toFixed(2),
    (row.minNs / 1e3).toFixed(2),
    ...speeds.map(([, of]) => of(row)?.toFixed(1) ?? "-"),
    (row.nativeAllocationsPerOp ?? 0).toFixed(2),
    (row.heapBytesPerOp ?? 0).toFixed(0),
  ]);
  return (form === "text" ? formatTable : markdownTable)([head, ...cells], NUMERIC);
}
