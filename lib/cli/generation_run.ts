/**
 * Runs one generation for `generate` and `chat`: streams its text, or collects
 * it with timings and memory figures for `--json`.
 *
 * The memory figures of `--json`:
 *
 * - `poolPeakBytes`: the most tensor memory rented at one time.
 * - `poolLiveBytes`: what is still rented when session and model are disposed of; 0.
 * - `steadyStateNativeAllocations`: segments and never-used blocks that the pool
 *   took after the 32nd generated token; 0.
 * - `heapGrowthBytes`: growth of the JavaScript heap over the same time, after a
 *   collection at both ends. The time of the collection is not in the timings.
 *
 * @module
 */

import { pool } from "../memory/mod.ts";
import type { Generation, GenerationSummary, LanguageModel } from "../runtime/mod.ts";
import { InterruptedError } from "./errors.ts";
import { usedHeapBytes } from "./garbage.ts";
import { logIsTerminal, writeJson, writeLog, writeOut } from "./output.ts";
import type { OpenSession } from "./open_session.ts";
import type { OptionTable, ParsedOptions } from "./options.ts";

/** Options that choose tokens, for every command that generates. */
export const GENERATION_OPTIONS = {
  "max-tokens": {
    type: "integer",
    value: "N",
    min: 1,
    max: 0x7fffffff,
    help: "most tokens to generate (256)",
  },
  temperature: {
    type: "number",
    value: "T",
    min: 0,
    max: 100,
    help: "0 always takes the likeliest token, higher is more varied (0.8)",
  },
  "top-k": {
    type: "integer",
    value: "N",
    min: 0,
    max: 0x7fffffff,
    help: "draw from the N likeliest tokens, 0 for all (40)",
  },
  "top-p": {
    type: "number",
    value: "P",
    min: 0,
    aboveMin: true,
    max: 1,
    help: "draw from the likeliest tokens that reach this probability (0.95)",
  },
  "min-p": {
    type: "number",
    value: "P",
    min: 0,
    max: 0.999999,
    help: "drop tokens less likely than this share of the likeliest (0.05)",
  },
  "repeat-penalty": {
    type: "number",
    value: "R",
    min: 0,
    aboveMin: true,
    max: 100,
    help: "above 1, makes recent tokens less likely (1)",
  },
  seed: {
    type: "integer",
    value: "N",
    min: 0,
    max: 0xffffffff,
    help: "makes the drawing repeatable (random, shown with --json)",
  },
  stop: {
    type: "text",
    value: "TEXT",
    multiple: true,
    nonEmpty: true,
    help: "end before this text; may be given several times",
  },
  verbose: { type: "flag", help: "print statistics also where standard error is no terminal" },
} as const satisfies OptionTable;

/** The session's options that choose tokens. */
export interface SamplingOptions {
  maxTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repeatPenalty: number;
  seed: number | undefined;
  stop: string[];
}

/** Reads the options that choose tokens. */
export function samplingOptions(options: ParsedOptions): SamplingOptions {
  return {
    maxTokens: options.number("max-tokens") ?? 256,
    temperature: options.number("temperature") ?? 0.8,
    topK: options.number("top-k") ?? 40,
    topP: options.number("top-p") ?? 0.95,
    minP: options.number("min-p") ?? 0.05,
    repeatPenalty: options.number("repeat-penalty") ?? 1,
    seed: options.number("seed"),
    stop: options.texts("stop"),
  };
}

/**
 * Runs a generation to its end: streams its text, or with `--json` prints one
 * object once the model is disposed of, so that `poolLiveBytes` is what leaked.
 */
export async function runGeneration(
  generation: Generation,
  opened: OpenSession,
  options: ParsedOptions,
): Promise<void> {
  if (!options.flag("json")) {
    await streamGeneration(generation, { verbose: options.flag("verbose") });
    return;
  }
  const collected = await collectGeneration(generation);
  opened[Symbol.dispose]();
  printCollected(collected, opened.model);
}

/** Writes a generation's text as it comes, and ends it with a line break. */
export async function streamGeneration(
  generation: Generation,
  options: { verbose: boolean },
): Promise<void> {
  let last = "";
  try {
    for await (const { text } of generation) {
      if (text === "") continue;
      writeOut(text);
      last = text;
    }
  } finally {
    if (last !== "" && !last.endsWith("\n")) writeOut("\n");
  }
  if (options.verbose || logIsTerminal()) writeLog(statisticsLine(generation.summary));
}

