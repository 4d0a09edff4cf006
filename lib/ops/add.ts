/**
 * Elementwise sums.
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkInPlace,
  checkOperand,
  checkShapeIs,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * Adds two tensors of the same shape: `a + b`.
 *
 * @param a Any shape, float32.
 * @param b The same shape, float32.
 * @param options `out` may be `a` or `b`.
 * @returns The sum, float32, in the same shape.
 * @throws {RangeError} When the shapes differ.
 *
 * @example
 * ```ts
 * import { add, Tensor } from "@quern/quern";
 *
 * using a = Tensor.from([1, 2]);
 * using b = Tensor.from([3, 4]);
 * using sum = add(a, b);
 * console.log(sum.toArray()); // [4, 6]
 * ```
 */
export function add(
  a: Tensor<"float32">,
  b: Tensor<"float32">,
  options: OutOption = {},
): Tensor<"float32"> {
  return addInto(a, b, "add", options.out);
}

/**
 * Adds a tensor to another in place: `x += y`.
 *
 * @param x Any shape, float32; changed.
 * @param y The same shape, float32.
 * @returns `x`.
 * @throws {RangeError} When the shapes differ.
 */
export function addInPlace(x: Tensor<"float32">, y: Tensor<"float32">): Tensor<"float32"> {
  return addInto(x, y, "addInPlace", x);
}

function addInto(
  a: Tensor<"float32">,
  b: Tensor<"float32">,
  operation: string,
  out: Tensor<"float32"> | undefined,
): Tensor<"float32"> {
  checkOperand(operation, "the first operand", a, "float32");
  checkOperand(operation, "the second operand", b, "float32");
  checkShapeIs(operation, "the second operand", b, a.shape);
  if (!areDense(a, b)) return withDense([a, b], addInto, operation, out);
  const y = resultTensor(operation, out, a.shape);
  checkInPlace(operation, out, "the first operand", a);
  checkInPlace(operation, out, "the second operand", b);
  const [rows, cols] = [rowsOf(a.shape), colsOf(a.shape)];
  const status = native().symbols.qn_add_f32(y.address, a.address, b.address, rows, cols);
  return status === Status.OK ? y : refuse(operation, status, y, out, { a, b });
}
