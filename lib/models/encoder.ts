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
  type Precision,
  rope,
  type RopeTable,
  ropeTable,
} from "../ops/mod.ts";
import { type ChainStep, type LinearStep, RowChain } from "../ops/row_chain.ts";
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

/**
 * The slots of the chains between attentions. What comes after `VALUE` nobody else asks for,
 * so it takes no memory of the encoder's.
 */
const Slot = {
  X: 0,
  /** What was attended to; at first the embedding's sum. */
  ATTENDED: 1,
  QUERY: 2,
  KEY: 3,
  VALUE: 4,
  SUM: 5,
  MIDDLE: 6,
  HIDDEN: 7,
  GATE: 8,
} as const;

/** An encoder with its weights. */
export class Encoder implements Disposable {
  /** The model's sizes and constants. */
  readonly config: EncoderConfig;
  readonly #owner: Weights;
  readonly #weights: EncoderWeights;
  readonly #workspace = keep(new Workspace());
  readonly #ropeTable: RopeTable | undefined;
  /** What comes before the first attention, then what follows each. */
  readonly #chains: readonly RowChain[];

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
    this.#chains = makeChains(config, weights);
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
    const shape = [sequences.ids.length, this.config.dim];
    const names = ["x", "attended", "query", "key", "value"] as const;
    const slots = names.map((name) => this.#workspace.get(name, shape));
    const places: Places = {
      offsets: sequences.offsets,
      segments: this.#take("segments", sequences.offsets),
      positions: this.#take("positions", positionsOf(sequences.offsets)),
    };
    this.#embed(sequences, places.positions, slots[Slot.ATTENDED], slots[Slot.X]);
    this.#chains[0].run(slots, shape[0], precision);
    for (let layer = 0; layer < this.config.layers; layer++) {
      this.#attend(slots, places);
      this.#chains[layer + 1].run(slots, shape[0], precision);
      yield;
    }
    return slots[Slot.X];
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

  /** The sum of the embeddings; `some` holds parts of it. */
  #embed(
    { ids, typeIds }: Sequences,
    positions: Tensor<"int32">,
    sum: Floats,
    some: Floats,
  ): void {
    const { tokens, positions: table, types } = this.#weights;
    embedding(tokens, this.#take("ids", ids), { out: sum });
    if (table !== undefined) addInPlace(sum, embedding(table, positions, { out: some }));
    if (types === undefined) return;
    if (typeIds === undefined || types.shape[0] === 1) {
      using first = types.slice(0, 1);
      addInPlace(sum, first);
    } else {
      addInPlace(sum, embedding(types, this.#take("types", typeIds), { out: some }));
    }
  }

  #attend(slots: readonly Floats[], { positions, segments, offsets }: Places): void {
    using q = this.#heads(slots[Slot.QUERY]);
    using k = this.#heads(slots[Slot.KEY]);
    using v = this.#heads(slots[Slot.VALUE]);
    using y = this.#heads(slots[Slot.ATTENDED]);
    if (this.#ropeTable !== undefined) this.#turn(this.#ropeTable, positions, q, k);
    const { scoreBias } = this.#weights;
    if (scoreBias === undefined) attention(q, k, v, { segments, out: y });
    else attendApart(q, k, v, y, scoreBias, offsets);
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

/**
 * The chains of rows between attentions:
 *
 *     x = norm(embedding), then q, k and v of x
 *     per layer:  middle = norm(x + attended·Wo)
 *                 x = norm(middle + activation(middle·Wup)·Wdown), then q, k and v of x
 */
function makeChains(
  { dim, feedForward, activation, epsilon }: EncoderConfig,
  { embeddingNorm, layers }: EncoderWeights,
): RowChain[] {
  const { X, ATTENDED, QUERY, KEY, VALUE, SUM, MIDDLE, HIDDEN, GATE } = Slot;
  const columns = [dim, dim, dim, dim, dim, dim, dim, feedForward, feedForward];
  const product = (dense: Dense, from: number, to: number): LinearStep => ({
    kind: "linear",
    from,
    to,
    ...dense,
  });
  const normed = (norm: Norm, from: number, to: number): ChainStep => ({
    kind: "layerNorm",
    from,
    to,
    ...norm,
    epsilon,
  });
  const projected = (layer: EncoderLayer | undefined): ChainStep[] =>
    layer === undefined ? [] : [
      product(layer.query, X, QUERY),
      product(layer.key, X, KEY),
      product(layer.value, X, VALUE),
    ];
  const widened = ({ up, gate }: EncoderLayer): ChainStep[] =>
    gate === undefined
      ? [{ ...product(up, MIDDLE, HIDDEN), activation: activation as Activation }]
      : [
        product(up, MIDDLE, HIDDEN),
        product(gate, MIDDLE, GATE),
        { kind: "swiglu", from: GATE, to: HIDDEN },
      ];
  const first = new RowChain(columns, [
    normed(embeddingNorm, ATTENDED, X),
    ...projected(layers[0]),
  ]);
  return [
    first,
    ...layers.map((layer, i) =>
      new RowChain(columns, [
        { ...product(layer.attended, ATTENDED, SUM), residual: X },
        normed(layer.attentionNorm, SUM, MIDDLE),
        ...widened(layer),
        { ...product(layer.down, HIDDEN, SUM), residual: MIDDLE },
        normed(layer.outputNorm, SUM, X),
        ...projected(layers[i + 1]),
      ])
    ),
  ];
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
