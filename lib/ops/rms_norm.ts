/**
 * Root mean square normalisation (Zhang and Sennrich, 2019), alone and behind a
 * residual connection.
 */
import { colsOf, rowsOf } from "../core/shape.ts";
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

/** Options of {@linkcode rmsNorm}. */
export interface RmsNormOptions extends OutOption {
  /** Added to the mean square; 1e-5 when left out. */
  epsilon?: number;
}

/** Options of {@linkcode rmsNormResidual}. */
export interface RmsNormResidualOptions extends RmsNormOptions, SumOption {
  /** `[cols]`, float32; ones when left out. */
  weight?: Tensor<"float32">;
}

/**
 * Divides each row by its root mean square, then scales each column:
 * `x / sqrt(mean(x²) + epsilon) · weight`.
 *
 * @param x `[…, cols]`, float32.
 * @param weight `[cols]`, float32; undefined means ones.
 * @param options `epsilon`; `out` may be `x`.
 * @returns The normalised rows, float32, in the shape of `x`.
 * @throws {RangeError} When `weight` does not fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { rmsNorm, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[3, 4]]);
 * using y = rmsNorm(x);
 * console.log(y.toArray());
 * ```
 */
export function rmsNorm(
  x: Tensor<"float32">,
  weight?: Tensor<"float32">,
  options: RmsNormOptions = {},
): Tensor<"float32"> {
  const { epsilon = 1e-5, out } = options;
  checkOperand("rmsNorm", "x", x, "float32");
  const cols = colsOf(x.shape);
  checkScale("rmsNorm", "weight", weight, cols);
  if (!areDense(x, weight)) return withDense([x, weight], rmsNorm, options);
  const y = resultTensor("rmsNorm", out, x.shape);
  checkInPlace("rmsNorm", out, "x", x);
  checkApart("rmsNorm", out, "weight", weight);
  const status = native().symbols.qn_rms_norm_f32(
    y.address,
    x.address,
    weight?.address ?? 0n,
    rowsOf(x.shape),
    cols,
    epsilon,
  );
  if (status === Status.OK) return y;
  return refuse("rmsNorm", status, y, out, { x, weight }, { epsilon });
}

/**
 * {@linkcode rmsNorm} of `x + residual`, in one pass over memory.
 *
 * @param x `[…, cols]`, float32.
 * @param residual Float32, in the shape of `x`.
 * @param options `weight`, `epsilon`; `sum` receives `x + residual`; `out` and `sum` may
 * each be `x` or `residual`, but not the same.
 * @returns The normalised sums, float32, in the shape of `x`.
 * @throws {RangeError} When an operand does not fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { rmsNormResidual, Tensor } from "@quern/quern";
 *
 * using stream = Tensor.from([[1, 2]]);
 * using branch = Tensor.from([[2, 2]]);
 * using y = rmsNormResidual(branch, stream, { sum: stream });
 * console.log(stream.toArray()); // [[3, 4]]
 * ```
 */
export function rmsNormResidual(
  x: Tensor<"float32">,
  residual: Tensor<"float32">,
  options: RmsNormResidualOptions = {},
): Tensor<"float32"> {
  const { weight } = options;
  checkResidual("rmsNormResidual", x, residual);
  checkScale("rmsNormResidual", "weight", weight, colsOf(x.shape));
  return normaliseSum(x, residual, weight, options);
}

function normaliseSum(
  x: Tensor<"float32">,
  residual: Tensor<"float32">,
  weight: Tensor<"float32"> | undefined,
  options: RmsNormResidualOptions,
): Tensor<"float32"> {
  const { sum, epsilon = 1e-5, out } = options;
  if (!areDense(x, residual, weight)) {
    return withDense([x, residual, weight], normaliseSum, options);
  }
  const { shape } = x;
  checkSum("rmsNormResidual", sum, out, x, residual, weight);
  const y = resultTensor("rmsNormResidual", out, shape);
  checkInPlace("rmsNormResidual", out, "x", x);
  checkInPlace("rmsNormResidual", out, "residual", residual);
  checkApart("rmsNormResidual", out, "weight", weight);
  const status = native().symbols.qn_rms_norm_residual_f32(
    y.address,
    sum?.address ?? 0n,
    x.address,
    residual.address,
    weight?.address ?? 0n,
    rowsOf(shape),
    colsOf(shape),
    epsilon,
  );
  if (status === Status.OK) return y;
  const operands = { x, residual, weight };
  return refuse("rmsNormResidual", status, y, out, operands, { epsilon });
}
