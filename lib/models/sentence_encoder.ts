/**
 * An encoder of texts to train: BERT (Devlin et al., 2019) made of layers, and the vector of
 * each text from its tokens' rows (Reimers and Gurevych, 2019).
 *
 *     x = norm(tokens(ids) + positions + types)
 *     x = block(x)                    post-norm, every token sees its text, `layers` times
 *     y = mean of x without padding, or its first row; divided by its length
 *
 * `Encoder` of `encoder.ts` runs the same from a file, without padding and gradients.
 */
import { Random } from "../core/random.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import {
  Dropout,
  Embedding,
  type Frame,
  type Initializer,
  type LayerDType,
  LayerNorm,
  meanPooling,
  Module,
  normal,
  normalizeRows,
  Positions,
  TransformerBlock,
  type TransformerBlockOptions,
} from "../nn/mod.ts";
import { add, type Floating } from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";

/** Options of {@linkcode SentenceEncoder}: what is left out is as in BERT. */
export interface SentenceEncoderOptions<D extends LayerDType = "float32"> extends
  Pick<
    TransformerBlockOptions<D>,
    "dim" | "heads" | "hidden" | "activation" | "epsilon" | "dropout" | "dtype" | "seed"
  > {
  /** How many tokens there are. */
  vocabularySize: number;
  /** How many blocks. */
  layers: number;
  /** The most tokens of a text. */
  contextLength: number;
  /** How many types of tokens there are; 2 when left out, 0 for none. */
  types?: number;
  /** Which rows make the vector of a text: all alike, or the first; `"mean"` when left out. */
  pooling?: "mean" | "cls";
  /** Whether vectors have length 1; true when left out. */
  normalize?: boolean;
  /** The first weights; normally distributed, of deviation 0.02, when left out. */
  weight?: Initializer;
}

/** Options of {@linkcode SentenceEncoder.forward}. */
export interface SentenceEncoderForwardOptions {
  /** In the shape of the ids: 0, or false, where there is padding; none when left out. */
  mask?: Tensor<"int32"> | Tensor<"bool">;
  /** In the shape of the ids, the type of each token; 0 when left out. */
  types?: Tensor<"int32">;
}

/**
 * A BERT that turns texts into vectors, to train.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { SentenceEncoder } from "@quern/quern/models";
 *
 * const sizes = { vocabularySize: 50, dim: 16, layers: 2, heads: 2, contextLength: 8 };
 * using encoder = new SentenceEncoder({ ...sizes, seed: 1 });
 * using ids = Tensor.from([[1, 2, 3], [4, 5, 0]], "int32");
 * using mask = Tensor.from([[1, 1, 1], [1, 1, 0]], "int32");
 * using vectors = encoder.forward(ids, { mask });
 * console.log(vectors.shape); // [2, 16]
 * ```
 */
export class SentenceEncoder<D extends LayerDType = "float32"> extends Module {
  /** The most tokens of a text. */
  readonly contextLength: number;
  /** Which rows make the vector of a text. */
  readonly pooling: "mean" | "cls";
  /** Whether vectors have length 1. */
  readonly normalize: boolean;
  /** `[vocabularySize, dim]`. */
  readonly tokens: Embedding<D>;
  /** `[contextLength, dim]`. */
  readonly positions: Positions<D>;
  /** `[types, dim]`, where there are types. */
  readonly types: Embedding<D> | undefined;
  /** Of their sums. */
  readonly norm: LayerNorm<D>;
  /** Of the rows that go into the first block, if anything is left out. */
  readonly dropout: Dropout<D> | undefined;
  /** From token to token. */
  readonly blocks: readonly TransformerBlock<D>[];

