/**
 * Elementwise comparisons, whose result is bool, and logic on such results. A
 * comparison with NaN is false, but for `notEqual`.
 */
import { withoutGradient } from "../autograd/mod.ts";
import { BinaryOp } from "../ffi/symbols.ts";
import type { Tensor } from "../tensor/mod.ts";
import { binary, type Comparable, numbers, type Operation, type Partner } from "./binary.ts";
import type { ResultOption } from "./operands.ts";

const comparison = (name: string, code: BinaryOp): Operation => ({
  name,
  code,
  dtypes: [...numbers, "uint8", "bool"],
  result: "bool",
});
const logic = (name: string, code: BinaryOp): Operation => ({ name, code, dtypes: ["bool"] });

withoutGradient("equal", "notEqual", "less", "lessEqual", "greater", "greaterEqual");
withoutGradient("logicalAnd", "logicalOr", "logicalNot");

const equals = comparison("equal", BinaryOp.EQUAL);
const differs = comparison("notEqual", BinaryOp.NOT_EQUAL);
const isLess = comparison("less", BinaryOp.LESS);
const isLessOrEqual = comparison("lessEqual", BinaryOp.LESS_EQUAL);
const isGreater = comparison("greater", BinaryOp.GREATER);
const isGreaterOrEqual = comparison("greaterEqual", BinaryOp.GREATER_EQUAL);
const both = logic("logicalAnd", BinaryOp.AND);
const either = logic("logicalOr", BinaryOp.OR);
const neither = logic("logicalNot", BinaryOp.EQUAL);

/**
 * `a = b`, element by element; shapes broadcast as those of `add`.
 *
 * @param a Any dtype but the quantised.
 * @param b The same dtype, another that is floating-point too, or a number.
 * @param options `out`, of dtype bool.
 * @returns 1 where it holds, else 0.
 * @throws {RangeError} When the shapes do not fit each other.
 * @throws {TypeError} When the dtypes differ, and are not both floating-point.
 *
 * @example
 * ```ts
 * import { greater, Tensor, where } from "@quern/quern";
 *
 * using x = Tensor.from([-1, 2, -3]);
 * using positive = greater(x, 0);
 * using zeros = Tensor.zeros([]);
 * using y = where(positive, x, zeros);
 * console.log(positive.toArray(), y.toArray()); // [0, 1, 0] [0, 2, 0]
 * ```
 */
export function equal<D extends Comparable>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
  options: ResultOption<"bool"> = {},
): Tensor<"bool"> {
  return binary(a, b, equals, options.out) as Tensor<"bool">;
}

/**
 * `a ≠ b`, as {@linkcode equal}; true where one is NaN.
 *
 * @param a Any dtype but the quantised.
 * @param b The same dtype, another that is floating-point too, or a number.
 * @param options `out`, of dtype bool.
 * @returns 1 where it holds, else 0.
 */
export function notEqual<D extends Comparable>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
  options: ResultOption<"bool"> = {},
): Tensor<"bool"> {
  return binary(a, b, differs, options.out) as Tensor<"bool">;
}

/**
 * `a < b`, as {@linkcode equal}.
 *
 * @param a Any dtype but the quantised.
 * @param b The same dtype, another that is floating-point too, or a number.
 * @param options `out`, of dtype bool.
 * @returns 1 where it holds, else 0.
 */
export function less<D extends Comparable>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
  options: ResultOption<"bool"> = {},
): Tensor<"bool"> {
  return binary(a, b, isLess, options.out) as Tensor<"bool">;
}

/**
 * `a ≤ b`, as {@linkcode equal}.
 *
 * @param a Any dtype but the quantised.
 * @param b The same dtype, another that is floating-point too, or a number.
 * @param options `out`, of dtype bool.
 * @returns 1 where it holds, else 0.
 */
export function lessEqual<D extends Comparable>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
  options: ResultOption<"bool"> = {},
): Tensor<"bool"> {
  return binary(a, b, isLessOrEqual, options.out) as Tensor<"bool">;
}

/**
 * `a > b`, as {@linkcode equal}.
 *
 * @param a Any dtype but the quantised.
 * @param b The same dtype, another that is floating-point too, or a number.
 * @param options `out`, of dtype bool.
 * @returns 1 where it holds, else 0.
 */
export function greater<D extends Comparable>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
  options: ResultOption<"bool"> = {},
): Tensor<"bool"> {
  return binary(a, b, isGreater, options.out) as Tensor<"bool">;
}

/**
 * `a ≥ b`, as {@linkcode equal}.
 *
 * @param a Any dtype but the quantised.
 * @param b The same dtype, another that is floating-point too, or a number.
 * @param options `out`, of dtype bool.
 * @returns 1 where it holds, else 0.
 */
export function greaterEqual<D extends Comparable>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | Tensor<Partner<D>> | number,
  options: ResultOption<"bool"> = {},
): Tensor<"bool"> {
  return binary(a, b, isGreaterOrEqual, options.out) as Tensor<"bool">;
}

/**
 * 1 where both are; shapes broadcast as those of `add`.
 *
 * @param a bool.
 * @param b bool.
 * @param options `out` may be `a` or `b`.
 * @returns bool.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function logicalAnd(
  a: Tensor<"bool">,
  b: Tensor<"bool">,
  options: ResultOption<"bool"> = {},
): Tensor<"bool"> {
  return binary(a, b, both, options.out) as Tensor<"bool">;
}

/**
 * 1 where one of the two is; shapes broadcast as those of `add`.
 *
 * @param a bool.
 * @param b bool.
 * @param options `out` may be `a` or `b`.
 * @returns bool.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function logicalOr(
  a: Tensor<"bool">,
  b: Tensor<"bool">,
  options: ResultOption<"bool"> = {},
): Tensor<"bool"> {
  return binary(a, b, either, options.out) as Tensor<"bool">;
}

/**
 * 1 where there is 0, and 0 where there is 1.
 *
 * @param x bool.
 * @param options `out` may be `x`.
 * @returns bool, in the same shape.
 */
export function logicalNot(x: Tensor<"bool">, options: ResultOption<"bool"> = {}): Tensor<"bool"> {
  return binary(x, 0, neither, options.out) as Tensor<"bool">;
}
