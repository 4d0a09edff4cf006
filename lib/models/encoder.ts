/**
 * Transformer encoders (Devlin et al., 2019): every token sees all tokens of its own
 * sequence, and norms follow the sublayers.
 *
 *     x = norm(token + position)
 *     per layer:  x = norm(x + attention(x·Wq, x·Wk, x·Wv)·Wo)
 *                 x = norm(x + activation(x·Wup)·Wdown)
 *
 * The sequences of a batch lie end to end, without padding, so a token's result has the
 * same bits whatever its sequence is batched with. What differs between BERT and its
 * descendants is in their weights and in `EncoderConfig`; each has a file that says how.
 */
import type { DType } from "../core/dtype.ts";
import {
  type Activation,
  addInPlace,
  attention,
  embedding,
  layerNorm,
  linear,
  type Precision,
  rope,
  type RopeTable,
  ropeTable,
  swiglu,
} from "../ops/mod.ts";
import { keep } from "../memory/mod.ts";
import { type Tensor, Workspace } from "../tensor/mod.ts";
import type { Weights } from "./weights.ts";

/** The sizes and constants of an encoder. */
export interface EncoderConfig {
  /** Layers. */
  readonly layers: number;
  /** Elements of the residual stream. */
  readonly dim: number;
  /** Elements of the feed-forward layer. */
  readonly feedForward: number;
  /** Heads. */
  readonly heads: number;
  /** Added to the variance in norms. */
  readonly epsilon: number;
  /** Tokens that it knows. */
  readonly vocabularySize: number;
  /** The most tokens of a sequence. */
  readonly contextLength: number;
  /** Between the feed-forward layer's two products; `"swiglu"` where it is gated. */
  readonly activation: Activation | "swiglu";
  /** The base of rotary wavelengths, where positions are rotary. */
  readonly ropeBase?: number;
}

/** A product and what is added to it. */
export interface Dense {
  /** `[outputs, inputs]`. */
  readonly weight: Tensor<"float32">;
  /** `[outputs]`. */
  readonly bias?: Tensor<"float32">;
}

/** The scale and shift of a norm, `[dim]` each. */
export interface Norm {
  /** What rows are multiplied by. */
  readonly weight: Tensor<"float32">;
  /** What is added to them. */
  readonly bias: Tensor<"float32">;
}

/** One layer's weights. */
export interface EncoderLayer {
  /** Makes queries. */
  readonly query: Dense;
  /** Makes keys. */
  readonly key: Dense;
  /** Makes values. */
  readonly value: Dense;
  /** Takes what was attended to. */
  readonly attended: Dense;
  /** Follows the attention. */
  readonly attentionNorm: Norm;
  /** Into the feed-forward layer. */
  readonly up: Dense;
  /** Its gate, with `"swiglu"`. */
  readonly gate?: Dense;
  /** Out of the feed-forward layer. */
  readonly down: Dense;
  /** Follows the feed-forward layer. */
  readonly outputNorm: Norm;
}

/** All weights of an encoder. */
export interface EncoderWeights {
  /** `[vocabulary, dim]`, any dtype. */
  readonly tokens: Tensor<DType>;
  /** `[contextLength, dim]`: what is added to the token at each place. */
  readonly positions: Tensor<"float32"> | undefined;
  /** `[types, dim]`: what is added to the tokens of each type, where there are types. */
  readonly types: Tensor<"float32"> | undefined;
  /** Follows the embedding. */
  readonly embeddingNorm: Norm;
  /** The layers, first to last. */
  readonly layers: readonly EncoderLayer[];
  /** `[heads, contextLength, contextLength]`: what is added to scores, where something is. */
  readonly scoreBias?: Tensor<"float32">;
}

/** How {@linkcode Encoder.forward} computes. */
export interface EncoderOptions {
  /** How products treat their operands; `"exact"` when left out. */
  readonly precision?: Precision;
}

