/**
 * Sines and cosines, the hyperbolic tangent and the error function of each element, within
 * 1.5 ULP of the exact values.
 */
import { UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { OutOption } from "./operands.ts";
import { unary } from "./unary.ts";

/**
 * The sine of each element, in radians, for any size of it; NaN for infinity.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function sin(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "sin", UnaryOp.SIN, options);
}

/**
 * The cosine of each element, in radians, for any size of it; NaN for infinity.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function cos(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "cos", UnaryOp.COS, options);
}

/**
 * The hyperbolic tangent of each element.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function tanh(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "tanh", UnaryOp.TANH, options);
}

/**
 * The error function of each element: `2 / sqrt(pi)` times the integral of `exp(-t²)` from 0 to it.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function erf(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "erf", UnaryOp.ERF, options);
}
