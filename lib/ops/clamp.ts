/**
 * Elements held between two bounds.
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  checkInPlace,
  checkOperand,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * `min(max(x, low), high)`, element by element; NaN stays.
 *
 * @param x Any shape, float32.
 * @param low The lower bound; -Infinity for none.
 * @param high The upper bound; Infinity for none.
 * @param options `out` may be `x`.
 * @returns The same shape, float32.
 * @throws {RangeError} When `low` is above `high`, or one of them is NaN.
 *
 * @example
 * ```ts
 * import { clamp, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([-2, 0.5, 7]);
 * using y = clamp(x, 0, 1);
 * console.log(y.toArray()); // [0, 0.5, 1]
 * ```
 */
export function clamp(
  x: Tensor<"float32">,
  low: number,
  high: number,
  options: OutOption = {},
): Tensor<"float32"> {
  checkOperand("clamp", "x", x, "float32");
  if (!(low <= high)) {
    throw new RangeError(`clamp: the lower bound ${low} is not at or below the upper ${high}`);
  }
  if (!x.isContiguous) return withDense([x], clamp, low, high, options);
  const { out } = options;
  const y = resultTensor("clamp", out, x.shape);
  checkInPlace("clamp", out, "x", x);
  const [rows, cols] = [rowsOf(x.shape), colsOf(x.shape)];
  const status = native().symbols.qn_clamp_f32(y.address, x.address, rows, cols, low, high);
  return status === Status.OK ? y : refuse("clamp", status, y, out, { x }, { low, high });
}
