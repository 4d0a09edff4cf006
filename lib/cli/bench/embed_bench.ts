/**
 * How fast texts become vectors: `bench embed`.
 *
 * The contenders take turns, forwards in one round and backwards in the next, so that a
 * change of the machine's speed meets all; a pause before each turn is longer than threads
 * of theirs spin after work. No time counts before their vectors agree.
 *
 * @module
 */

import { delay } from "../../core/delay.ts";
import { threads } from "../../ffi/mod.ts";
import { formatTable, markdownTable } from "../output.ts";
import type { EmbedCase } from "./embed_cases.ts";
import { type EmbedContender, type RunningContender, startContender } from "./embed_contenders.ts";
import { median, type Timing, timingOf } from "./rows.ts";

/** How it is measured. */
export interface EmbedPlan {
  /** Timed rounds. */
  readonly iters: number;
  readonly signal: AbortSignal;
  /** Told what is measured. */
  readonly onProgress: (line: string) => void;
}

/** One contender at one case. Times are for all texts of the case. */
export interface EmbedRow extends Timing {
  readonly name: string;
  readonly contender: string;
  readonly shape: string;
  readonly threads: number;
  /** How many times as long as the first contender it takes: the median over the rounds. */
  readonly ratio: number;
}

/** Milliseconds before a turn. */
const PAUSE = 100;
/** Nanoseconds that a turn takes at least. */
const TURN = 300e6;
/** The least cosine of two contenders' vectors of one text. */
const LEAST_COSINE = 0.999;

/** Measures the cases, and how long each contender takes to its first vector. */
export async function measureEmbedding(
  contenders: readonly EmbedContender[],
  cases: readonly EmbedCase[],
  plan: EmbedPlan,
): Promise<EmbedRow[]> {
  await using running = new AsyncDisposableStack();
  const started: RunningContender[] = [];
  for (const one of contenders) {
    plan.onProgress(`starting ${one.name}`);
    started.push(running.use(await startContender(one, plan.signal)));
  }
  const rows: EmbedRow[] = [];
  for (const one of cases) {
    plan.onProgress(`${one.name}, ${one.shape}`);
    rows.push(...await measureCase(started, one, plan));
  }
  await running.disposeAsync();
  plan.onProgress("first vector");
  return [...rows, ...await measureStart(contenders, plan)];
}

async function measureCase(
  contenders: readonly RunningContender[],
  { name, shape, texts }: EmbedCase,
  plan: EmbedPlan,
): Promise<EmbedRow[]> {
  const repeats: number[] = [];
  const samples: (readonly number[])[] = [];
  for (const one of contenders) {
    let { ns, sample } = await one.run(texts, 1);
    // The first run compiles, and packs weights, which a long one shows little of.
    if (ns < TURN) ({ ns, sample } = await one.run(texts, 1));
    repeats.push(Math.max(1, Math.ceil(TURN / ns)));
    samples.push(sample);
    checkAlike(contenders[0].name, samples[0], one.name, sample);
  }
  const times = await inTurns(contenders, plan, async (one, index) => {
    await delay(PAUSE);
    return (await one.run(texts, repeats[index])).ns;
  });
  return rowsOf(name, shape, contenders, times, texts.length);
}

async function measureStart(
  contenders: readonly EmbedContender[],
  plan: EmbedPlan,
): Promise<EmbedRow[]> {
  const times = await inTurns(contenders, plan, async (one) => {
    await using process = await startContender(one, plan.signal);
    return process.firstNs;
  });
  return rowsOf("import to first vector", "1 text", contenders, times, 1);
}

/** The times of each contender, in the order of the rounds. */
async function inTurns<T>(
  contenders: readonly T[],
  { iters, signal }: EmbedPlan,
  time: (one: T, index: number) => Promise<number>,
): Promise<number[][]> {
  const times: number[][] = contenders.map(() => []);
  const forwards = [...contenders.keys()];
  for (let round = 0; round < iters; round++) {
    for (const index of round % 2 === 0 ? forwards : forwards.toReversed()) {
      times[index].push(await time(contenders[index], index));
      signal.throwIfAborted();
    }
  }
  return times;
}

function rowsOf(
  name: string,
  shape: string,
  contenders: readonly { readonly name: string }[],
  times: readonly (readonly number[])[],
  items: number,
): EmbedRow[] {
  return contenders.map((one, index) => {
    const ns = times[index];
    return {
      name,
      contender: one.name,
      shape,
      threads: threads(),
      ...timingOf(ns, items),
      ratio: median(ns.map((time, round) => time / times[0][round])),
    };
  });
}

function checkAlike(
  ours: string,
  expected: readonly number[],
  theirs: string,
  vector: readonly number[],
): void {
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, i) => sum + value * b[i], 0);
  const cosine = dot(expected, vector) / Math.sqrt(dot(expected, expected) * dot(vector, vector));
  if (expected.length === vector.length && cosine >= LEAST_COSINE) return;
  throw new Error(`${theirs} computes other vectors than ${ours}: a cosine of ${cosine}`);
}

const HEAD = ["what", "shape", "by", "threads", "median ms", "min ms", "texts/s", "times as long"];
const NUMERIC: ReadonlySet<number> = new Set([3, 4, 5, 6, 7]);

/** Rows as a table for people. */
export function embedTable(rows: readonly EmbedRow[], form: "text" | "markdown"): string {
  const cells = rows.map((row) => [
    row.name,
    row.shape,
    row.contender,
    `${row.threads}`,
    (row.medianNs / 1e6).toFixed(2),
    (row.minNs / 1e6).toFixed(2),
    row.itemsPerSecond.toFixed(1),
    row.ratio.toFixed(2),
  ]);
  return (form === "text" ? formatTable : markdownTable)([HEAD, ...cells], NUMERIC);
}
