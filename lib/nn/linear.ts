/**
 * A matrix product with a bias.
 */
import { type Activation, add, type Floating, linear } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { type Initializer, kaimingUniform, uniform } from "./initializers.ts";
import type { LoraLayer } from "./lora_layer.ts";
import { Module } from "./module.ts";
import {
  checkSize,
  type ForwardOptions,
  type LayerDType,
  type LayerOptions,
  seeds,
} from "./options.ts";

/** Options of {@linkcode Linear}. */
export interface LinearLayerOptions<D extends LayerDType = "float32"> extends LayerOptions<D> {
  /** The first weight; as PyTorch's, uniform within ±1 / √inputs, when left out. */
  weight?: Initializer;
  /** The first bias, false for none; uniform within ±1 / √inputs when left out. */
  bias?: Initializer | boolean;
}

/** Options of {@linkcode Linear.forward}. */
export interface LinearForwardOptions<D extends LayerDType = "float32"> extends ForwardOptions<D> {
  /** Applied to the result; none when left out. */
  activation?: Activation;
  /** Of the result's shape: what the product is added to, before the activation. */
  residual?: Tensor<D>;
}

/**
 * `x · weightᵀ + bias`, over the last axis; and what an adapter adds, where one is attached.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { Linear } from "@quern/quern/nn";
 *
 * using layer = new Linear(3, 2, { seed: 1 });
 * using x = Tensor.ones([5, 3]);
 * using y = layer.forward(x);
 * console.log(y.shape); // [5, 2]
 * ```
 */
export class Linear<D extends LayerDType = "float32"> extends Module {
  /** `[outputs, inputs]`. */
  readonly weight: Tensor<D>;
  /** `[outputs]`, if there is one. */
  readonly bias: Tensor<D> | undefined;
  /** Adds to the product, if anything does; `LoraAdapters` sets it. */
  adapter: LoraLayer<D> | undefined;

  /**
   * A new layer.
   *
   * @param inputs The size of the last axis of what comes in.
   * @param outputs The size of the last axis of what comes out.
   * @param options The dtype, the seed and the first values.
   * @throws {RangeError} When a size is no integer from 1.
   */
  constructor(inputs: number, outputs: number, options: LinearLayerOptions<D> = {}) {
    super();
    checkSize("Linear", "inputs", inputs);
    checkSize("Linear", "outputs", outputs);
    const { dtype = "float32" as D, bias = true } = options;
    const bound = 1 / Math.sqrt(inputs);
    const weight = options.weight ?? kaimingUniform({ slope: Math.sqrt(5) });
    const seed = seeds(options.seed);
    this.weight = this.parameter("weight", weight([outputs, inputs], seed(), dtype));
    if (bias === false) return;
    const make = bias === true ? uniform(-bound, bound) : bias;
    this.bias = this.parameter("bias", make([outputs], seed(), dtype));
  }

  /**
   * Computes the product.
   *
   * @param x `[…, inputs]`.
   * @param options An activation, and where to write the result.
   * @returns `[…, outputs]`.
   * @throws {RangeError} When the last axis has another size.
   */
  forward(x: Tensor<D>, options: LinearForwardOptions<D> = {}): Tensor<D> {
    const { weight, bias, adapter } = this;
    return this.pass([x], (frame) => {
      if (adapter === undefined) return linear(x, weight, { ...options, bias });
      const shape = x.shape.with(-1, weight.shape[0]);
      const place = { out: frame.room("Linear.adapted", shape, x.dtype) };
      const adapted = frame.own(adapter.forward(x, place));
      const residual = options.residual === undefined
        ? adapted
        : frame.own(sumOf(options.residual, adapted, place.out));
      return linear(x, weight, { ...options, bias, residual });
    });
  }
}

function sumOf<D extends LayerDType>(x: Tensor<D>, y: Tensor<D>, out?: Tensor<D>): Tensor<D> {
  const place = out as Tensor<Floating> | undefined;
  return add(x as Tensor<Floating>, y as Tensor<Floating>, { out: place }) as Tensor as Tensor<D>;
}
