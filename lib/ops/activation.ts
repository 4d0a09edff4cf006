/**
 * Activation functions of neural networks.
 */
import { RESULT } from "../autograd/mod.ts";
import type { Floating } from "../core/dtype.ts";
import { UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { mul, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { greater } from "./comparison.ts";
import type { ResultOption } from "./operands.ts";
import { timesSlope, unary, unaryGradient } from "./unary.ts";

/** How {@linkcode relu} is differentiated: by its result. */
export const reluGradient = unaryGradient("relu", RESULT, (g, y) => {
  using isOpen = greater(y, 0);
  using slope = cast(isOpen, g.dtype);
  return mul(g, slope);
});
const sigmoidGradient = unaryGradient("sigmoid", RESULT, (g, y) => {
  using square = mul(y, y);
  using slope = sub(y, square);
  return mul(g, slope);
});
const siluGradient = unaryGradient("silu", "x", (g, x) => {
  return timesSlope(g, x, "silu", UnaryOp.SILU);
});

/**
 * `max(x, 0)`, element by element; NaN stays NaN.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { relu, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1, -1]);
 * using y = relu(x);
 * console.log(y.toArray()); // [1, 0]
 * ```
 */
export function relu<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "relu", UnaryOp.RELU, options, reluGradient);
}

/**
 * `1 / (1 + exp(-x))`, element by element, within 2.4 ULP.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { sigmoid, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 2]);
 * using y = sigmoid(x);
 * console.log(y.toArray()); // [0.5, 0.8807970285415649]
 * ```
 */
export function sigmoid<D extends Floating>(
  x: Tensor<D>,
  options: ResultOption<D> = {},
): Tensor<D> {
  return unary(x, "sigmoid", UnaryOp.SIGMOID, options, sigmoidGradient);
}

/**
 * `x / (1 + exp(-x))`, element by element, within 3 ULP: the swish function. NaN at -infinity.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { silu, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([0, 2]);
 * using y = silu(x);
 * console.log(y.toArray()); // [0, 1.7615940570831299]
 * ```
 */
export function silu<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "silu", UnaryOp.SILU, options, siluGradient);
}
