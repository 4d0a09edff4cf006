/**
 * Roots, squares, reciprocals and signs of each element.
 */
import { differentiable, RESULT, withoutGradient } from "../autograd/mod.ts";
import type { Floating } from "../core/dtype.ts";
import { UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { div, mul, pow } from "./arithmetic.ts";
import type { ResultOption } from "./operands.ts";
import { unary, unaryGradient } from "./unary.ts";

const sqrtGradient = unaryGradient("sqrt", RESULT, (g, y) => {
  using twice = mul(y, 2);
  return div(g, twice);
});
const rsqrtGradient = unaryGradient("rsqrt", RESULT, (g, y) => {
  using cube = pow(y, 3);
  using slope = mul(cube, -0.5);
  return mul(g, slope);
});
const squareGradient = unaryGradient("square", "x", (g, x) => {
  using slope = mul(x, 2);
  return mul(g, slope);
});
const reciprocalGradient = unaryGradient("reciprocal", RESULT, (g, y) => {
  using square = mul(y, y);
  using slope = mul(square, -1);
  return mul(g, slope);
});
const negativeGradient = differentiable({
  operation: "negative",
  saves: [],
  backward: (g) => [mul(g as Tensor<Floating>, -1)],
});
// The slope of a step is 0 everywhere.
withoutGradient("sign");
const absGradient = unaryGradient("abs", "x", (g, x) => {
  using slope = sign(x);
  return mul(g, slope);
});

/**
 * The square root of each element; NaN below 0.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { sqrt, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([4, 2]);
 * using y = sqrt(x);
 * console.log(y.toArray()); // [2, 1.4142135381698608]
 * ```
 */
export function sqrt<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "sqrt", UnaryOp.SQRT, options, sqrtGradient);
}

/**
 * `1 / sqrt(x)`, element by element: infinity at 0, NaN below.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { rsqrt, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([4, 16]);
 * using y = rsqrt(x);
 * console.log(y.toArray()); // [0.5, 0.25]
 * ```
 */
export function rsqrt<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "rsqrt", UnaryOp.RSQRT, options, rsqrtGradient);
}

/**
 * `x²`, element by element.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { square, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([3, -4]);
 * using y = square(x);
 * console.log(y.toArray()); // [9, 16]
 * ```
 */
export function square<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "square", UnaryOp.SQUARE, options, squareGradient);
}

/**
 * `1 / x`, element by element: infinity at 0.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { reciprocal, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([4, -0.5]);
 * using y = reciprocal(x);
 * console.log(y.toArray()); // [0.25, -2]
 * ```
 */
export function reciprocal<D extends Floating>(
  x: Tensor<D>,
  options: ResultOption<D> = {},
): Tensor<D> {
  return unary(x, "reciprocal", UnaryOp.RECIPROCAL, options, reciprocalGradient);
}

/**
 * The magnitude of each element.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { abs, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([3, -4]);
 * using y = abs(x);
 * console.log(y.toArray()); // [3, 4]
 * ```
 */
export function abs<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "abs", UnaryOp.ABS, options, absGradient);
}

/**
 * `-x`, element by element.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { negative, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([3, -4]);
 * using y = negative(x);
 * console.log(y.toArray()); // [-3, 4]
 * ```
 */
export function negative<D extends Floating>(
  x: Tensor<D>,
  options: ResultOption<D> = {},
): Tensor<D> {
  return unary(x, "negative", UnaryOp.NEGATIVE, options, negativeGradient);
}

/**
 * -1, 0 or 1: the sign of each element, NaN for NaN, as in NumPy.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { sign, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([3, -4, 0]);
 * using y = sign(x);
 * console.log(y.toArray()); // [1, -1, 0]
 * ```
 */
export function sign<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "sign", UnaryOp.SIGN, options);
}
