/**
 * How fast a model reads a prompt and generates: `bench prefill` and `bench decode`.
 *
 * One run is a greedy generation from an empty cache; it gives the time to the
 * first token and the time from there to the last. The peer does the same with
 * the same token ids, in turn with us, so that a change of the machine's speed
 * meets both alike.
 *
 * @module
 */

import { threads } from "../../ffi/mod.ts";
import type { LanguageModel, Session } from "../../runtime/mod.ts";
import { HeapCounter, usedHeapBytes } from "../garbage.ts";
import { nativeAllocations } from "../generation_run.ts";
import type { Peer, PeerRun } from "./peer.ts";
import { type BenchRow, rowOf } from "./rows.ts";

/** What is measured. */
export interface SpeedPlan {
  readonly what: "decode" | "prefill";
  /** Tokens to generate, or of the prompt. */
  readonly size: number;
  readonly warmup: number;
  readonly iters: number;
  readonly precision: "exact" | "fast";
  readonly signal: AbortSignal;
}

/** Tokens of the prompt before generated tokens are timed. */
const DECODE_PROMPT_TOKENS = 16;

const TEXT = "The mill stood by the river, and the wheel turned all day long. In the morning the " +
  "farmers brought their grain, and in the evening they took the flour home. ";

/** Measures a model, and the peer in alternation where there is one; ours is the first row. */
export async function measureSpeed(
  model: LanguageModel,
  plan: SpeedPlan,
  peer: Peer | undefined,
): Promise<BenchRow[]> {
  const promptTokens = plan.what === "decode" ? DECODE_PROMPT_TOKENS : plan.size;
  const tokens = plan.what === "decode" ? plan.size + 1 : 1;
  const prompt = promptOf(model, promptTokens);
  using session = model.createSession({ precision: plan.precision });
  const timeOne = plan.what === "decode" ? decodeNsPerToken : (run: PeerRun) => run.prefillNs;
  for (let i = 0; i < plan.warmup; i++) {
    await runOurs(session, prompt, tokens, plan.signal);
    await peer?.run(prompt, tokens);
  }
  const inside = new InsideFigures();
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < plan.iters; i++) {
    ours.push(timeOne(await inside.watch(() => runOurs(session, prompt, tokens, plan.signal))));
    if (peer !== undefined) theirs.push(timeOne(await peer.run(prompt, tokens)));
    plan.signal.throwIfAborted();
  }
  const itemsPerOp = plan.what === "decode" ? 1 : plan.size;
  const shape = plan.what === "decode" ? `${promptTokens}+${plan.size}` : `${plan.size}`;
  const common = { shape, threads: threads(), itemsPerOp };
  const operations = plan.iters * (plan.what === "decode" ? plan.size : 1);
  const rows = [
    rowOf({ ...common, name: plan.what, ns: ours, ...inside.perOperation(operations) }),
  ];
  if (peer !== undefined) {
    rows.push(rowOf({
      ...common,
      name: `${plan.what}, ${peer.name}`,
      ns: theirs,
      nativeAllocationsPerOp: null,
      heapBytesPerOp: null,
      garbageCollections: null,
    }));
  }
  return rows;
}

function decodeNsPerToken(run: PeerRun): number {
  if (run.tokens < 2) {
    throw new Error("the model ended its text at the first token; nothing to time");
  }
  return run.decodeNs / (run.tokens - 1);
}

function promptOf(model: LanguageModel, tokens: number): Int32Array {
  const once = model.tokenizer.encode(TEXT, { addSpecial: false });
  if (once.length === 0) throw new Error("the model's vocabulary has no tokens for English text");
  return Int32Array.from({ length: tokens }, (_, i) => once[i % once.length]);
}

async function runOurs(
  session: Session,
  prompt: Int32Array,
  maxTokens: number,
  signal: AbortSignal,
): Promise<PeerRun> {
  session.reset();
  const generation = session.generate(prompt, { maxTokens, temperature: 0, signal });
  const started = performance.now();
  let first = started;
  let tokens = 0;
  for await (const { id } of generation) {
    if (id !== undefined && ++tokens === 1) first = performance.now();
  }
  const ended = performance.now();
  return { tokens, prefillNs: (first - started) * 1e6, decodeNs: (ended - first) * 1e6 };
}

/** Allocations, heap growth and collections over several watched runs. */
class InsideFigures {
  #allocations = 0;
  #heapBytes = 0;
  #collections = 0;

  /** Runs something and adds what it took; the collections that measuring needs are not counted. */
  async watch<T>(work: () => Promise<T>): Promise<T> {
    const heap = usedHeapBytes();
    const allocations = nativeAllocations();
    const counter = new HeapCounter();
    const result = await work();
    this.#collections += counter.stop().collections;
    this.#allocations += nativeAllocations() - allocations;
    this.#heapBytes += usedHeapBytes() - heap;
    return result;
  }

  /** The sums, divided by a number of operations; collections stay a sum. */
  perOperation(operations: number): {
    nativeAllocationsPerOp: number;
    heapBytesPerOp: number;
    garbageCollections: number;
  } {
    return {
      nativeAllocationsPerOp: this.#allocations / operations,
      heapBytesPerOp: this.#heapBytes / operations,
      garbageCollections: this.#collections,
    };
  }
}
