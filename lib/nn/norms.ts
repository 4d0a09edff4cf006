/**
 * Normalisations of rows.
 */
import { layerNorm, rmsNorm } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { ones, zeros } from "./initializers.ts";
import { Module } from "./module.ts";
import { checkSize, type ForwardOptions, type LayerDType } from "./options.ts";

/** Options of {@linkcode RMSNorm}. */
export interface NormLayerOptions<D extends LayerDType = "float32"> {
  /** The dtype of parameters, inputs and results; float32 when left out. */
  dtype?: D;
  /** Added to the variance, or to the mean square; 1e-5 when left out. */
  epsilon?: number;
}

/** Options of {@linkcode LayerNorm}. */
export interface LayerNormLayerOptions<D extends LayerDType = "float32">
  extends NormLayerOptions<D> {
  /** Whether there is a bias; true when left out. */
  bias?: boolean;
}

/**
 * Rows of mean 0 and variance 1, scaled and shifted by column (Ba et al., 2016).
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { LayerNorm } from "@quern/quern/nn";
 *
 * using norm = new LayerNorm(2);
 * using x = Tensor.from([[1, 3]]);
 * using y = norm.forward(x);
 * console.log(y.toArray()); // about [[-1, 1]]
 * ```
 */
export class LayerNorm<D extends LayerDType = "float32"> extends Module {
  /** `[dim]`. */
  readonly weight: Tensor<D>;
  /** `[dim]`, if there is one. */
  readonly bias: Tensor<D> | undefined;
  /** Added to the variance. */
  readonly epsilon: number;

  /**
   * A new layer, of ones and zeros.
   *
   * @param dim The size of the last axis.
   * @param options The dtype, epsilon, and whether there is a bias.
   * @throws {RangeError} When the size is no integer from 1.
   */
  constructor(dim: number, options: LayerNormLayerOptions<D> = {}) {
    super();
    checkSize("LayerNorm", "dim", dim);
    const { dtype = "float32" as D, epsilon = 1e-5, bias = true } = options;
    this.epsilon = epsilon;
    this.weight = this.parameter("weight", ones([dim], 0, dtype));
    if (bias) this.bias = this.parameter("bias", zeros([dim], 0, dtype));
  }

  /**
   * Normalises rows.
   *
   * @param x `[…, dim]`.
   * @param options Where to write the result; `out` may be `x`.
   * @returns The shape of `x`.
   * @throws {RangeError} When the last axis has another size.
   */
  forward(x: Tensor<D>, options: ForwardOptions<D> = {}): Tensor<D> {
    const { weight, bias, epsilon } = this;
    const { out } = options;
    return this.pass([x], () => layerNorm<D>(x, { weight, bias, epsilon, out }));
  }
}

/**
 * Rows divided by their root mean square, scaled by column (Zhang and Sennrich, 2019).
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { RMSNorm } from "@quern/quern/nn";
 *
 * using norm = new RMSNorm(2);
 * using x = Tensor.from([[3, 4]]);
 * using y = norm.forward(x);
 * console.log(y.toArray()); // about [[0.849, 1.131]]
 * ```
 */
export class RMSNorm<D extends LayerDType = "float32"> extends Module {
  /** `[dim]`. */
  readonly weight: Tensor<D>;
  /** Added to the mean square. */
  readonly epsilon: number;

  /**
   * A new layer, of ones.
   *
   * @param dim The size of the last axis.
   * @param options The dtype and epsilon.
   * @throws {RangeError} When the size is no integer from 1.
   */
  constructor(dim: number, options: NormLayerOptions<D> = {}) {
    super();
    checkSize("RMSNorm", "dim", dim);
    const { dtype = "float32" as D, epsilon = 1e-5 } = options;
    this.epsilon = epsilon;
    this.weight = this.parameter("weight", ones([dim], 0, dtype));
  }

  /**
   * Normalises rows.
   *
   * @param x `[…, dim]`.
   * @param options Where to write the result; `out` may be `x`.
   * @returns The shape of `x`.
   * @throws {RangeError} When the last axis has another size.
   */
  forward(x: Tensor<D>, options: ForwardOptions<D> = {}): Tensor<D> {
    const { weight, epsilon } = this;
    const { out } = options;
    return this.pass([x], () => rmsNorm<D>(x, weight, { epsilon, out }));
  }
}
