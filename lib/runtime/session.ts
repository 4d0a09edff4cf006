/**
 * A session: one conversation with a model. It owns the keys and values of its
 * tokens and its activations; the model's weights are shared by all sessions.
 *
 * A prompt is always the whole text from the beginning. What the session has
 * worked through before is used again as far as the tokens agree, so a growing
 * conversation costs only its new part, and gives the same bits as a fresh one.
 */
import { DisposedError } from "../core/errors.ts";
import type { Progress } from "../core/progress.ts";
import type { CausalModel, WantedLogits, Workspace } from "../models/mod.ts";
import { crossEntropy, type Precision } from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { type ChatMessage, renderChat, type Tokenizer } from "../tokenizers/mod.ts";
import { Generation, type GenerationDriver } from "./generation.ts";
import { KvCache } from "./kv_cache.ts";
import { Pacer } from "../core/pacer.ts";
import { Sampler, type SamplerOptions } from "./sampler.ts";
import { StopMatcher } from "./stop_matcher.ts";

/** The most tokens of one forward pass; longer prompts are run in chunks. */
const chunkTokens = 128;

/** Options of a session. */
export interface SessionOptions {
  /** The most tokens of prompt and answer together; the model's own limit when left out. */
  contextLength?: number;
  /** `"fast"` (the default) may round activations to 8 bits, `"exact"` keeps float32. */
  precision?: Precision;
}

/** Options of a generation. */
export interface GenerateOptions extends SamplerOptions {
  /** The most tokens to generate; as many as fit the context when left out. */
  maxTokens?: number;
  /** Strings that end the generation; they are not part of the text. */
  stop?: readonly string[];
  /** Whether a text prompt gets the special tokens its model begins with; true when left out. */
  addSpecial?: boolean;
  /** Ends the generation; the iteration then throws the signal's reason. */
  signal?: AbortSignal;
  /** Told how much of the prompt is done. */
  onProgress?: (progress: Progress) => void;
}

/** Options of work that may take long. */
export interface WorkOptions {
  /** Ends the work, which then throws the signal's reason. */
  signal?: AbortSignal;
  /** Told how far the work is. */
  onProgress?: (progress: Progress) => void;
}

/** How well a model predicts a text. */
export interface Perplexity {
  /** Tokens that were predicted. */
  readonly tokens: number;
  /** The mean negative log likelihood of a token, in nats. */
  readonly meanNll: number;
  /** exp(meanNll). */
  readonly perplexity: number;
}

/** One conversation with a model. */
export class Session implements Disposable {
  /** The most tokens of prompt and answer together. */
  readonly contextLength: number;
  /** How products treat activations. */
  readonly precision: Precision;
  readonly #model: CausalModel;
  readonly #tokenizer: Tokenizer;
  readonly #cache: KvCache;
  readonly #workspace: Workspace;
  readonly #onDispose: (session: Session) => void;
  #tokens: number[] = [];
  #busy = false;
  #disposed = false;

  /**
   * User code calls `model.createSession()` instead.
   *
   * @param model The architecture with its weights.
   * @param tokenizer Turns text to tokens and back.
   * @param options The context and the precision.
   * @param onDispose Told when the session is disposed of.
   */
  constructor(
    model: CausalModel,
    tokenizer: Tokenizer,
    options: SessionOptions,
    onDispose: (session: Session) => void,
  ) {
    const { contextLength = model.contextLength, precision = "fast" } = options;
    if (
      !Number.isInteger(contextLength) || contextLength < 1 || contextLength > model.contextLength
    ) {
      throw new RangeError(
        `createSession: contextLength is an integer from 1 to ${model.contextLength}, ` +
          `not ${contextLength}`,
      );
    }
    if (precision !== "fast" && precision !== "exact") {
      throw new TypeError(`createSession: precision is "exact" or "fast", not ${precision}`);
    }
    this.contextLength = contextLength;
    this.precision = precision;
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#cache = new KvCache(model.cacheShape, contextLength);
    this.#workspace = model.createWorkspace(precision);
    this.#onDispose = onDispose;
  }

  /** Tokens whose keys and values the session holds. */
  get position(): number {
    return this.#cache.length;
  }

