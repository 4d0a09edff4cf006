/**
 * The Llama architecture (Touvron et al., 2023) as GGUF files hold it: RMSNorm
 * before each sublayer, rotary positions, grouped queries, SwiGLU.
 *
 *     x = embedding(ids)
 *     per layer:  x += attention(rope(norm(x)·Wq), rope(norm(x)·Wk), norm(x)·Wv)·Wo
 *                 x += swiglu(norm(x)·Wgate, norm(x)·Wup)·Wdown
 *     logits = norm(x)·Woutput, the output matrix being the embedding when there is none
 */
import type { DType } from "../core/dtype.ts";
import {
  addInPlace,
  attention,
  embedding,
  linear,
  type Precision,
  rmsNorm,
  rope,
  ropeTable,
  swiglu,
} from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type {
  CacheShape,
  CausalModel,
  ForwardOptions,
  GgufArchitecture,
  KeyValueCache,
  WantedLogits,
  Workspace,
} from "./causal_model.ts";
import { GgufTensors } from "./gguf_tensors.ts";
import { Hyperparameters } from "./hyperparameters.ts";
import { type LlamaConfig, readLlamaConfig } from "./llama_config.ts";
import { type LlamaActivations, LlamaWorkspace } from "./llama_workspace.ts";
import { Weights } from "./weights.ts";

interface LlamaLayer {
  readonly attentionNorm: Tensor<"float32">;
  readonly query: Tensor<DType>;
  readonly key: Tensor<DType>;
  readonly value: Tensor<DType>;
  readonly attentionOutput: Tensor<DType>;
  readonly feedForwardNorm: Tensor<"float32">;
  readonly gate: Tensor<DType>;
  readonly up: Tensor<DType>;
  readonly down: Tensor<DType>;
}

/** A Llama model whose weights are views of a mapped GGUF file. */
export class Llama implements CausalModel {
  /** The model's sizes and constants. */
  readonly config: LlamaConfig;
  readonly #weights: Weights;
  readonly #embedding: Tensor<DType>;
  readonly #layers: LlamaLayer[];
  readonly #outputNorm: Tensor<"float32">;
  readonly #output: Tensor<DType>;
  readonly #ropeFactors: Tensor<"float32"> | undefined;

  /**
   * Finds all weights, and checks their shapes.
   *
   * @param config The sizes.
   * @param weights The file's tensors, which the model takes over.
   */
  constructor(config: LlamaConfig, weights: Weights) {
    const { dim, vocabularySize } = config;
    this.config = config;
    this.#weights = weights;
    this.#embedding = weights.tensor("token_embd.weight", [vocabularySize, dim]);
    this.#layers = Array.from({ length: config.layers }, (_, i) => readLayer(weights, config, i));
    this.#outputNorm = weights.float32("output_norm.weight", [dim]);
    this.#output = weights.has("output.weight")
      ? weights.tensor("output.weight", [vocabularySize, dim])
      : this.#embedding;
    this.#ropeFactors = weights.has("rope_freqs.weight")
      ? weights.float32("rope_freqs.weight", [config.ropePairs])
      : undefined;
  }

  /** The most tokens that the model was made for. */
  get contextLength(): number {
    return this.config.contextLength;
  }

  /** The number of tokens it can predict. */
  get vocabularySize(): number {
    return this.config.vocabularySize;
  }

  /** The sizes of its cache. */
  get cacheShape(): CacheShape {
    return this.config;
  }

  /**
   * The tensors of a session.
   *
   * @param precision How products treat activations.
   * @returns An empty workspace.
   */
  createWorkspace(precision: Precision): LlamaWorkspace {
    return new LlamaWorkspace(this.config, precision);
  }

