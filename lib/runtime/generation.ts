/**
 * One generation: an async iterable of pieces of text, and a summary that is
 * complete when the iteration has ended.
 */
import type { Tensor } from "../tensor/mod.ts";
import type { TokenDecoder, Tokenizer } from "../tokenizers/mod.ts";
import type { Sampler } from "./sampler.ts";
import type { StopMatcher } from "./stop_matcher.ts";

/** A piece of generated text. */
export interface Piece {
  /** Whole characters; may be empty while a character or a stop string is incomplete. */
  readonly text: string;
  /** The token that it came with; undefined for text that was held back until the end. */
  readonly id: number | undefined;
}

/** Why a generation ended: an end token, the most tokens, a stop string, or an abort. */
export type StopReason = "end" | "length" | "stop" | "aborted";

/** What a generation made, and how fast. */
export interface GenerationSummary {
  /** The text, without the prompt and without a stop string. */
  text: string;
  /** The generated tokens, the end token included when one ended it. */
  ids: number[];
  /** The length of the prompt in tokens. */
  promptTokens: number;
  /** Why it ended. */
  stopReason: StopReason;
  /** The seed that tokens were drawn with. */
  seed: number;
  /** From the call to the first token, in milliseconds. */
  firstTokenMs: number;
  /** Prompt tokens worked through in a second; those in the cache already are not counted. */
  promptTokensPerSecond: number;
  /** Tokens in a second, after the first. */
  decodeTokensPerSecond: number;
}

/** What a generation asks of its session. */
export interface GenerationDriver {
  /** Runs the prompt; returns how many of its tokens had to be worked through. */
  prefill(): Promise<number>;
  /** Runs one token; false when the context is full. */
  step(id: number): Promise<boolean>;
  /** `[1, vocabulary]`: the logits after the last token that was run. */
  logits(): Tensor<"float32">;
  /** Always called once, at the end. */
  end(): void;
}

/** The fixed parts of a generation. */
export interface GenerationPlan {
  /** The session. */
  readonly driver: GenerationDriver;
  /** Turns tokens to text and knows those that end it. */
  readonly tokenizer: Tokenizer;
  /** Chooses tokens; disposed of at the end. */
  readonly sampler: Sampler;
  /** Looks for stop strings. */
  readonly stops: StopMatcher;
  /** The prompt's length. */
  readonly promptTokens: number;
  /** The most tokens to generate. */
  readonly maxTokens: number;
}

/**
 * Text as it is generated. Iterate it once; the session is busy meanwhile.
 *
 * @example
 * ```ts ignore
 * for await (const piece of session.generate("The mill stood by the river.")) {
 *   console.log(piece.text);
 * }
 * ```
 */
export class Generation implements AsyncIterable<Piece> {
  /** What was made so far; complete once the iteration has ended. */
  readonly summary: GenerationSummary;
  readonly #plan: GenerationPlan;
  readonly #decoder: TokenDecoder;
  #started = false;

  /**
   * A generation that has not begun; user code calls `session.generate()`.
   *
   * @param plan The session and how to choose tokens.
   */
  constructor(plan: GenerationPlan) {
    this.#plan = plan;
    this.#decoder = plan.tokenizer.createDecoder({ continuation: true });
    this.summary = {
      text: "",
      ids: [],
      promptTokens: plan.promptTokens,
      stopReason: "length",
      seed: plan.sampler.seed,
      firstTokenMs: 0,
      promptTokensPerSecond: 0,
      decodeTokensPerSecond: 0,
    };
  }

  /**
   * Begins the generation.
   *
   * @returns Pieces, one a token, and one more for text that was held back.
   * @throws {Error} When it was begun before.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Piece, void, void> {
    if (this.#started) throw new Error("A generation can be iterated only once");
    this.#started = true;
    return this.#run();
  }

  /**
   * Runs to the end without looking at the pieces.
   *
   * @returns The complete summary.
   */
  async finish(): Promise<GenerationSummary> {
    for await (const _ of this) { /* The summary collects what is made. */ }
    return this.summary;
  }

  async *#run(): AsyncGenerator<Piece, void, void> {
    const { driver, sampler } = this.#plan;
    this.summary.stopReason = "aborted";
    try {
      const started = performance.now();
      const promptTokens = await driver.prefill();
      const promptMs = performance.now() - started;
      this.summary.promptTokensPerSecond = perSecond(promptTokens, promptMs);
      yield* this.#decode(started);
    } finally {
      sampler[Symbol.dispose]();
      driver.end();
    }
  }

  async *#decode(started: number): AsyncGenerator<Piece, void, void> {
    const { driver, tokenizer, sampler, maxTokens } = this.#plan;
    const { ids } = this.summary;
    let firstToken = started;
    while (ids.length < maxTokens) {
      const id = sampler.next(driver.logits());
      ids.push(id);
      this.#updateTimings(started, firstToken);
      if (ids.length === 1) firstToken = performance.now();
      if (tokenizer.endIds.has(id)) return yield* this.#end("end");
      sampler.accept(id);
      const { text, stopped } = this.#plan.stops.push(this.#decoder.push(id));
      this.summary.text += text;
      if (stopped) this.summary.stopReason = "stop";
      yield { text, id };
      if (stopped) return;
      if (ids.length < maxTokens && !await driver.step(id)) break;
    }
    yield* this.#end("length");
  }

  *#end(reason: StopReason): Generator<Piece, void, void> {
    this.summary.stopReason = reason;
    const { text, stopped } = this.#plan.stops.push(this.#decoder.flush());
    if (stopped) this.summary.stopReason = "stop";
    const rest = stopped ? text : text + this.#plan.stops.flush();
    this.summary.text += rest;
    const ended = reason === "end" ? this.summary.ids.at(-1) : undefined;
    if (rest !== "" || ended !== undefined) yield { text: rest, id: ended };
  }

  #updateTimings(started: number, firstToken: number): void {
    const { summary } = this;
    const count = summary.ids.length;
    if (count === 1) summary.firstTokenMs = performance.now() - started;
    else summary.decodeTokensPerSecond = perSecond(count - 1, performance.now() - firstToken);
  }
}

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