  /** Whether the session was disposed of. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Continues a prompt.
   *
   * @param prompt A text, or token ids.
   * @param options How tokens are chosen and when to end.
   * @returns Pieces of text as they come; nothing runs before it is iterated.
   * @throws {RangeError} When the prompt is empty or too long, or an option is out of range.
   *
   * @example
   * ```ts ignore
   * for await (const piece of session.generate("The mill stood by the river.")) {
   *   console.log(piece.text);
   * }
   * ```
   */
  generate(prompt: string | ArrayLike<number>, options: GenerateOptions = {}): Generation {
    this.#checkAlive("generate");
    const { addSpecial, signal, onProgress, maxTokens = Infinity } = options;
    if (maxTokens !== Infinity && (!Number.isInteger(maxTokens) || maxTokens < 1)) {
      throw new RangeError(`generate: maxTokens is an integer from 1, not ${maxTokens}`);
    }
    // Copied, since the caller may change the array before the iteration begins.
    const ids = typeof prompt === "string"
      ? this.#tokenizer.encode(prompt, { addSpecial })
      : Array.from(prompt);
    this.#checkPrompt("generate", ids);
    const stops = new StopMatcher(options.stop);
    const sampler = new Sampler(options);
    for (let i = 0; i < ids.length; i++) sampler.accept(ids[i]);
    return new Generation({
      driver: this.#drive(ids, maxTokens, this.#pacer(signal), onProgress),
      tokenizer: this.#tokenizer,
      sampler,
      stops,
      promptTokens: ids.length,
      maxTokens,
    });
  }

  /**
   * Answers the last message of a conversation, in the model's own chat format.
   *
   * @param messages The whole conversation so far.
   * @param options How tokens are chosen and when to end.
   * @returns Pieces of the answer as they come; nothing runs before it is iterated.
   * @throws {TypeError} When the model has no chat template.
   * @throws {RangeError} When the conversation is too long, or an option is out of range.
   *
   * @example
   * ```ts ignore
   * const messages = [{ role: "user", content: "Why do mills turn?" }];
   * for await (const piece of session.chat(messages, { maxTokens: 64 })) console.log(piece.text);
   * ```
   */
  chat(messages: readonly ChatMessage[], options: GenerateOptions = {}): Generation {
    const { chatTemplate, bosId, eosId } = this.#tokenizer;
    if (chatTemplate === undefined) {
      throw new TypeError("chat: the model has no chat template; use generate()");
    }
    const text = (id: number | undefined) =>
      id === undefined ? undefined : this.#tokenizer.tokenText(id);
    const prompt = renderChat(chatTemplate, [...messages], {
      addGenerationPrompt: true,
      bosToken: text(bosId),
      eosToken: text(eosId),
    });
    return this.generate(prompt, { ...options, addSpecial: false });
  }

