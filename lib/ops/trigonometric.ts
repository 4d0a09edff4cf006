/**
 * Sines, cosines and tangents, the hyperbolic tangent and the error function of each element, within
 * 1.5 ULP of the exact values.
 */
import { RESULT } from "../autograd/mod.ts";
import type { Floating } from "../core/dtype.ts";
import { UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { add, div, mul, sub } from "./arithmetic.ts";
import { exp } from "./exponential.ts";
import type { ResultOption } from "./operands.ts";
import { unary, unaryGradient } from "./unary.ts";

const sinGradient = unaryGradient("sin", "x", (g, x) => {
  using slope = cos(x);
  return mul(g, slope);
});
const cosGradient = unaryGradient("cos", "x", (g, x) => {
  using slope = sin(x);
  using down = mul(slope, -1);
  return mul(g, down);
});
const tanhGradient = unaryGradient("tanh", RESULT, (g, y) => {
  using square = mul(y, y);
  using part = mul(g, square);
  return sub(g, part);
});
const erfGradient = unaryGradient("erf", "x", (g, x) => {
  using square = mul(x, x);
  using negative = mul(square, -1);
  using bell = exp(negative);
  using slope = mul(bell, 2 / Math.sqrt(Math.PI));
  return mul(g, slope);
});
const tanGradient = unaryGradient("tan", RESULT, (g, y) => {
  using square = mul(y, y);
  using slope = add(square, 1);
  return mul(g, slope);
});
const atanGradient = unaryGradient("atan", "x", (g, x) => {
  using square = mul(x, x);
  using steepness = add(square, 1);
  return div(g, steepness);
});

/**
 * The sine of each element, in radians, for any size of it; NaN for infinity.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { sin, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1]);
 * using y = sin(x);
 * console.log(y.toArray()); // [0, 0.8414709568023682]
 * ```
 */
export function sin<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "sin", UnaryOp.SIN, options, sinGradient);
}

/**
 * The cosine of each element, in radians, for any size of it; NaN for infinity.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { cos, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1]);
 * using y = cos(x);
 * console.log(y.toArray()); // [1, 0.5403022766113281]
 * ```
 */
export function cos<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "cos", UnaryOp.COS, options, cosGradient);
}

/**
 * The hyperbolic tangent of each element.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { tanh, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1]);
 * using y = tanh(x);
 * console.log(y.toArray()); // [0, 0.7615941762924194]
 * ```
 */
export function tanh<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "tanh", UnaryOp.TANH, options, tanhGradient);
}

/**
 * The error function of each element: `2 / sqrt(pi)` times the integral of `exp(-t²)` from 0 to it.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { erf, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1]);
 * using y = erf(x);
 * console.log(y.toArray()); // [0, 0.8427007794380188]
 * ```
 */
export function erf<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "erf", UnaryOp.ERF, options, erfGradient);
}

/**
 * The tangent of each element, in radians, for any size of it; NaN for infinity.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { tan, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1]);
 * using y = tan(x);
 * console.log(y.toArray()); // [0, 1.5574077367782593]
 * ```
 */
export function tan<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "tan", UnaryOp.TAN, options, tanGradient);
}

/**
 * The angle, in radians between -π/2 and π/2, whose tangent each element is.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { atan, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1]);
 * using y = atan(x);
 * console.log(y.toArray()); // [0, 0.7853981852531433]
 * ```
 */
export function atan<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "atan", UnaryOp.ATAN, options, atanGradient);
}
