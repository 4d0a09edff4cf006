/**
 * Exponentials and logarithms of each element, within 1 ULP of the exact values.
 */
import { UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { OutOption } from "./operands.ts";
import { unary } from "./unary.ts";

/**
 * `exp(x)`, element by element: 0 below -104, infinity above 88.73.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function exp(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "exp", UnaryOp.EXP, options);
}

/**
 * `exp(x) - 1`, element by element, also where it is much smaller than 1.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function expm1(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "expm1", UnaryOp.EXPM1, options);
}

/**
 * The natural logarithm of each element: -infinity at 0, NaN below.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function log(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "log", UnaryOp.LOG, options);
}

/**
 * `log(1 + x)`, element by element, also where `x` is much smaller than 1: -infinity at -1, NaN
 * below.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function log1p(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "log1p", UnaryOp.LOG1P, options);
}