/** Sequences, end to end. */
export interface Sequences {
  /** The tokens of all. */
  readonly ids: ArrayLike<number>;
  /** Where each begins, and at last where the last ends. */
  readonly offsets: ArrayLike<number>;
  /** The type of each token, in models that tell two texts apart; 0 when left out. */
  readonly typeIds?: ArrayLike<number>;
}

type Floats = Tensor<"float32">;

/** Where tokens are. */
interface Places {
  readonly offsets: ArrayLike<number>;
  /** `[sequences + 1]`: the same. */
  readonly segments: Tensor<"int32">;
  /** `[tokens]`: the place of each in its sequence. */
  readonly positions: Tensor<"int32">;
}

/** What a pass has in common. */
interface Pass {
  readonly places: Places;
  readonly precision: Precision;
}

/** An encoder with its weights. */
export class Encoder implements Disposable {
  /** The model's sizes and constants. */
  readonly config: EncoderConfig;
  readonly #owner: Weights;
  readonly #weights: EncoderWeights;
  readonly #workspace = keep(new Workspace());
  readonly #ropeTable: RopeTable | undefined;

  /**
   * Puts an encoder together.
   *
   * @param config The sizes.
   * @param weights The weights, with the shapes that the sizes call for.
   * @param owner What owns the tensors; the encoder takes it over.
   */
  constructor(config: EncoderConfig, weights: EncoderWeights, owner: Weights) {
    this.config = config;
    this.#weights = weights;
    this.#owner = owner;
    const { ropeBase: base, contextLength, dim, heads } = config;
    if (base === undefined) return;
    const { cosines, sines } = ropeTable(contextLength, dim / heads / 2, { base });
    this.#ropeTable = { cosines: owner.own(cosines), sines: owner.own(sines) };
  }

  /**
   * Runs sequences through the encoder. It pauses after each layer, so that its driver
   * can let other work run or stop.
   *
   * @param sequences Tokens, at least one of each sequence and at most `contextLength`.
   * @param options The precision.
   * @returns A generator that ends with the last layer's rows, `[tokens, dim]`, borrowed
   * until the next pass.
   */
  *forward(
    sequences: Sequences,
    { precision = "exact" }: EncoderOptions = {},
  ): Generator<void, Floats, void> {
    const { dim } = this.config;
    const tokens = sequences.ids.length;
    const workspace = this.#workspace;
    const x = workspace.get("x", [tokens, dim]);
    const sum = workspace.get("sum", [tokens, dim]);
    const places: Places = {
      offsets: sequences.offsets,
      segments: this.#take("segments", sequences.offsets),
      positions: this.#take("positions", positionsOf(sequences.offsets)),
    };
    const pass: Pass = { places, precision };
    this.#embed(sequences, places.positions, x, sum);
    for (const layer of this.#weights.layers) {
      this.#attend(layer, x, sum, pass);
      this.#norm(sum, layer.attentionNorm, x);
      this.#feedForward(layer, x, sum, pass);
      this.#norm(sum, layer.outputNorm, x);
      yield;
    }
    return x;
  }

  /** Disposes of weights and activations. */
  [Symbol.dispose](): void {
    this.#workspace[Symbol.dispose]();
    this.#owner[Symbol.dispose]();
  }