  /**
   * A new model.
   *
   * @param options The sizes, and what becomes of the rows.
   * @throws {RangeError} When sizes do not fit.
   * @throws {TypeError} When there is no such kind of a layer.
   */
  constructor(options: SentenceEncoderOptions<D>) {
    super();
    const { vocabularySize, dim, layers, contextLength, types = 2, dropout = 0 } = options;
    const { dtype, epsilon = 1e-12, pooling = "mean", normalize = true } = options;
    checkOptions(layers, pooling);
    const random = new Random(options.seed);
    const weight = options.weight ?? normal(0.02);
    const table = () => ({ dtype, weight, seed: random.nextUint32() });
    this.contextLength = contextLength;
    this.pooling = pooling;
    this.normalize = normalize;
    try {
      this.tokens = new Embedding<D>(vocabularySize, dim, table());
      this.positions = new Positions<D>(contextLength, dim, table());
      if (types > 0) this.types = new Embedding<D>(types, dim, table());
      this.norm = new LayerNorm<D>(dim, { dtype, epsilon });
      if (dropout !== 0) this.dropout = new Dropout<D>(dropout, { seed: random.nextUint32() });
      const { heads, hidden, activation } = options;
      const block = { dim, heads, hidden, activation, epsilon, dropout, dtype, weight };
      this.blocks = Array.from(
        { length: layers },
        () => new TransformerBlock<D>({ ...block, norm: "post", seed: random.nextUint32() }),
      );
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * The vectors of texts.
   *
   * @param ids `[…, tokens]`.
   * @param options Where there is padding, and the types of tokens.
   * @returns `[…, dim]`.
   * @throws {RangeError} When a token is unknown, or shapes do not fit.
   */
  forward(ids: Tensor<"int32">, options: SentenceEncoderForwardOptions = {}): Tensor<D> {
    return this.pass([], (frame) => {
      const pooled = this.#pool(frame.own(this.hidden(ids, options)), options.mask);
      return this.normalize ? normalizeRows(frame.own(pooled)) : pooled;
    });
  }

  /**
   * What the last block makes of each token.
   *
   * @param ids `[…, tokens]`.
   * @param options Where there is padding, and the types of tokens.
   * @returns `[…, tokens, dim]`; of padding, rows without meaning.
   * @throws {RangeError} When a token is unknown, or shapes do not fit.
   */
  hidden(ids: Tensor<"int32">, options: SentenceEncoderForwardOptions = {}): Tensor<D> {
    return this.pass([], (frame) => {
      const { mask, types } = options;
      this.#check(ids, mask, types);
      using row = mask?.unsqueeze(-2) as Tensor<"int32"> | undefined;
      using keys = row?.unsqueeze(-2) as Tensor<"int32"> | undefined;
      let x = this.#embed(frame, ids, types);
      const last = this.blocks.length - 1;
      this.blocks.forEach((block, i) => {
        const y = block.forward(x, {
          mask: keys,
          out: i < last ? this.#room(frame, ids) : undefined,
        });
        x = i < last ? frame.own(y) : y;
      });
      return x;
    });
  }

  #embed(frame: Frame, ids: Tensor<"int32">, typeIds: Tensor<"int32"> | undefined): Tensor<D> {
    const { tokens, positions, types, norm, dropout } = this;
    const out = this.#room(frame, ids);
    let x = frame.own(tokens.forward(ids, { out }));
    x = frame.own(positions.forward(x, { out }));
    if (types !== undefined) {
      const place = this.#room(frame, ids, "types");
      const rows = frame.own(
        typeIds === undefined ? types.weight.slice(0, 1) : types.forward(typeIds, { out: place }),
      );
      x = frame.own(sum(x, rows, out));
    }
    x = frame.own(norm.forward(x, { out }));
    return dropout?.isActive ? frame.own(dropout.forward(x)) : x;
  }

  #pool(hidden: Tensor<D>, mask: SentenceEncoderForwardOptions["mask"]): Tensor<D> {
    if (this.pooling === "cls") {
      using first = hidden.slice(0, 1, { axis: -2 });
      using rows = first.squeeze(-2);
      return rows.clone();
    }
    if (mask !== undefined) return meanPooling(hidden, mask);
    using all = Tensor.ones(hidden.shape.slice(0, -1), "int32");
    return meanPooling(hidden, all);
  }

  #check(ids: Tensor, ...others: (Tensor | undefined)[]): void {
    const tokens = ids.shape.at(-1);
    if (tokens === undefined || tokens < 1 || tokens > this.contextLength) {
      throw new RangeError(
        `SentenceEncoder: ids are ${formatShape(ids.shape)}, expected […, tokens] of at most ` +
          `${this.contextLength} tokens`,
      );
    }
    for (const other of others) {
      if (other === undefined || sameShape(other.shape, ids.shape)) continue;
      throw new RangeError(
        `SentenceEncoder: ids are ${formatShape(ids.shape)}, and their mask or types ` +
          `${formatShape(other.shape)}; expected the same shape`,
      );
    }
  }

  /** Where rows lie when nothing is recorded: every layer writes onto its input. */
  #room(frame: Frame, ids: Tensor<"int32">, name = "residual"): Tensor<D> | undefined {
    const { weight } = this.tokens;
    const shape = [...ids.shape, weight.shape[1]];
    return frame.room(`SentenceEncoder.${name}`, shape, weight.dtype);
  }
}

function sum<D extends LayerDType>(
  x: Tensor<D>,
  rows: Tensor<D>,
  out: Tensor<D> | undefined,
): Tensor<D> {
  return add(x as Tensor<Floating>, rows as Tensor<Floating>, {
    out: out as Tensor<Floating> | undefined,
  }) as Tensor as Tensor<D>;
}

function checkOptions(layers: number, pooling: string): void {
  if (!Number.isSafeInteger(layers) || layers < 1) {
    throw new RangeError(
      `SentenceEncoder: layers is ${layers}, expected an integer of 1 or more`,
    );
  }
  if (pooling === "mean" || pooling === "cls") return;
  throw new TypeError(
    `SentenceEncoder: pooling is ${JSON.stringify(pooling)}, expected "mean" or "cls"`,
  );
}
