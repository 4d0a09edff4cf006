/**
 * What the functions of one element share: they differ in their name and in the
 * function alone, and are declared by family (exponential, trigonometric, power,
 * rounding, activation).
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status, type UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkInPlace,
  checkOperand,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * Applies a function to each element.
 *
 * @param x Any shape, float32.
 * @param operation Named in an error.
 * @param op Which function.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
 * @throws {TypeError} When `x` or `out` is not of float32.
 * @throws {RangeError} When `out` has another shape, or shares a part of `x`.
 */
export function unary(
  x: Tensor<"float32">,
  operation: string,
  op: UnaryOp,
  options: OutOption,
): Tensor<"float32"> {
  checkOperand(operation, "x", x, "float32");
  if (!areDense(x)) return withDense([x], unary, operation, op, options);
  const { out } = options;
  const y = resultTensor(operation, out, x.shape);
  checkInPlace(operation, out, "x", x);
  const [rows, cols] = [rowsOf(x.shape), colsOf(x.shape)];
  const status = native().symbols.qn_unary_f32(y.address, x.address, rows, cols, op);
  return status === Status.OK ? y : refuse(operation, status, y, out, { x });
}
