/**
 * A loaded language model: weights and vocabulary, shared by any number of
 * sessions.
 */
import { DisposedError } from "../core/errors.ts";
import type { CausalModel } from "../models/mod.ts";
import type { Tokenizer } from "../tokenizers/mod.ts";
import { Session, type SessionOptions } from "./session.ts";

/** A language model, ready for sessions. */
export class LanguageModel implements Disposable {
  /** Where it was loaded from. */
  readonly name: string;
  /** Turns text to tokens and back. */
  readonly tokenizer: Tokenizer;
  /** How long loading took, downloads not counted, in milliseconds. */
  readonly loadMs: number;
  readonly #model: CausalModel;
  readonly #sessions = new Set<Session>();
  #disposed = false;

  /**
   * User code calls `loadModel()` instead.
   *
   * @param name Where it was loaded from.
   * @param model The architecture with its weights, which this object takes over.
   * @param tokenizer Its vocabulary.
   * @param loadMs How long loading took.
   */
  constructor(name: string, model: CausalModel, tokenizer: Tokenizer, loadMs: number) {
    this.name = name;
    this.#model = model;
    this.tokenizer = tokenizer;
    this.loadMs = loadMs;
  }

  /** The most tokens that the model was made for. */
  get contextLength(): number {
    return this.#model.contextLength;
  }

  /** Whether the model was disposed of. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Begins a conversation. Sessions share the weights and nothing else.
   *
   * @param options The context and the precision.
   * @returns The session, the caller's to dispose of.
   * @throws {RangeError} When the context is longer than the model's.
   * @throws {DisposedError} When the model was disposed of.
   *
   * @example
   * ```ts ignore
   * using session = model.createSession({ contextLength: 2048, precision: "exact" });
   * const { text } = await session.generate("The mill", { maxTokens: 16 }).finish();
   * console.log(text);
   * ```
   */
  createSession(options: SessionOptions = {}): Session {
    if (this.#disposed) throw new DisposedError(`The model ${this.name} was disposed of before`);
    const forget = (ended: Session) => void this.#sessions.delete(ended);
    const session = new Session(this.#model, this.tokenizer, options, forget);
    this.#sessions.add(session);
    return session;
  }

  /** Disposes of the model's sessions and unmaps its weights. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const session of this.#sessions) session[Symbol.dispose]();
    this.#model[Symbol.dispose]();
  }
}
