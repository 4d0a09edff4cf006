/**
 * Activation functions of neural networks.
 */
import { UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { OutOption } from "./operands.ts";
import { unary } from "./unary.ts";

/**
 * `max(x, 0)`, element by element; NaN stays NaN.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function relu(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "relu", UnaryOp.RELU, options);
}

/**
 * `1 / (1 + exp(-x))`, element by element, within 2.4 ULP.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function sigmoid(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "sigmoid", UnaryOp.SIGMOID, options);
}

/**
 * `x / (1 + exp(-x))`, element by element, within 3 ULP: the swish function. NaN at -infinity.
 *
 * @param x Any shape, float32.
 * @param options `out` may be `x`.
 * @returns The values, float32, in the same shape.
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
export function silu(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  return unary(x, "silu", UnaryOp.SILU, options);
}
