/**
 * Chooses the next token of a session: a seeded stream of random numbers and
 * the recent tokens that a repetition penalty looks at.
 */
import { Random } from "../core/random.ts";
import { keep } from "../memory/mod.ts";
import { checkSampleOptions, sample, type SampleOptions } from "../ops/sample.ts";
import { Tensor } from "../tensor/mod.ts";

/** How tokens are chosen. */
export interface SamplerOptions {
  /** 0, the default, always takes the likeliest token; higher is more varied. */
  temperature?: number;
  /** How many of the likeliest tokens may be drawn; 0, the default, for all. */
  topK?: number;
  /** Keeps the smallest set of likeliest tokens that reaches this probability; 1 when left out. */
  topP?: number;
  /** Drops tokens less likely than this share of the likeliest; 0 when left out. */
  minP?: number;
  /** Makes the last 64 tokens less likely when above 1; 1 when left out. */
  repeatPenalty?: number;
  /** An integer from 0 to 2^32 - 1; drawn at random when left out. */
  seed?: number;
}

/** How many tokens the repetition penalty looks back. */
const historySize = 64;

/** Chooses tokens one by one. */
export class Sampler implements Disposable {
  readonly #random: Random;
  readonly #recent = new Int32Array(historySize);
  readonly #options: SampleOptions;
  #history: Tensor<"int32"> | undefined;
  #token: Tensor<"int32"> | undefined;
  #seen = 0;

  /**
   * Begins a stream of choices.
   *
   * @param options How tokens are chosen.
   * @throws {RangeError} When an option is out of range.
   */
  constructor(options: SamplerOptions = {}) {
    checkSampleOptions(options);
    const { seed, ...rest } = options;
    this.#random = new Random(seed);
    this.#options = rest;
  }

  /** The seed of the random numbers. */
  get seed(): number {
    return this.#random.seed;
  }

  /**
   * Takes note of a token that the penalty should know.
   *
   * @param id The token.
   */
  accept(id: number): void {
    this.#recent[this.#seen++ % historySize] = id;
  }

  /**
   * Chooses a token. Memory is rented by the first choice, so that a generation
   * that never begins holds none.
   *
   * @param logits `[1, vocabulary]`, float32.
   * @returns The token's id.
   * @throws {OutOfMemoryError} When the pool has no memory for the first choice.
   */
  next(logits: Tensor<"float32">): number {
    const history = this.#history ??= keep(Tensor.empty([historySize], "int32"));
    const out = this.#token ??= keep(Tensor.empty([1], "int32"));
    history.data.set(this.#recent);
    this.#options.history = history;
    this.#options.historyLength = Math.min(this.#seen, historySize);
    this.#options.out = out;
    sample(logits, this.#random.next(), this.#options);
    return out.data[0];
  }

  /** Gives its memory back. */
  [Symbol.dispose](): void {
    this.#history?.dispose();
    this.#token?.dispose();
  }
}
