/**
 * Attention of several heads, with the products around it.
 */
import { attention } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { AttentionCache, type AttentionCacheOptions } from "./attention_cache.ts";
import type { Frame } from "./frame.ts";
import { type Initializer, xavierUniform, zeros } from "./initializers.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import {
  checkSize,
  type ForwardOptions,
  type LayerDType,
  type LayerOptions,
  type ResidualOptions,
  seeds,
} from "./options.ts";
import { Rotary, type RotaryOptions } from "./rotary.ts";

/** Options of {@linkcode MultiHeadAttention}. */
export interface MultiHeadAttentionOptions<D extends LayerDType = "float32">
  extends LayerOptions<D> {
  /** The size of rows, a multiple of `heads`. */
  dim: number;
  /** How many heads queries have. */
  heads: number;
  /** How many heads keys and values have, which divides `heads`; as many when left out. */
  keyValueHeads?: number;
  /** The size of rows of the context that keys and values come from; `dim` when left out. */
  contextDim?: number;
  /** Whether products have a bias; true when left out. */
  bias?: boolean;
  /** The first weights of the products; Xavier's when left out. */
  weight?: Initializer;
  /** The first weight of the last product; that of the others when left out. */
  outputWeight?: Initializer;
  /** Turns queries and keys by their positions; not when left out. */
  rotary?: boolean | RotaryOptions;
  /** Whether a token sees only those up to its own; false when left out. */
  causal?: boolean;
}

/** Options of a pass through attention of a sequence to itself. */
export interface SelfAttentionForwardOptions<D extends LayerDType = "float32">
  extends ForwardOptions<D> {
  /**
   * Added to the scores, or of bool or int32, where 0 leaves keys out; broadcast to
   * `[…, heads, tokens, keys]`.
   */
  mask?: Tensor<D> | Tensor<"bool"> | Tensor<"int32">;
  /**
   * Keys and values of the tokens before `x`, behind which those of `x` are added. A token
   * then sees those up to its own. Gradients do not go through it.
   */
  cache?: AttentionCache<D>;
}

/** Options of {@linkcode MultiHeadAttention.forward}. */
export interface AttentionForwardOptions<D extends LayerDType = "float32">
  extends SelfAttentionForwardOptions<D>, ResidualOptions<D> {
  /** `[…, tokens, contextDim]`: what keys and values come from; `x` when left out. */
  context?: Tensor<D>;
}

/**
 * Scaled dot-product attention (Vaswani et al., 2017): of a sequence to itself or to a
 * context, with grouped heads of keys and values (Ainslie et al., 2023).
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { MultiHeadAttention } from "@quern/quern/nn";
 *
 * using layer = new MultiHeadAttention({ dim: 8, heads: 2, causal: true, seed: 1 }).eval();
 * using x = Tensor.randn([3, 8], { seed: 2 });
 * using y = layer.forward(x);
 *
 * // The same, a token at a time.
 * using cache = layer.createCache({ tokens: 3 });
 * using token = x.slice(0, 1);
 * using first = layer.forward(token, { cache });
 * console.log(y.shape, first.shape, cache.length); // [3, 8] [1, 8] 1
 * ```
 */
export class MultiHeadAttention<D extends LayerDType = "float32"> extends Module {
  /** How many heads queries have. */
  readonly heads: number;
  /** How many heads keys and values have. */
  readonly keyValueHeads: number;
  /** The size of a head. */
  readonly headSize: number;
  /** Whether a token sees only those up to its own. */
  readonly causal: boolean;
  /** From rows to queries. */
  readonly query: Linear<D>;
  /** From the context to keys. */
  readonly key: Linear<D>;
  /** From the context to values. */
  readonly value: Linear<D>;
  /** From what was attended to, to rows. */
  readonly output: Linear<D>;
  /** How heads turn by their positions, if they do. */
  readonly rotary: Readonly<Required<RotaryOptions>> | undefined;
  readonly #turner: Rotary<D> | undefined;

