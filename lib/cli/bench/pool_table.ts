/**
 * How the rows of `bench pool` are shown: times in nanoseconds, and what was allocated.
 *
 * @module
 */

import { formatTable, markdownTable } from "../output.ts";
import type { PoolRow } from "./pool_bench.ts";

const HEAD = [
  "name",
  "isolates",
  "median ns",
  "min ns",
  "M/s",
  "native allocations",
  "heap bytes",
  "collections",
];
const NUMERIC: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 7]);

/** Rows as a table; native allocations and heap bytes are those of one operation. */
export function poolTable(rows: readonly PoolRow[], form: "text" | "markdown"): string {
  const cells = rows.map((row) => [
    row.name,
    `${row.threads}`,
    digits(row.medianNs),
    digits(row.minNs),
    digits(row.itemsPerSecond / 1e6),
    row.nativeAllocationsPerOp === null ? "-" : digits(row.nativeAllocationsPerOp),
    row.heapBytesPerOp === null ? "-" : digits(row.heapBytesPerOp),
    row.garbageCollections === null ? "-" : `${row.garbageCollections}`,
  ]);
  return (form === "text" ? formatTable : markdownTable)([HEAD, ...cells], NUMERIC);
}

/** Three digits, and more before the point where there are; what is 0 is shown as 0. */
function digits(value: number): string {
  if (Math.abs(value) < 0.0005) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.max(0, Math.min(3, 2 - size)));
}