  /**
   * Runs tokens through the model; see {@linkcode CausalModel.forward}.
   *
   * @param ids The new tokens.
   * @param cache Keys and values.
   * @param workspace Made by this model.
   * @param options Which logits are wanted.
   * @returns A generator that pauses after each layer.
   */
  *forward(
    ids: ArrayLike<number>,
    cache: KeyValueCache,
    workspace: Workspace,
    options: ForwardOptions = {},
  ): Generator<void, void, void> {
    if (!(workspace instanceof LlamaWorkspace)) {
      throw new TypeError("Llama.forward: the workspace was made by another model");
    }
    const { ropeBase: base, ropeScale: scale } = this.config;
    const a = workspace.begin(ids);
    const { precision } = workspace;
    embedding(this.#embedding, a.ids, { out: a.x });
    const factors = this.#ropeFactors;
    ropeTable(ids.length, this.config.ropePairs, {
      start: cache.length,
      base,
      scale,
      factors,
      out: a.table,
    });
    for (let i = 0; i < this.#layers.length; i++) {
      this.#attend(i, cache, a, precision);
      this.#feedForward(i, a, precision);
      yield;
    }
    cache.advance(ids.length);
    this.#predict(workspace, a, options.logits ?? "last");
  }

  /** Disposes of the weights. */
  [Symbol.dispose](): void {
    this.#weights[Symbol.dispose]();
  }

  #attend(
    index: number,
    cache: KeyValueCache,
    a: LlamaActivations,
    precision: Precision,
  ): void {
    const layer = this.#layers[index];
    rmsNorm(a.x, layer.attentionNorm, { epsilon: this.config.epsilon, out: a.normed });
    linear(a.normed, layer.query, { precision, out: a.query });
    linear(a.normed, layer.key, { precision, out: a.key });
    linear(a.normed, layer.value, { precision, out: a.value });
    rope(a.queryHeads, a.table, { out: a.queryHeads });
    rope(a.keyHeads, a.table, { out: a.keyHeads });
    cache.write(index, a.keyHeads, a.valueHeads);
    attention(a.queryHeads, cache.keys(index), cache.values(index), {
      causal: true,
      keyTokens: cache.length + a.tokens,
      out: a.attendedHeads,
    });
    linear(a.attended, layer.attentionOutput, { precision, out: a.normed });
    addInPlace(a.x, a.normed);
  }

  #feedForward(index: number, a: LlamaActivations, precision: Precision): void {
    const layer = this.#layers[index];
    rmsNorm(a.x, layer.feedForwardNorm, { epsilon: this.config.epsilon, out: a.normed });
    linear(a.normed, layer.gate, { precision, out: a.gate });
    linear(a.normed, layer.up, { precision, out: a.up });
    swiglu(a.gate, a.up, { out: a.gate });
    linear(a.gate, layer.down, { precision, out: a.normed });
    addInPlace(a.x, a.normed);
  }

  #predict(workspace: LlamaWorkspace, a: LlamaActivations, wanted: WantedLogits): void {
    if (wanted === "none") return;
    const { precision } = workspace;
    const { x, normed, logits } = workspace.head(a, wanted);
    rmsNorm(x, this.#outputNorm, { epsilon: this.config.epsilon, out: normed });
    linear(normed, this.#output, { precision, out: logits });
  }
}

function readLayer(weights: Weights, config: LlamaConfig, index: number): LlamaLayer {
  const { dim, feedForward, heads, keyHeads, headSize } = config;
  const name = (part: string) => `blk.${index}.${part}.weight`;
  return {
    attentionNorm: weights.float32(name("attn_norm"), [dim]),
    query: weights.tensor(name("attn_q"), [heads * headSize, dim]),
    key: weights.tensor(name("attn_k"), [keyHeads * headSize, dim]),
    value: weights.tensor(name("attn_v"), [keyHeads * headSize, dim]),
    attentionOutput: weights.tensor(name("attn_output"), [dim, heads * headSize]),
    feedForwardNorm: weights.float32(name("ffn_norm"), [dim]),
    gate: weights.tensor(name("ffn_gate"), [feedForward, dim]),
    up: weights.tensor(name("ffn_up"), [feedForward, dim]),
    down: weights.tensor(name("ffn_down"), [dim, feedForward]),
  };
}

/**
 * Makes a Llama model from a GGUF file.
 *
 * @param gguf The parsed file.
 * @param storage The mapped file.
 * @param name The file's name, for errors.
 * @returns The model, the caller's to dispose of.
 */
export const llamaFromGguf: GgufArchitecture = (gguf, storage, name) => {
  const weights = new Weights(new GgufTensors(gguf, storage, name));
  const metadata = new Hyperparameters(name, (key) => gguf.metadata.get(key));
  try {
    return new Llama(readLlamaConfig(metadata, weights), weights);
  } catch (error) {
    weights[Symbol.dispose]();
    throw error;
  }
};