function statisticsLine(summary: GenerationSummary): string {
  const { ids, promptTokens, firstTokenMs, promptTokensPerSecond, decodeTokensPerSecond } = summary;
  return `[${ids.length} tokens at ${decodeTokensPerSecond.toFixed(1)}/s, prompt of ` +
    `${promptTokens} at ${promptTokensPerSecond.toFixed(1)}/s, first after ` +
    `${firstTokenMs.toFixed(0)} ms, seed ${summary.seed}, ended by ${
      END_WORDS[summary.stopReason]
    }]`;
}

const END_WORDS: Readonly<Record<GenerationSummary["stopReason"], string>> = {
  end: "the model",
  length: "the length",
  stop: "a stop text",
  aborted: "an interruption",
};

/**
 * How many tokens are generated before the steady state begins: until then V8 still compiles what
 * runs once a token. A shorter generation has no steady state, and counts nothing.
 */
const WARM_UP_TOKENS = 32;
/**
 * The heap is first looked at after this many, without effect: what V8 throws away in its first
 * full collection and compiles again afterwards belongs to the warm-up.
 */
const FIRST_LOOK_TOKENS = 16;

/** What the steady state took. */
interface SteadyState {
  steadyStateNativeAllocations: number;
  heapGrowthBytes: number;
  /** The time that the measuring itself took, inside the generation's own timing. */
  excludedMs: number;
}

/** A generation that was collected for `--json`. */
interface CollectedGeneration {
  readonly summary: GenerationSummary;
  readonly steady: SteadyState;
  /** Set when the user interrupted it. */
  readonly interrupted: InterruptedError | undefined;
}

/** Runs a generation to its end without output; an interruption ends it and is no error yet. */
async function collectGeneration(generation: Generation): Promise<CollectedGeneration> {
  let excludedMs = 0;
  let begin: { allocations: number; heap: number } | undefined;
  let interrupted: InterruptedError | undefined;
  try {
    let count = 0;
    for await (const { id } of generation) {
      if (id === undefined) continue;
      count++;
      if (count !== FIRST_LOOK_TOKENS && count !== WARM_UP_TOKENS) continue;
      const started = performance.now();
      const look = { allocations: nativeAllocations(), heap: usedHeapBytes() };
      if (count === WARM_UP_TOKENS) begin = look;
      excludedMs += performance.now() - started;
    }
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    interrupted = error;
  }
  const end = begin && { allocations: nativeAllocations(), heap: usedHeapBytes() };
  const steady = {
    steadyStateNativeAllocations: begin && end ? end.allocations - begin.allocations : 0,
    heapGrowthBytes: begin && end ? end.heap - begin.heap : 0,
    excludedMs,
  };
  return { summary: generation.summary, steady, interrupted };
}

/** Blocks and segments that the pool took from outside its own returned memory, ever. */
export function nativeAllocations(): number {
  const { misses, segments } = pool.stats();
  return misses + segments;
}

/**
 * Prints a collected generation as one JSON object; model and session are
 * disposed of already. Throws the interruption afterwards, if there was one.
 */
function printCollected(collected: CollectedGeneration, model: LanguageModel): void {
  const { summary, steady, interrupted } = collected;
  const { peakBytes, liveBytes } = pool.stats();
  writeJson({
    text: summary.text,
    ids: summary.ids,
    promptTokens: summary.promptTokens,
    stopReason: summary.stopReason,
    seed: summary.seed,
    timings: {
      loadMs: model.loadMs,
      firstTokenMs: summary.firstTokenMs,
      promptTokensPerSecond: summary.promptTokensPerSecond,
      decodeTokensPerSecond: withoutExcluded(summary, steady.excludedMs),
    },
    memory: {
      poolPeakBytes: peakBytes,
      poolLiveBytes: liveBytes,
      steadyStateNativeAllocations: steady.steadyStateNativeAllocations,
      heapGrowthBytes: steady.heapGrowthBytes,
    },
  });
  if (interrupted !== undefined) throw interrupted;
}

function withoutExcluded(summary: GenerationSummary, excludedMs: number): number {
  const rate = summary.decodeTokensPerSecond;
  const steps = summary.ids.length - 1;
  if (rate <= 0 || steps < 1) return rate;
  const elapsedMs = steps * 1000 / rate;
  return steps * 1000 / Math.max(elapsedMs - excludedMs, elapsedMs / 1000);
}
