/**
 * Root mean square normalisation (Zhang and Sennrich, 2019).
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkApart,
  checkInPlace,
  checkOperand,
  checkShapeIs,
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
  if (weight !== undefined) {
    checkOperand("rmsNorm", "weight", weight, "float32");
    checkShapeIs("rmsNorm", "weight", weight, [cols]);
  }
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
