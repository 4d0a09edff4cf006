/**
 * How one small operation is measured: its time, and what V8 allocates for it.
 *
 * An operation of nanoseconds is far below the clock, so it is timed in batches of
 * some milliseconds. The bytes are counted apart from the time, over a million
 * operations where that is not too long. No collection is asked for: asking would hide what the operation leaves to the
 * collector. Objects that V8's optimiser never makes (escape analysis) are not in
 * the sum, as they are not in a program's; a case that keeps its results for a
 * while shows what they weigh.
 *
 * @module
 */

import { HeapCounter } from "../garbage.ts";

/** Runs an operation a number of times. */
export type Loop = (operations: number) => void;

/** What V8 did in a number of operations. */
export interface HeapFigures {
  readonly operations: number;
  /** Of JavaScript objects; the bytes behind typed arrays are not among them. */
  readonly bytes: number;
  /** Collections of any kind. */
  readonly collections: number;
}

/** A batch is timed at least this long. */
const BATCH_MS = 5;
/** However fast an operation is. */
const LARGEST_BATCH = 1 << 26;
/** Operations over which bytes are counted. */
const COUNTED_OPERATIONS = 1_000_000;
const SHORT_COUNT_MS = 100;

/** Times one batch, in nanoseconds an operation. */
export function timeLoop(loop: Loop, operations: number): number {
  const started = performance.now();
  loop(operations);
  return (performance.now() - started) * 1e6 / operations;
}

/**
 * Finds how many operations make a batch, and warms the operation up by that.
 *
 * Each size is tried three times and the fastest counts, so that a moment in which the
 * machine did something else does not make a small batch look long.
 *
 * @param loop the operation
 * @param multiple the number is a multiple of this
 */
export function batchSize(loop: Loop, multiple: number): number {
  let operations = multiple;
  for (;;) {
    const ms = fastestOf(3, loop, operations);
    const fitting = Math.min(LARGEST_BATCH, operations * BATCH_MS / ms);
    const rounded = Math.max(1, Math.round(fitting / multiple)) * multiple;
    if (ms >= BATCH_MS || operations >= LARGEST_BATCH) return rounded;
    // The first tries are slow, as nothing is compiled yet: the next step shows it.
    operations = Math.max(operations + multiple, Math.min(operations * 8, rounded));
  }
}

function fastestOf(tries: number, loop: Loop, operations: number): number {
  let fastest = Infinity;
  for (let i = 0; i < tries; i++) {
    const started = performance.now();
    loop(operations);
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}

/**
 * Over how many operations bytes are counted.
 *
 * @param nsPerOperation about how long one takes
 * @param multiple the number is a multiple of this
 * @param milliseconds how long the count may take; a slow operation is counted less often
 */
export function countedOperations(
  nsPerOperation: number,
  multiple: number,
  milliseconds: number,
): number {
  const affordable = milliseconds * 1e6 / nsPerOperation;
  return Math.ceil(Math.min(COUNTED_OPERATIONS, affordable) / multiple) * multiple;
}

/**
 * Counts what V8 allocates in a number of operations, and its collections. A short
 * count is done three times, and the middle one taken: V8 also compiles, and sweeps what
 * it collected before, at moments of its own.
 */
export function countHeap(loop: Loop, operations: number): HeapFigures {
  const started = performance.now();
  const counts = [countOnce(loop, operations)];
  if (performance.now() - started > SHORT_COUNT_MS) return counts[0];
  while (counts.length < 3) counts.push(countOnce(loop, operations));
  return counts.sort((a, b) => a.bytes - b.bytes)[1];
}

function countOnce(loop: Loop, operations: number): HeapFigures {
  const counter = new HeapCounter();
  loop(operations);
  const { heapBytes, collections } = counter.stop();
  return { operations, bytes: heapBytes, collections };
}