  #take(key: string, values: ArrayLike<number>): Tensor<"int32"> {
    const tensor = this.#workspace.get(key, [values.length], "int32");
    tensor.data.set(values);
    return tensor;
  }

  #embed(
    { ids, typeIds }: Sequences,
    positions: Tensor<"int32">,
    x: Floats,
    sum: Floats,
  ): void {
    const { tokens, positions: table, types, embeddingNorm } = this.#weights;
    embedding(tokens, this.#take("ids", ids), { out: sum });
    if (table !== undefined) addInPlace(sum, embedding(table, positions, { out: x }));
    if (types !== undefined) {
      if (typeIds === undefined || types.shape[0] === 1) {
        using first = types.slice(0, 1);
        addInPlace(sum, first);
      } else {
        addInPlace(sum, embedding(types, this.#take("types", typeIds), { out: x }));
      }
    }
    this.#norm(sum, embeddingNorm, x);
  }

  #norm(x: Floats, norm: Norm, out: Floats): void {
    layerNorm(x, { ...norm, epsilon: this.config.epsilon, out });
  }

  /** out = x + attention(x·Wq, x·Wk, x·Wv)·Wo */
  #attend(layer: EncoderLayer, x: Floats, out: Floats, { places, precision }: Pass): void {
    const query = this.#project("query", x, layer.query, { precision });
    const key = this.#project("key", x, layer.key, { precision });
    const value = this.#project("value", x, layer.value, { precision });
    const attended = this.#workspace.get("attended", x.shape);
    {
      using q = this.#heads(query);
      using k = this.#heads(key);
      using v = this.#heads(value);
      using y = this.#heads(attended);
      if (this.#ropeTable !== undefined) this.#turn(this.#ropeTable, places.positions, q, k);
      const { scoreBias } = this.#weights;
      if (scoreBias === undefined) attention(q, k, v, { segments: places.segments, out: y });
      else attendApart(q, k, v, y, scoreBias, places.offsets);
    }
    const { weight, bias } = layer.attended;
    linear(attended, weight, { bias, residual: x, precision, out });
  }

  /** out = x + activation(x·Wup)·Wdown */
  #feedForward({ up, gate, down }: EncoderLayer, x: Floats, out: Floats, pass: Pass): void {
    const { precision } = pass;
    const { activation } = this.config;
    let hidden: Floats;
    if (gate === undefined) {
      hidden = this.#project("hidden", x, up, { precision, activation: activation as Activation });
    } else {
      hidden = this.#project("hidden", x, up, { precision });
      swiglu(this.#project("gate", x, gate, { precision }), hidden, { out: hidden });
    }
    linear(hidden, down.weight, { bias: down.bias, residual: x, precision, out });
  }

  /** x·Wᵀ + bias, in the workspace's tensor of that name. */
  #project(
    name: string,
    x: Floats,
    { weight, bias }: Dense,
    how: { readonly precision: Precision; readonly activation?: Activation },
  ): Floats {
    const out = this.#workspace.get(name, [x.shape[0], weight.shape[0]]);
    return linear(x, weight, { ...how, bias, out });
  }

  #heads(flat: Floats): Floats {
    const { heads, dim } = this.config;
    return flat.reshape([flat.shape[0], heads, dim / heads]);
  }

  #turn(whole: RopeTable, positions: Tensor<"int32">, q: Floats, k: Floats): void {
    const shape = [positions.size, whole.cosines.shape[1]];
    const table = {
      cosines: embedding(whole.cosines, positions, { out: this.#workspace.get("cosines", shape) }),
      sines: embedding(whole.sines, positions, { out: this.#workspace.get("sines", shape) }),
    };
    rope(q, table, { layout: "halves", out: q });
    rope(k, table, { layout: "halves", out: k });
  }
}

/** Attention with something added to the scores, which depends on places in a sequence. */
function attendApart(
  q: Floats,
  k: Floats,
  v: Floats,
  y: Floats,
  scoreBias: Floats,
  offsets: ArrayLike<number>,
): void {
  for (let i = 0; i + 1 < offsets.length; i++) {
    const [first, end] = [offsets[i], offsets[i + 1]];
    using queries = q.slice(first, end);
    using keys = k.slice(first, end);
    using values = v.slice(first, end);
    using out = y.slice(first, end);
    using rows = scoreBias.slice(0, end - first, { axis: 1 });
    using mask = rows.slice(0, end - first, { axis: 2 });
    attention(queries, keys, values, { mask, out });
  }
}

/** The place of each token in its own sequence. */
function positionsOf(offsets: ArrayLike<number>): Int32Array {
  const positions = new Int32Array(offsets[offsets.length - 1]);
  for (let i = 0; i + 1 < offsets.length; i++) {
    for (let at = offsets[i]; at < offsets[i + 1]; at++) positions[at] = at - offsets[i];
  }
  return positions;
}
