/**
 * What the runtime asks of a language model's architecture, and what a model
 * asks of the runtime. An architecture is one file that implements this.
 */
import type { Gguf } from "../formats/mod.ts";
import type { Storage } from "../memory/mod.ts";
import type { Precision } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** The sizes that a cache of keys and values needs. */
export interface CacheShape {
  /** The number of layers. */
  readonly layers: number;
  /** Heads of keys and values in each layer. */
  readonly keyHeads: number;
  /** Elements of a head. */
  readonly headSize: number;
}

/** Keys and values of the tokens so far, by layer. */
export interface KeyValueCache {
  /** Tokens whose keys and values are in the cache for every layer. */
  readonly length: number;
  /**
   * Writes the keys and values of new tokens behind those of `length`.
   *
   * @param layer Which layer.
   * @param keys `[tokens, keyHeads, headSize]`, copied.
   * @param values The shape of `keys`, copied.
   */
  write(layer: number, keys: Tensor<"float32">, values: Tensor<"float32">): void;
  /** `[capacity, keyHeads, headSize]`: a layer's keys, borrowed until the next growth. */
  keys(layer: number): Tensor<"float32">;
  /** `[capacity, keyHeads, headSize]`: a layer's values, borrowed until the next growth. */
  values(layer: number): Tensor<"float32">;
  /** Says that every layer has written this many new tokens. */
  advance(tokens: number): void;
}

/** For which of the new tokens logits are wanted. */
export type WantedLogits = "none" | "last" | "all";

/** One forward pass. */
export interface ForwardOptions {
  /** Which logits to work out; `"last"` when left out. */
  logits?: WantedLogits;
}

/**
 * The activations of a session: tensors that every forward pass over the same
 * number of tokens writes again, so that a steady state allocates nothing.
 */
export interface Workspace extends Disposable {
  /** `[rows, vocabulary]`, float32: the logits of the last pass, borrowed until the next. */
  readonly logits: Tensor<"float32">;
}

/** A language model that predicts the next token. */
export interface CausalModel extends Disposable {
  /** The most tokens that the model was made for. */
  readonly contextLength: number;
  /** The number of tokens it can predict. */
  readonly vocabularySize: number;
  /** The sizes of its cache. */
  readonly cacheShape: CacheShape;
  /**
   * The tensors of a session.
   *
   * @param precision How products treat activations.
   * @returns An empty workspace, the caller's to dispose of.
   */
  createWorkspace(precision: Precision): Workspace;
  /**
   * Runs tokens through the model, behind those in the cache. It pauses after
   * each layer, so that its driver can let other work run or stop.
   *
   * @param ids The new tokens, at least one.
   * @param cache Keys and values; longer by the new tokens at the end.
   * @param workspace Made by this model; holds the logits at the end.
   * @param options Which logits are wanted.
   * @returns A generator that is at its end when the pass is done.
   */
  forward(
    ids: ArrayLike<number>,
    cache: KeyValueCache,
    workspace: Workspace,
    options?: ForwardOptions,
  ): Generator<void, void, void>;
}

/** Makes a model from a parsed, mapped GGUF file. It takes references of its own to the storage. */
export type GgufArchitecture = (gguf: Gguf, storage: Storage, name: string) => CausalModel;
