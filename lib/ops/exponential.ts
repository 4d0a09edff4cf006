/**
 * Exponentials and logarithms of each element, within 1.1 ULP of the exact values.
 */
import { RESULT } from "../autograd/mod.ts";
import type { Floating } from "../core/dtype.ts";
import { UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { add, div, mul } from "./arithmetic.ts";
import type { ResultOption } from "./operands.ts";
import { unary, unaryGradient } from "./unary.ts";

const expGradient = unaryGradient("exp", RESULT, (g, y) => mul(g, y));
const expm1Gradient = unaryGradient("expm1", RESULT, (g, y) => {
  using slope = add(y, 1);
  return mul(g, slope);
});
const logGradient = unaryGradient("log", "x", (g, x) => div(g, x));
const log1pGradient = unaryGradient("log1p", "x", (g, x) => {
  using shifted = add(x, 1);
  return div(g, shifted);
});
const exp2Gradient = unaryGradient("exp2", RESULT, (g, y) => {
  using slope = mul(y, Math.LN2);
  return mul(g, slope);
});
const log2Gradient = unaryGradient("log2", "x", (g, x) => {
  using scaled = mul(x, Math.LN2);
  return div(g, scaled);
});
const log10Gradient = unaryGradient("log10", "x", (g, x) => {
  using scaled = mul(x, Math.LN10);
  return div(g, scaled);
});

/**
 * `exp(x)`, element by element: 0 below -104, infinity above 88.73.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { exp, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1]);
 * using y = exp(x);
 * console.log(y.toArray()); // [1, 2.718281745910645]
 * ```
 */
export function exp<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "exp", UnaryOp.EXP, options, expGradient);
}

/**
 * `exp(x) - 1`, element by element, also where it is much smaller than 1.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { expm1, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1e-5]);
 * using y = expm1(x);
 * console.log(y.toArray()); // about [0, 0.00001000005]
 * ```
 */
export function expm1<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "expm1", UnaryOp.EXPM1, options, expm1Gradient);
}

/**
 * The natural logarithm of each element: -infinity at 0, NaN below.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { log, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1, 10]);
 * using y = log(x);
 * console.log(y.toArray()); // [0, 2.3025851249694824]
 * ```
 */
export function log<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "log", UnaryOp.LOG, options, logGradient);
}

/**
 * `log(1 + x)`, element by element, also where `x` is much smaller than 1: -infinity at -1, NaN
 * below.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { log1p, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 1e-5]);
 * using y = log1p(x);
 * console.log(y.toArray()); // about [0, 0.00000999995]
 * ```
 */
export function log1p<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "log1p", UnaryOp.LOG1P, options, log1pGradient);
}

/**
 * `2^x`, element by element: 0 below -150, infinity from 128 on, for float32.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { exp2, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0.5, 3]);
 * using y = exp2(x);
 * console.log(y.toArray()); // [1.4142135381698608, 8]
 * ```
 */
export function exp2<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "exp2", UnaryOp.EXP2, options, exp2Gradient);
}

/**
 * The logarithm to base 2 of each element: -infinity at 0, NaN below.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { log2, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([8, 10]);
 * using y = log2(x);
 * console.log(y.toArray()); // [3, 3.321928024291992]
 * ```
 */
export function log2<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "log2", UnaryOp.LOG2, options, log2Gradient);
}

/**
 * The logarithm to base 10 of each element: -infinity at 0, NaN below.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { log10, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1000, 2]);
 * using y = log10(x);
 * console.log(y.toArray()); // [3, 0.3010300099849701]
 * ```
 */
export function log10<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "log10", UnaryOp.LOG10, options, log10Gradient);
}
