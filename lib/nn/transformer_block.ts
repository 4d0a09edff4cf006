/**
 * One block of a transformer: attention and a feed-forward layer, each with a residual.
 */
import { add, type Floating } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type SelfAttentionForwardOptions,
} from "./attention.ts";
import type { AttentionCache, AttentionCacheOptions } from "./attention_cache.ts";
import { Dropout } from "./dropout.ts";
import type { Frame } from "./frame.ts";
import { MLP, type MLPOptions } from "./mlp.ts";
import { Module } from "./module.ts";
import { LayerNorm, RMSNorm } from "./norms.ts";
import { type LayerDType, type ResidualOptions, seeds } from "./options.ts";

/** Options of {@linkcode TransformerBlock}, beside those of its layers. */
export interface TransformerBlockOptions<D extends LayerDType = "float32">
  extends
    Omit<MultiHeadAttentionOptions<D>, "contextDim">,
    Pick<MLPOptions<D>, "hidden" | "activation"> {
  /** Whether rows are normalised before each layer, or after its residual; `"pre"` when left out. */
  norm?: "pre" | "post";
  /** How rows are normalised; `"layer"` when left out. */
  normalization?: "layer" | "rms";
  /** Added to the variance, or to the mean square; 1e-5 when left out. */
  epsilon?: number;
  /** The probability that elements of each layer's result are left out; 0 when left out. */
  dropout?: number;
}

/**
 * `x + attention(norm(x))`, then `x + mlp(norm(x))`; or, with `norm: "post"`, the norm of each
 * sum (Xiong et al., 2020).
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { TransformerBlock } from "@quern/quern/nn";
 *
 * using block = new TransformerBlock({ dim: 8, heads: 2, norm: "pre", causal: true, seed: 1 });
 * block.eval();
 * using x = Tensor.randn([4, 8], { seed: 2 });
 * using y = block.forward(x);
 * console.log(y.shape); // [4, 8]
 * ```
 */
export class TransformerBlock<D extends LayerDType = "float32"> extends Module {
  /** Whether rows are normalised before each layer, or after its residual. */
  readonly norm: "pre" | "post";
  /** From token to token. */
  readonly attention: MultiHeadAttention<D>;
  /** Within each token. */
  readonly mlp: MLP<D>;
  /** Before the attention, or after its residual. */
  readonly attentionNorm: LayerNorm<D> | RMSNorm<D>;
  /** Before the feed-forward layer, or after its residual. */
  readonly mlpNorm: LayerNorm<D> | RMSNorm<D>;
  /** Of each layer's result, if anything is left out. */
  readonly dropout: Dropout<D> | undefined;

  /**
   * A new block.
   *
   * @param options The sizes, and what the layers are like.
   * @throws {RangeError} When sizes do not fit.
   * @throws {TypeError} When there is no such kind of norm.
   */
  constructor(options: TransformerBlockOptions<D>) {
    super();
    const { dim, hidden, activation, bias, dtype, epsilon, dropout = 0 } = options;
    const { norm = "pre", normalization = "layer", weight, outputWeight } = options;
    checkKind("norm", norm, ["pre", "post"]);
    checkKind("normalization", normalization, ["layer", "rms"]);
    const seed = seeds(options.seed);
    this.norm = norm;
    if (dropout !== 0) this.dropout = new Dropout<D>(dropout, { seed: seed() });
    this.attention = new MultiHeadAttention<D>({ ...options, seed: seed() });
    const products = { dim, bias, dtype, weight, outputWeight };
    this.mlp = new MLP<D>({ ...products, hidden, activation, seed: seed() });
    const make = () =>
      normalization === "layer"
        ? new LayerNorm<D>(dim, { dtype, epsilon, bias })
        : new RMSNorm<D>(dim, { dtype, epsilon });
    this.attentionNorm = make();
    this.mlpNorm = make();
  }

  /**
   * A cache for a sequence, or a batch of them, that comes piece by piece.
   *
   * @param options How many tokens, and of what batch.
   * @returns An empty cache, the caller's.
   */
  createCache(options: AttentionCacheOptions): AttentionCache<D> {
    return this.attention.createCache(options);
  }

  /**
   * Runs the block.
   *
   * @param x `[…, tokens, dim]`.
   * @param options A mask or a cache, and where to write the result.
   * @returns The shape of `x`.
   * @throws {RangeError} When shapes do not fit.
   */
  forward(x: Tensor<D>, options: SelfAttentionForwardOptions<D> = {}): Tensor<D> {
    const { out, mask, cache } = options;
    const { norm, attention, attentionNorm, mlp, mlpNorm } = this;
    return this.pass([x], (frame) => {
      const place = (name: string) => ({ out: frame.room(name, x.shape, x.dtype) });
      const run = (x: Tensor<D>) => (options: ResidualOptions<D>) =>
        attention.forward(x, { mask, cache, ...options });
      const feed = (x: Tensor<D>) => (options: ResidualOptions<D>) => mlp.forward(x, options);
      if (norm === "pre") {
        const first = frame.own(attentionNorm.forward(x, place("Block.norm")));
        const middle = frame.own(this.#onto(frame, x, run(first), place("Block.sum").out));
        const second = frame.own(mlpNorm.forward(middle, place("Block.norm")));
        return this.#onto(frame, middle, feed(second), out);
      }
      const first = frame.own(this.#onto(frame, x, run(x), place("Block.sum").out));
      const middle = frame.own(attentionNorm.forward(first, place("Block.norm")));
      const second = frame.own(this.#onto(frame, middle, feed(middle), place("Block.sum").out));
      return mlpNorm.forward(second, { out });
    });
  }

  /**
   * A layer's result on top of the residual: added by the layer's last product, or where elements
   * are left out of it, apart.
   */
  #onto(
    frame: Frame,
    residual: Tensor<D>,
    layer: (options: ResidualOptions<D>) => Tensor<D>,
    out?: Tensor<D>,
  ): Tensor<D> {
    const { dropout } = this;
    if (!dropout?.isActive) return layer({ residual, out });
    const kept = frame.own(dropout.forward(frame.own(layer({}))));
    return add(residual as Tensor<Floating>, kept as Tensor<Floating>, {
      out: out as Tensor<Floating> | undefined,
    }) as Tensor as Tensor<D>;
  }
}

function checkKind(name: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw new TypeError(
    `TransformerBlock: ${name} is ${JSON.stringify(value)}, expected ${
      known.map((each) => JSON.stringify(each)).join(" or ")
    }`,
  );
}