  /**
   * A new layer, whose biases are 0.
   *
   * @param options The sizes, the dtype and the seed.
   * @throws {RangeError} When the numbers of heads do not divide what they must.
   */
  constructor(options: MultiHeadAttentionOptions<D>) {
    super();
    const { dim, heads, keyValueHeads = heads, contextDim = dim, causal = false } = options;
    const { dtype, bias: hasBias = true, rotary = false } = options;
    const { weight = xavierUniform(), outputWeight = weight } = options;
    for (const [name, size] of Object.entries({ dim, heads, keyValueHeads, contextDim })) {
      checkSize("MultiHeadAttention", name, size);
    }
    checkHeads(dim, heads, keyValueHeads, rotary !== false);
    this.heads = heads;
    this.keyValueHeads = keyValueHeads;
    this.headSize = dim / heads;
    this.causal = causal;
    const seed = seeds(options.seed);
    const make = (inputs: number, outputs: number, first = weight) => {
      const bias = hasBias && zeros;
      return new Linear<D>(inputs, outputs, { dtype, seed: seed(), weight: first, bias });
    };
    const keyDim = keyValueHeads * this.headSize;
    this.query = make(dim, dim);
    this.key = make(contextDim, keyDim);
    this.value = make(contextDim, keyDim);
    this.output = make(dim, dim, outputWeight);
    if (rotary === false) return;
    const { base = 10000, layout = "interleaved" } = rotary === true ? {} : rotary;
    this.rotary = { base, layout };
    this.#turner = new Rotary(this.headSize, dtype ?? ("float32" as D), this.rotary);
  }

  /**
   * A cache for a sequence, or a batch of them, that comes piece by piece.
   *
   * @param options How many tokens, and of what batch.
   * @returns An empty cache, the caller's.
   */
  createCache(options: AttentionCacheOptions): AttentionCache<D> {
    const { dtype } = this.query.weight;
    return new AttentionCache<D>(options, this.keyValueHeads, this.headSize, dtype);
  }

  /**
   * Attends.
   *
   * @param x `[…, tokens, dim]`.
   * @param options A context, a mask or a cache, what the result is added to, and where to
   * write it.
   * @returns The shape of `x`.
   * @throws {RangeError} When shapes do not fit, or the cache is full.
   * @throws {Error} When gradients are wanted through a cache.
   */
  forward(x: Tensor<D>, options: AttentionForwardOptions<D> = {}): Tensor<D> {
    const { context, mask, cache, residual, out } = options;
    return this.pass([x, context], (frame) => {
      if (cache !== undefined) checkCached(frame, context);
      const start = cache?.length ?? 0;
      using q = this.#project(frame, "query", x, start);
      using k = this.#project(frame, "key", context ?? x, start);
      using v = this.#project(frame, "value", context ?? x);
      cache?.append(k, v);
      try {
        const attended = frame.own(attention<D>(q, cache?.keys ?? k, cache?.values ?? v, {
          causal: this.causal || cache !== undefined,
          keyTokens: cache?.length,
          mask: mask as Tensor<D> | undefined,
          out: frame.room("MHA.attended", q.shape, x.dtype),
        }));
        using rows = attended.reshape(x.shape);
        return this.output.forward(rows, { out, residual });
      } catch (error) {
        cache?.truncate(start);
        throw error;
      }
    });
  }

  /** `[…, tokens, heads, headSize]`: a view of what a product gives, or turned. */
  #project(
    frame: Frame,
    name: "query" | "key" | "value",
    x: Tensor<D>,
    start?: number,
  ): Tensor<D> {
    const layer = this[name];
    const [outputs] = layer.weight.shape;
    const shape = [...x.shape.slice(0, -1), outputs];
    const rows = frame.own(layer.forward(x, { out: frame.room(`MHA.${name}`, shape, x.dtype) }));
    const heads = rows.reshape([...x.shape.slice(0, -1), outputs / this.headSize, this.headSize]);
    if (this.#turner === undefined || start === undefined) return heads;
    if (!frame.recording) return this.#turner.turn(heads, start, heads);
    using straight = heads;
    return this.#turner.turn(straight, start);
  }

  /** Gives the table of angles back. */
  protected override release(): void {
    this.#turner?.dispose();
  }
}

function checkCached(frame: Frame, context: Tensor | undefined): void {
  if (frame.recording) {
    throw new Error(
      "MultiHeadAttention: gradients do not go through a cache; call eval(), or use noGrad",
    );
  }
  if (context === undefined) return;
  throw new RangeError("MultiHeadAttention: a cache is of x itself; leave context out");
}

function checkHeads(dim: number, heads: number, keyValueHeads: number, isTurned: boolean): void {
  if (dim % heads !== 0 || heads % keyValueHeads !== 0) {
    throw new RangeError(
      `MultiHeadAttention: dim ${dim} is no multiple of ${heads} heads, or these none of ` +
        `${keyValueHeads} of keys and values`,
    );
  }
  if (isTurned && (dim / heads) % 2 !== 0) {
    throw new RangeError(
      `MultiHeadAttention: rotary needs heads of an even size, and dim ${dim} makes ${heads} of ` +
        `${dim / heads}`,
    );
  }
}
