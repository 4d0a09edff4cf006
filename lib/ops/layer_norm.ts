/**
 * Layer normalisation (Ba, Kiros and Hinton, 2016), alone and behind a residual
 * connection.
 */
import { colsOf, rowsOf, type Shape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { checkResidual, checkScale, checkSum, type SumOption } from "./norm_operands.ts";
import {
  areDense,
  checkApart,
  checkInPlace,
  checkOperand,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/** Options of {@linkcode layerNorm}. */
export interface LayerNormOptions extends OutOption {
  /** `[cols]`, float32; ones when left out. */
  weight?: Tensor<"float32">;
  /** `[cols]`, float32; zeros when left out. */
  bias?: Tensor<"float32">;
  /** Added to the variance; 1e-5 when left out. */
  epsilon?: number;
}

/** Options of {@linkcode layerNormResidual}. */
export interface LayerNormResidualOptions extends LayerNormOptions, SumOption {}

/**
 * Takes the mean off each row and divides it by its standard deviation, then scales
 * and shifts each column: `(x - mean) / sqrt(variance + epsilon) · weight + bias`.
 * Mean and variance are exact enough for any row: one of a single value becomes the
 * bias, and an offset a billion times the spread costs no digits of what float32
 * still tells apart.
 *
 * @param x `[…, cols]`, float32.
 * @param options `weight`, `bias`, `epsilon`; `out` may be `x`.
 * @returns The normalised rows, float32, in the shape of `x`; NaN in a row with a NaN or
 * an infinity.
 * @throws {RangeError} When `weight` or `bias` does not fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { layerNorm, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 3], [-5, 5]]);
 * using y = layerNorm(x, { epsilon: 0 });
 * console.log(y.toArray()); // [[-1, 1], [-1, 1]]
 * ```
 */
export function layerNorm(
  x: Tensor<"float32">,
  options: LayerNormOptions = {},
): Tensor<"float32"> {
  const { weight, bias, epsilon = 1e-5, out } = options;
  checkOperand("layerNorm", "x", x, "float32");
  return normalise(x, weight, bias, epsilon, out);
}

function normalise(
  x: Tensor<"float32">,
  weight: Tensor<"float32"> | undefined,
  bias: Tensor<"float32"> | undefined,
  epsilon: number,
  out: Tensor<"float32"> | undefined,
): Tensor<"float32"> {
  const { shape } = x;
  checkColumns("layerNorm", shape, weight, bias);
  if (!areDense(x, weight, bias)) {
    return withDense([x, weight, bias], normalise, epsilon, out);
  }
  const y = resultTensor("layerNorm", out, shape);
  checkInPlace("layerNorm", out, "x", x);
  checkApart("layerNorm", out, "weight", weight);
  checkApart("layerNorm", out, "bias", bias);
  const status = native().symbols.qn_layer_norm_f32(
    y.address,
    x.address,
    weight?.address ?? 0n,
    bias?.address ?? 0n,
    rowsOf(shape),
    colsOf(shape),
    epsilon,
  );
  if (status === Status.OK) return y;
  return refuse("layerNorm", status, y, out, { x, weight, bias }, { epsilon });
}

function checkColumns(
  operation: string,
  shape: Shape,
  weight: Tensor<"float32"> | undefined,
  bias: Tensor<"float32"> | undefined,
): void {
  const cols = colsOf(shape);
  checkScale(operation, "weight", weight, cols);
  checkScale(operation, "bias", bias, cols);
}

/**
 * {@linkcode layerNorm} of `x + residual`, in one pass over memory.
 *
 * @param x `[…, cols]`, float32.
 * @param residual Float32, in the shape of `x`.
 * @param options `weight`, `bias`, `epsilon`; `sum` receives `x + residual`; `out` and
 * `sum` may each be `x` or `residual`, but not the same.
 * @returns The normalised sums, float32, in the shape of `x`.
 * @throws {RangeError} When an operand does not fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { layerNormResidual, Tensor } from "@quern/quern";
 *
 * using stream = Tensor.from([[1, 2]]);
 * using branch = Tensor.from([[0, 1]]);
 * using y = layerNormResidual(branch, stream, { sum: stream, epsilon: 0 });
 * console.log(stream.toArray(), y.toArray()); // [[1, 3]] [[-1, 1]]
 * ```
 */
export function layerNormResidual(
  x: Tensor<"float32">,
  residual: Tensor<"float32">,
  options: LayerNormResidualOptions = {},
): Tensor<"float32"> {
  const { weight, bias } = options;
  checkResidual("layerNormResidual", x, residual);
  checkColumns("layerNormResidual", x.shape, weight, bias);
  return normaliseSum(x, residual, weight, bias, options);
}

function normaliseSum(
  x: Tensor<"float32">,
  residual: Tensor<"float32">,
  weight: Tensor<"float32"> | undefined,
  bias: Tensor<"float32"> | undefined,
  options: LayerNormResidualOptions,
): Tensor<"float32"> {
  const { sum, epsilon = 1e-5, out } = options;
  if (!areDense(x, residual) || !areDense(weight, bias)) {
    return withDense([x, residual, weight, bias], normaliseSum, options);
  }
  const { shape } = x;
  checkSum("layerNormResidual", sum, out, x, residual, weight, bias);
  const y = resultTensor("layerNormResidual", out, shape);
  checkInPlace("layerNormResidual", out, "x", x);
  checkInPlace("layerNormResidual", out, "residual", residual);
  checkApart("layerNormResidual", out, "weight", weight);
  checkApart("layerNormResidual", out, "bias", bias);
  const status = native().symbols.qn_layer_norm_residual_f32(
    y.address,
    sum?.address ?? 0n,
    x.address,
    residual.address,
    weight?.address ?? 0n,
    bias?.address ?? 0n,
    rowsOf(shape),
    colsOf(shape),
    epsilon,
  );
  if (status === Status.OK) return y;
  const operands = { x, residual, weight, bias };
  return refuse("layerNormResidual", status, y, out, operands, { epsilon });
}
