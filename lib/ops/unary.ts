/**
 * What the functions of one element share: they differ in their name and in the
 * function alone, and are declared by family (exponential, trigonometric, power,
 * rounding, activation).
 */
import { type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status, type UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { withFloat32 } from "./halves.ts";
import {
  areDense,
  checkFloating,
  checkInPlace,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * Applies a function to each element.
 *
 * @param x Any shape and floating-point dtype.
 * @param operation Named in an error.
 * @param op Which function.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 * @throws {TypeError} When `x` is not of such a dtype, or `out` is of another.
 * @throws {RangeError} When `out` has another shape, or shares a part of `x`.
 */
export function unary<D extends Floating>(
  x: Tensor<D>,
  operation: string,
  op: UnaryOp,
  options: ResultOption<D>,
): Tensor<D> {
  checkFloating(operation, "x", x);
  const { shape, dtype } = x;
  const { out } = options;
  if (isHalf(dtype)) {
    const result = { operation, shape, dtype, out };
    return withFloat32(result, [x], unary, operation, op, {});
  }
  if (!areDense(x)) return withDense([x], unary<D>, operation, op, options);
  const y = resultTensor<D>(operation, out, shape, dtype);
  checkInPlace(operation, out, "x", x);
  const status = native().symbols
    .qn_unary(y.address, x.address, rowsOf(shape), colsOf(shape), op, dtypeCodes[dtype]);
  return status === Status.OK ? y : refuse(operation, status, y, out, { x });
}
