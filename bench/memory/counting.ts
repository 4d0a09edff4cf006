/**
 * Counts what a program allocates: JavaScript objects and array buffers, as V8 counts
 * them, and memory that the pool had to take because it had none to reuse.
 *
 * The steady state is counted: a program runs many times before, until V8 has compiled
 * it and the pool is warm. Then it is counted several times and the median is taken,
 * because V8 also compiles, and sweeps what it collected before, at moments of its own.
 *
 * Array buffers are counted while the program still holds them, so a program that makes
 * some gives them to `hold`.
 */
import { collectGarbage, HeapCounter, type HeapCounts } from "../../lib/cli/garbage.ts";
import { delay } from "../../lib/core/delay.ts";
import { pool } from "../../lib/memory/mod.ts";

/** What one run of a program allocated. */
export interface Counts extends HeapCounts {
  /** Rents from the pool. */
  readonly rents: number;
  /** Rents that took memory which was never used before. */
  readonly misses: number;
}

/** Takes an array so that it lives until the run was counted. */
export type Hold = (array: ArrayBufferView) => void;

/** A program to count. */
export type Program = (hold: Hold) => void | Promise<void>;

/** V8 compiles on another thread, so what counts is time, not runs. */
const WARM_UP_MS = 400;
/** An odd number: one is in the middle. */
const COUNTED_RUNS = 9;
/** After a collection, other threads of V8 still sweep. */
const SWEEPING_MS = 5;

/** Runs a program until it is warm, and counts what one run allocates. */
export async function countProgram(program: Program): Promise<Counts> {
  const held: ArrayBufferView[] = [];
  const hold: Hold = (array) => void held.push(array);
  const run = () => program(hold);
  for (const end = performance.now() + WARM_UP_MS; performance.now() < end;) {
    await run();
    clear(held);
  }
  const runs: Counts[] = [];
  for (let i = 0; i < COUNTED_RUNS; i++) {
    runs.push(await countRun(run));
    clear(held);
  }
  return runs.sort((a, b) => totalBytes(a) - totalBytes(b))[COUNTED_RUNS >> 1];
}

/** Bytes that V8 counted. */
export function totalBytes(counts: Counts): number {
  return counts.heapBytes + counts.bufferBytes;
}

/** By how much fewer bytes one program allocates than another: 0 none, 1 all. */
export function saving(counts: Counts, against: Counts): number {
  return 1 - totalBytes(counts) / totalBytes(against);
}

const NOTHING = new Float32Array(0);

/** Lets the arrays go, but keeps the list's own memory: growing it would be counted. */
function clear(held: ArrayBufferView[]): void {
  held.fill(NOTHING);
  held.length = 0;
}

async function countRun(run: () => void | Promise<void>): Promise<Counts> {
  collectGarbage();
  await delay(SWEEPING_MS);
  const pooled = pool.stats();
  const counter = new HeapCounter();
  const running = run();
  if (running !== undefined) await running;
  const counts = counter.stop();
  const { rents, misses } = pool.stats();
  return { ...counts, rents: rents - pooled.rents, misses: misses - pooled.misses };
}
