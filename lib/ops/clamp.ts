/**
 * Elements held between two bounds.
 */
import { type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { withFloat32 } from "./halves.ts";
import {
  checkFloating,
  checkInPlace,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * `min(max(x, low), high)`, element by element; NaN stays.
 *
 * @param x Any shape and floating-point dtype.
 * @param low The lower bound; -Infinity for none.
 * @param high The upper bound; Infinity for none.
 * @param options `out` may be `x`.
 * @returns The same shape and dtype.
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
export function clamp<D extends Floating>(
  x: Tensor<D>,
  low: number,
  high: number,
  options: ResultOption<D> = {},
): Tensor<D> {
  checkFloating("clamp", "x", x);
  if (!(low <= high)) {
    throw new RangeError(`clamp: the lower bound ${low} is not at or below the upper ${high}`);
  }
  const { shape, dtype } = x;
  const { out } = options;
  if (isHalf(dtype)) {
    const result = { operation: "clamp", shape, dtype, out };
    return withFloat32(result, [x], clamp, low, high);
  }
  if (!x.isContiguous) return withDense([x], clamp<D>, low, high, options);
  const y = resultTensor<D>("clamp", out, shape, dtype);
  checkInPlace("clamp", out, "x", x);
  const status = native().symbols
    .qn_clamp(y.address, x.address, rowsOf(shape), colsOf(shape), low, high, dtypeCodes[dtype]);
  return status === Status.OK ? y : refuse("clamp", status, y, out, { x }, { low, high });
}
