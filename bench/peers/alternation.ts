/**
 * Measuring in turns: each contender runs a case for a moment, then the next, forwards in
 * one round and backwards in the other, so that a change of the machine's speed meets all.
 *
 * While one runs, the others wait for their next line. Some keep their threads spinning for
 * a while after work, as their users have it too; switching that off would change what is
 * measured. Instead there is a pause before every turn that is longer than they spin, and
 * each turn begins with a warm-up that wakes the threads again. Every contender tells how
 * much processor time it took while it waited.
 *
 * A turn in which other programs took processor time is thrown away and taken again: they
 * do not harm all alike, since threads that wait for each other by spinning lose the most.
 *
 * @module
 */

import { median } from "../../lib/cli/bench/rows.ts";
import { oneLine } from "../../lib/cli/errors.ts";
import { delay } from "../../lib/core/delay.ts";
import { type BenchCase, caseId } from "./cases.ts";
import { QUERN, type Running, variantsOf } from "./contenders.ts";
import { type ModelRequest, writeModel } from "./onnx_cases.ts";

/** How a case is measured. */
export interface Plan {
  readonly rounds: number;
  /** Seconds of a turn that are timed. */
  readonly window: number;
  /** Seconds before them, in the same turn. */
  readonly warmup: number;
  /** Milliseconds before a turn. */
  readonly pause: number;
  /** Where models are written. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Called after every round. */
  readonly onRound: () => void;
}

/** What was measured of one case. */
export interface Measured {
  /** Ours first. */
  readonly samples: readonly Samples[];
  /** Why others have none. */
  readonly skipped: readonly string[];
  /** Turns that other programs disturbed. */
  readonly disturbed: number;
}

/** What was measured of one contender. */
export interface Samples {
  /** A peer's name, or Quern's with the variant. */
  readonly name: string;
  readonly isOurs: boolean;
  /** Of one operation, one for each round. */
  readonly seconds: readonly number[];
  /** Processor seconds that it took while it waited for a turn: the median. */
  readonly idle: number;
  /** The most bytes that the process had in memory so far, where the system tells. */
  readonly peak?: number;
}

/** A contender that has the case ready. */
interface Entry {
  readonly name: string;
  readonly isOurs: boolean;
  readonly from: Running;
  readonly id: string;
  readonly seconds: number[];
  readonly idle: number[];
  peak?: number;
}

/** The answers of a contender, as `worker.mjs` describes them. */
interface Answer {
  readonly error?: string;
  readonly unsupported?: boolean;
  readonly sample?: readonly number[];
  readonly seconds?: number;
  readonly cpu?: number;
  readonly idle?: number;
  readonly peak?: number | null;
}

/** Processor seconds that others may take in a turn; the system counts in hundredths. */
const MOST_OF_OTHERS = 0.025;
const MOST_ATTEMPTS = 6;
/** Milliseconds after which a disturbed turn is taken again. */
const RECOVERY_MS = 250;

/** A result may be off by this part of the largest element that is looked at. */
const TOLERANCE = 1e-3;

/**
 * Measures one case.
 *
 * @throws {Error} when a contender's result is not Quern's, or Quern fails
 */
export async function measureCase(
  one: BenchCase,
  running: readonly Running[],
  plan: Plan,
): Promise<Measured> {
  const model = await writeModel(one, `${plan.folder}/case.onnx`);
  const { entries, skipped } = await prepareAll(one, model, running, plan.signal);
  let disturbed = 0;
  for (let round = 0; round < plan.rounds; round++) {
    for (const entry of round % 2 === 0 ? entries : entries.toReversed()) {
      await delay(plan.pause, plan.signal);
      disturbed += await takeTurn(entry, plan);
    }
    plan.onRound();
  }
  for (const { from, id } of entries) await ask(from, { release: id });
  const samples = entries.map(({ name, isOurs, seconds, idle, peak }) => ({
    name,
    isOurs,
    seconds,
    idle: median(idle),
    peak,
  }));
  return { samples, skipped, disturbed };
}

/**
 * Takes a turn, again for as long as others disturb it; the last attempt counts anyway.
 *
 * @returns how many attempts were disturbed
 */
async function takeTurn(entry: Entry, plan: Plan): Promise<number> {
  const { warmup, window, signal } = plan;
  for (let disturbed = 0;; disturbed++) {
    const before = await busySeconds();
    const request = { run: entry.id, warmup, window };
    const { seconds, cpu, idle, peak } = await ask(entry.from, request);
    const others = await busySeconds() - before - cpu!;
    // Where it is not known what others take, the difference is not a number.
    const isDisturbed = others > MOST_OF_OTHERS;
    if (!isDisturbed || disturbed === MOST_ATTEMPTS - 1) {
      entry.seconds.push(seconds!);
      entry.idle.push(idle!);
      entry.peak = peak ?? undefined;
      return isDisturbed ? MOST_ATTEMPTS : disturbed;
    }
    await delay(RECOVERY_MS, signal);
  }
}

/** What this machine's processors have worked so far, where the system tells; else NaN. */
async function busySeconds(): Promise<number> {
  if (Deno.build.os !== "linux") return NaN;
  return busyOf(await Deno.readTextFile("/proc/stat"));
}

/**
 * The seconds in all columns of the first line of Linux's `/proc/stat` but those of idleness,
 * and those of guests, which are in others already (proc(5)); in hundredths there.
 */
export function busyOf(stat: string): number {
  const [user, nice, system, _idle, _iowait, irq, softirq, steal] = stat.slice(
    0,
    stat.indexOf("\n"),
  )
    .trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) / 100;
}

async function prepareAll(
  one: BenchCase,
  model: ModelRequest | undefined,
  running: readonly Running[],
  signal: AbortSignal,
): Promise<{ entries: Entry[]; skipped: string[] }> {
  const entries: Entry[] = [];
  const skipped: string[] = [];
  let expected: readonly number[] | undefined;
  for (const from of running) {
    const isOurs = from.name === QUERN;
    for (const variant of isOurs ? variantsOf(one) : [""]) {
      signal.throwIfAborted();
      const id = `${caseId(one)} ${variant}`;
      const name = variant === "" ? from.name : `${from.name} ${variant}`;
      try {
        const answer = await ask(from, { prepare: id, case: one, variant, model });
        if (answer.unsupported) continue;
        expected ??= answer.sample!;
        checkSample(expected, answer.sample!);
        entries.push({ name, isOurs, from, id, seconds: [], idle: [] });
      } catch (error) {
        signal.throwIfAborted();
        if (isOurs) throw error;
        skipped.push(`${caseId(one)}: ${oneLine((error as Error).message)}`);
      }
    }
  }
  return { entries, skipped };
}

async function ask(from: Running, request: unknown): Promise<Answer> {
  const answer = await from.process.ask(request) as Answer;
  if (answer.error !== undefined) throw new Error(`${from.name}: ${answer.error}`);
  return answer;
}

/** @throws {Error} when a result is another than the expected one */
export function checkSample(expected: readonly number[], actual: readonly number[]): void {
  const largest = Math.max(...expected.map(Math.abs));
  expected.forEach((value, index) => {
    // Written so that NaN, which compares as false, is refused.
    if (Math.abs(actual[index] - value) <= TOLERANCE * largest) return;
    throw new Error(`its result has ${actual[index]} where ${value} is expected`);
  });
}
