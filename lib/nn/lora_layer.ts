/**
 * What a low-rank adapter adds to one linear layer.
 */
import { unrecorded } from "../autograd/mod.ts";
import { linear, matmul, scaleInPlace } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { Dropout } from "./dropout.ts";
import { kaimingUniform, zeros } from "./initializers.ts";
import { Module } from "./module.ts";
import {
  checkSize,
  type ForwardOptions,
  type LayerDType,
  type LayerOptions,
  seeds,
} from "./options.ts";

/** Options of {@linkcode LoraLayer}. */
export interface LoraLayerOptions<D extends LayerDType = "float32"> extends LayerOptions<D> {
  /** The rank of what is added: rows of `a`, columns of `b`; 8 when left out. */
  rank?: number;
  /** What is added is multiplied with `alpha / rank`; twice the rank when left out. */
  alpha?: number;
  /** The probability that elements of the input are left out; 0 when left out. */
  dropout?: number;
}

/**
 * `alpha / rank · dropout(x) · aᵀ · bᵀ`, which {@linkcode LoraAdapters} adds to linear layers
 * (Hu et al., 2021). A new one adds nothing, since `b` is 0.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { LoraLayer } from "@quern/quern/nn";
 *
 * using layer = new LoraLayer(4, 3, { rank: 2, seed: 1 });
 * using x = Tensor.ones([5, 4]);
 * using y = layer.forward(x);
 * console.log(y.shape, layer.a.shape, layer.b.shape); // [5, 3] [2, 4] [3, 2]
 * ```
 */
export class LoraLayer<D extends LayerDType = "float32"> extends Module {
  /** `[rank, inputs]`, at first uniform within ±1 / √inputs. */
  readonly a: Tensor<D>;
  /** `[outputs, rank]`, at first 0. */
  readonly b: Tensor<D>;
  /** What the product is multiplied with. */
  readonly scale: number;
  /** Of the input, if anything is left out. */
  readonly dropout: Dropout<D> | undefined;

  /**
   * A new layer.
   *
   * @param inputs The size of the last axis of what comes in.
   * @param outputs The size of the last axis of what comes out.
   * @param options The rank, the scale, the dtype and the seed.
   * @throws {RangeError} When a size is no integer from 1, or alpha no number above 0.
   */
  constructor(inputs: number, outputs: number, options: LoraLayerOptions<D> = {}) {
    super();
    const { dtype = "float32" as D, rank = 8, alpha = 2 * rank, dropout = 0 } = options;
    checkSize("LoraLayer", "inputs", inputs);
    checkSize("LoraLayer", "outputs", outputs);
    checkSize("LoraLayer", "rank", rank);
    if (!(alpha > 0 && alpha < Infinity)) {
      throw new RangeError(`LoraLayer: alpha is ${alpha}, expected a number above 0`);
    }
    const seed = seeds(options.seed);
    const uniform = kaimingUniform({ slope: Math.sqrt(5) });
    this.scale = alpha / rank;
    if (dropout !== 0) this.dropout = new Dropout<D>(dropout, { seed: seed() });
    this.a = this.parameter("a", uniform([rank, inputs], seed(), dtype));
    this.b = this.parameter("b", zeros([outputs, rank], seed(), dtype));
  }

  /**
   * Computes what is added.
   *
   * @param x `[…, inputs]`.
   * @param options Where to write the result.
   * @returns `[…, outputs]`.
   * @throws {RangeError} When the last axis has another size.
   */
  forward(x: Tensor<D>, options: ForwardOptions<D> = {}): Tensor<D> {
    const { a, b, dropout, scale } = this;
    return this.pass([x], (frame) => {
      const shape = [...x.shape.slice(0, -1), a.shape[0]];
      const kept = dropout?.isActive ? frame.own(dropout.forward(x)) : x;
      const place = { out: frame.room("Lora.hidden", shape, x.dtype) };
      const hidden = frame.own(linear(kept, a, place));
      scaleInPlace<LayerDType>(hidden, scale);
      return linear(hidden, b, options);
    });
  }

  /**
   * Adds to a weight what the layer adds to the product with it.
   *
   * @param weight `[outputs, inputs]`, which is changed.
   * @param factor What it is multiplied with: -1 takes it away again.
   */
  addTo(weight: Tensor<D>, factor = 1): void {
    const { a, b, scale } = this;
    unrecorded(() => matmul<D>(b, a, { alpha: factor * scale, beta: 1, out: weight }));
  }
}