  /**
   * What the model would say next.
   *
   * @param ids The tokens before.
   * @param options How to end the work early.
   * @returns `[vocabulary]`: one logit for each token of the vocabulary, copied.
   * @throws {RangeError} When there are no tokens, or too many.
   *
   * @example
   * ```ts ignore
   * const logits = await session.logits(model.tokenizer.encode("The mill"));
   * console.log(logits.indexOf(Math.max(...logits))); // the likeliest next token
   * ```
   */
  async logits(ids: ArrayLike<number>, options: WorkOptions = {}): Promise<Float32Array> {
    this.#checkPrompt("logits", ids);
    return await this.#exclusively(async () => {
      await this.#prefill(ids, this.#pacer(options.signal), options.onProgress);
      return this.#logits.data.slice();
    });
  }

  /**
   * How well the model predicts tokens. A text longer than the context is cut
   * into windows, each of which begins with the last token of the one before.
   *
   * @param ids The tokens, at least two.
   * @param options How to end the work early, and who is told of its progress.
   * @returns The mean over all tokens but the first.
   * @throws {RangeError} When there are fewer than two tokens.
   *
   * @example
   * ```ts ignore
   * const ids = model.tokenizer.encode(await Deno.readTextFile("book.txt"));
   * const { perplexity, tokens } = await session.perplexity(ids);
   * console.log(perplexity, tokens);
   * ```
   */
  async perplexity(ids: ArrayLike<number>, options: WorkOptions = {}): Promise<Perplexity> {
    if (ids.length < 2) throw new RangeError("perplexity: the text has fewer than two tokens");
    this.#checkIds("perplexity", ids);
    const window = this.contextLength;
    if (window < 2) throw new RangeError("perplexity: a context of one token predicts nothing");
    return await this.#exclusively(async () => {
      const pacer = this.#pacer(options.signal);
      let total = 0;
      for (let start = 0; start < ids.length - 1; start += window - 1) {
        this.#rewind(0);
        const end = Math.min(start + window, ids.length);
        total += await this.#windowLoss(ids, start, end, pacer, options.onProgress);
      }
      const tokens = ids.length - 1;
      const meanNll = total / tokens;
      return { tokens, meanNll, perplexity: Math.exp(meanNll) };
    });
  }

  /** Forgets all tokens; the memory is kept for the next prompt. */
  reset(): void {
    this.#checkAlive("reset");
    if (this.#busy) throw new Error("reset: the session is busy with another call");
    this.#rewind(0);
  }

  /** Gives all memory back. Doing so again is harmless. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#cache[Symbol.dispose]();
    this.#workspace[Symbol.dispose]();
    this.#onDispose(this);
  }

  /** The logits of the last pass. */
  get #logits(): Tensor<"float32"> {
    this.#checkAlive("generate");
    return this.#workspace.logits;
  }

  #pacer(signal: AbortSignal | undefined): Pacer {
    return new Pacer(signal, () => this.#checkAlive("generate"));
  }

  #drive(
    ids: ArrayLike<number>,
    maxTokens: number,
    pacer: Pacer,
    onProgress: GenerateOptions["onProgress"],
  ): GenerationDriver {
    let began = false;
    return {
      prefill: async () => {
        this.#begin();
        began = true;
        this.#cache.reserve(Math.min(ids.length + maxTokens, this.contextLength));
        return await this.#prefill(ids, pacer, onProgress);
      },
      step: async (id) => {
        if (this.position >= this.contextLength) return false;
        await this.#run([id], "last", pacer);
        return true;
      },
      logits: () => this.#logits,
      end: () => {
        if (began) this.#busy = false;
      },
    };
  }

  async #prefill(
    ids: ArrayLike<number>,
    pacer: Pacer,
    onProgress: WorkOptions["onProgress"],
  ): Promise<number> {
    const kept = this.#commonPrefix(ids);
    this.#rewind(kept);
    for (let start = kept; start < ids.length; start += chunkTokens) {
      onProgress?.(promptProgress(start, ids.length));
      const end = Math.min(start + chunkTokens, ids.length);
      const wanted = end === ids.length ? "last" : "none";
      await this.#run(Array.prototype.slice.call(ids, start, end), wanted, pacer);
    }
    onProgress?.(promptProgress(ids.length, ids.length));
    return ids.length - kept;
  }

  /** The sum of the losses of tokens start + 1 … end - 1. */
  async #windowLoss(
    ids: ArrayLike<number>,
    start: number,
    end: number,
    pacer: Pacer,
    onProgress: WorkOptions["onProgress"],
  ): Promise<number> {
    let total = 0;
    for (let first = start; first < end - 1; first += chunkTokens) {
      const last = Math.min(first + chunkTokens, end - 1);
      await this.#run(Array.prototype.slice.call(ids, first, last), "all", pacer);
      const next: number[] = Array.prototype.slice.call(ids, first + 1, last + 1);
      using targets = Tensor.from(next, "int32");
      using losses = crossEntropy(this.#logits, targets, { reduction: "none" });
      for (const loss of losses.data) total += loss;
      onProgress?.({ stage: "scoring", completed: last, total: ids.length - 1, unit: "tokens" });
    }
    return total;
  }

  async #run(ids: number[], logits: WantedLogits, pacer: Pacer): Promise<void> {
    this.#checkAlive("generate");
    this.#cache.reserve(this.#cache.length + ids.length);
    await pacer.drive(this.#model.forward(ids, this.#cache, this.#workspace, { logits }));
    for (const id of ids) this.#tokens.push(id);
  }

  /** How many leading tokens need not be run again. The last one always is, for its logits. */
  #commonPrefix(ids: ArrayLike<number>): number {
    const most = Math.min(this.#tokens.length, ids.length - 1);
    let same = 0;
    while (same < most && this.#tokens[same] === ids[same]) same++;
    return same;
  }

  #rewind(length: number): void {
    this.#cache.truncate(length);
    this.#tokens.length = length;
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#begin();
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }

  #begin(): void {
    this.#checkAlive("generate");
    if (this.#busy) {
      throw new Error("The session is busy with another call; make a session for each at once");
    }
    this.#busy = true;
  }

  #checkAlive(operation: string): void {
    if (this.#disposed) throw new DisposedError(`${operation}: the session was disposed of before`);
  }

  #checkPrompt(operation: string, ids: ArrayLike<number>): void {
    if (ids.length === 0) {
      throw new RangeError(`${operation}: the prompt is empty; give it at least one token`);
    }
    if (ids.length > this.contextLength) {
      throw new RangeError(
        `${operation}: the prompt has ${ids.length} tokens and the context holds ` +
          `${this.contextLength}; shorten it, or make a session with a larger contextLength`,
      );
    }
    this.#checkIds(operation, ids);
  }

  #checkIds(operation: string, ids: ArrayLike<number>): void {
    const { vocabularySize } = this.#model;
    for (let i = 0; i < ids.length; i++) {
      if (!Number.isInteger(ids[i]) || ids[i] < 0 || ids[i] >= vocabularySize) {
        throw new RangeError(
          `${operation}: token ${ids[i]} at position ${i} is not in the vocabulary of ` +
            `${vocabularySize}`,
        );
      }
    }
  }
}

function promptProgress(completed: number, total: number): Progress {
  return { stage: "reading the prompt", completed, total, unit: "tokens" };
}
