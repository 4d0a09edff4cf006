/**
 * Elementwise arithmetic that changes its first operand, contiguous or not. The
 * second is broadcast to it; it never grows.
 */
import { isPlain, type PlainDType } from "../core/dtype.ts";
import type { ElementSource } from "../core/element.ts";
import { Status } from "../ffi/mod.ts";
import { BinaryOp } from "../ffi/symbols.ts";
import { checkValue, checkWritable, noteWrite, Tensor, writeFill } from "../tensor/mod.ts";
import { differenceRule, productRule, quotientRule, scaledSumRule, sumRule } from "./arithmetic.ts";
import {
  type Arithmetic,
  binaryInPlace,
  type Floating,
  floats,
  numbers,
  operation,
  type Partner,
} from "./binary.ts";
import { withoutGradient } from "../autograd/mod.ts";
import { checkOperand, refuse } from "./operands.ts";

// What is overwritten has no history.
withoutGradient("fill");

const adds = operation("addInPlace", BinaryOp.ADD, numbers, sumRule);
const subtracts = operation("subInPlace", BinaryOp.SUBTRACT, numbers, differenceRule);
const multiplies = operation("mulInPlace", BinaryOp.MULTIPLY, numbers, productRule);
const divides = operation("divInPlace", BinaryOp.DIVIDE, floats, quotientRule);
const scales = operation("scaleInPlace", BinaryOp.MULTIPLY, numbers, productRule);
const addsScaled = operation("addScaledInPlace", BinaryOp.ADD_SCALED, floats, scaledSumRule);

/**
 * `x += y`.
 *
 * @param x A floating-point dtype, int32 or int64; changed.
 * @param y The same dtype, or another where both are floating-point, and a shape that
 *   broadcasts to that of `x`, or a number.
 * @returns `x`.
 * @throws {RangeError} When the result would not fit into `x`.
 *
 * @example
 * ```ts
 * import { addInPlace, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2], [3, 4]]);
 * using y = Tensor.from([10, 20]);
 * addInPlace(x, y);
 * console.log(x.toArray()); // [[11, 22], [13, 24]]
 * ```
 */
export function addInPlace<D extends Arithmetic>(
  x: Tensor<D>,
  y: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
): Tensor<D> {
  return binaryInPlace(x, y, adds);
}

/**
 * `x -= y`, as {@linkcode addInPlace}.
 *
 * @param x A floating-point dtype, int32 or int64; changed.
 * @param y The same dtype, or another where both are floating-point, and a shape that
 *   broadcasts to that of `x`, or a number.
 * @returns `x`.
 * @throws {RangeError} When the result would not fit into `x`.
 */
export function subInPlace<D extends Arithmetic>(
  x: Tensor<D>,
  y: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
): Tensor<D> {
  return binaryInPlace(x, y, subtracts);
}

/**
 * `x *= y`, as {@linkcode addInPlace}.
 *
 * @param x A floating-point dtype, int32 or int64; changed.
 * @param y The same dtype, or another where both are floating-point, and a shape that
 *   broadcasts to that of `x`, or a number.
 * @returns `x`.
 * @throws {RangeError} When the result would not fit into `x`.
 */
export function mulInPlace<D extends Arithmetic>(
  x: Tensor<D>,
  y: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
): Tensor<D> {
  return binaryInPlace(x, y, multiplies);
}

/**
 * `x /= y`, as {@linkcode addInPlace}.
 *
 * @param x A floating-point dtype; changed.
 * @param y The same dtype, or another where both are floating-point, and a shape that
 *   broadcasts to that of `x`, or a number.
 * @returns `x`.
 * @throws {RangeError} When the result would not fit into `x`.
 */
export function divInPlace<D extends Floating>(
  x: Tensor<D>,
  y: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
): Tensor<D> {
  return binaryInPlace(x, y, divides);
}

/**
 * `x *= factor`.
 *
 * @param x A floating-point dtype, int32 or int64; changed.
 * @param factor A number; an integer where `x` is of integers.
 * @returns `x`.
 * @throws {TypeError} When the factor is no number.
 */
export function scaleInPlace<D extends Arithmetic>(x: Tensor<D>, factor: number): Tensor<D> {
  checkOperand(scales.name, "x", x);
  checkNumber(scales.name, "the factor", factor);
  return binaryInPlace(x, factor, scales);
}

/**
 * `x += factor · y`; rounded once where the processor has a fused multiply-add, for float32.
 *
 * @param x A floating-point dtype; changed.
 * @param y The same dtype, or another where both are floating-point, and a shape that
 *   broadcasts to that of `x`.
 * @param factor A number.
 * @returns `x`.
 * @throws {RangeError} When the result would not fit into `x`.
 * @throws {TypeError} When the factor is no number.
 *
 * @example
 * ```ts
 * import { addScaledInPlace, Tensor } from "@quern/quern";
 *
 * using weights = Tensor.from([1, 2]);
 * using gradient = Tensor.from([10, 20]);
 * addScaledInPlace(weights, gradient, -0.5);
 * console.log(weights.toArray()); // [-4, -8]
 * ```
 */
export function addScaledInPlace<D extends Floating>(
  x: Tensor<D>,
  y: Tensor<Floating>,
  factor: number,
): Tensor<D> {
  checkOperand(addsScaled.name, "the first operand", x);
  checkOperand(addsScaled.name, "the second operand", y);
  checkNumber(addsScaled.name, "the factor", factor);
  return binaryInPlace(x, y, addsScaled, factor);
}

function checkNumber(operation: string, name: string, value: unknown): void {
  if (typeof value === "number") return;
  throw new TypeError(`${operation}: ${name} is a number, not ${typeof value}`);
}

/**
 * Writes one value into every element of a tensor.
 *
 * @param x Any dtype but the quantised; changed.
 * @param value A number; also a bigint for int64, a boolean for bool.
 * @returns `x`.
 * @throws {TypeError} When the value is of another kind, or `x` is quantised.
 */
export function fill<D extends PlainDType>(x: Tensor<D>, value: ElementSource): Tensor<D> {
  checkOperand("fill", "x", x);
  const { dtype } = x;
  if (!isPlain(dtype)) throw new TypeError(`fill: x is ${dtype}, which is quantised`);
  checkValue(dtype, value, "fill");
  checkWritable("fill", "x", x);
  if (!x.isContiguous) return fillView(x, value);
  noteWrite(x, "fill");
  const status = writeFill(x, dtype, value);
  return status === Status.OK ? x : refuse("fill", status, x, x, { x });
}

/** Apart, since `using` costs a call's entry. */
function fillView<D extends PlainDType>(x: Tensor<D>, value: ElementSource): Tensor<D> {
  using values = Tensor.full(x.shape, value, x.dtype);
  return x.copyFrom(values);
}
