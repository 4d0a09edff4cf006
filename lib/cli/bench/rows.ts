/**
 * Results of benchmarks and how they are shown.
 *
 * @module
 */

import { formatTable, markdownTable } from "../output.ts";

/** How long operations took, and how many items were done in a second. */
export interface Timing {
  readonly iterations: number;
  readonly medianNs: number;
  readonly minNs: number;
  readonly itemsPerSecond: number;
}

/**
 * One measured thing. Times are for one operation: a generated token, a whole prompt, a block
 * taken and given back.
 */
export interface BenchRow extends Timing {
  readonly name: string;
  readonly shape: string;
  readonly threads: number;
  /** `null`, like the next ones, for peers whose inside is not seen. */
  readonly nativeAllocationsPerOp: number | null;
  readonly heapBytesPerOp: number | null;
  readonly garbageCollections: number | null;
}

/** What a row is computed from. */
export interface Samples {
  readonly name: string;
  readonly shape: string;
  readonly threads: number;
  /** Nanoseconds of one operation, one for each iteration. */
  readonly ns: readonly number[];
  /** Tokens of one operation. */
  readonly itemsPerOp: number;
  readonly nativeAllocationsPerOp: number | null;
  readonly heapBytesPerOp: number | null;
  readonly garbageCollections: number | null;
}

/** Makes a row of samples. */
export function rowOf({ ns, itemsPerOp, ...rest }: Samples): BenchRow {
  const { name, shape, threads } = rest;
  return {
    name,
    shape,
    threads,
    ...timingOf(ns, itemsPerOp),
    nativeAllocationsPerOp: rest.nativeAllocationsPerOp,
    heapBytesPerOp: rest.heapBytesPerOp,
    garbageCollections: rest.garbageCollections,
  };
}

/** What samples of one operation come to, in nanoseconds, each of so many items. */
export function timingOf(ns: readonly number[], itemsPerOp: number): Timing {
  const medianNs = median(ns);
  return {
    iterations: ns.length,
    medianNs,
    minNs: Math.min(...ns),
    itemsPerSecond: itemsPerOp * 1e9 / medianNs,
  };
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const HEAD = ["name", "shape", "threads", "iterations", "median ms", "min ms", "tokens/s", "ratio"];
const NUMERIC: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 7]);

/** Rows as a table for people; the ratio is each row's speed over the last row's. */
export function rowsTable(rows: readonly BenchRow[], form: "text" | "markdown"): string {
  const peer = rows.length > 1 ? rows.at(-1) : undefined;
  const cells = rows.map((row) => [
    row.name,
    row.shape,
    `${row.threads}`,
    `${row.iterations}`,
    (row.medianNs / 1e6).toFixed(3),
    (row.minNs / 1e6).toFixed(3),
    row.itemsPerSecond.toFixed(1),
    ...(peer === undefined ? [] : [(row.itemsPerSecond / peer.itemsPerSecond).toFixed(2)]),
  ]);
  const head = peer === undefined ? HEAD.slice(0, -1) : HEAD;
  return (form === "text" ? formatTable : markdownTable)([head, ...cells], NUMERIC);
}
