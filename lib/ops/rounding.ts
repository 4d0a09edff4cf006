/**
 * Integers next to each element.
 */
import { withoutGradient } from "../autograd/mod.ts";
import type { Floating } from "../core/dtype.ts";
import { UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { ResultOption } from "./operands.ts";
import { unary } from "./unary.ts";

// The slope of a step is 0 everywhere.
withoutGradient("floor", "ceil", "round");

/**
 * The largest integer that is not above each element.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { floor, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1.5, -1.5]);
 * using y = floor(x);
 * console.log(y.toArray()); // [1, -2]
 * ```
 */
export function floor<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "floor", UnaryOp.FLOOR, options);
}

/**
 * The smallest integer that is not below each element.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { ceil, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1.5, -1.5]);
 * using y = ceil(x);
 * console.log(y.toArray()); // [2, -1]
 * ```
 */
export function ceil<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "ceil", UnaryOp.CEIL, options);
}

/**
 * The integer next to each element; of two that are as near, the even one, as in NumPy and
 * PyTorch.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `out` may be `x`.
 * @returns The values, in the same shape and dtype.
 *
 * @example
 * ```ts
 * import { round, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1.5, 2.5, -0.7]);
 * using y = round(x);
 * console.log(y.toArray()); // [2, 2, -1]
 * ```
 */
export function round<D extends Floating>(x: Tensor<D>, options: ResultOption<D> = {}): Tensor<D> {
  return unary(x, "round", UnaryOp.ROUND, options);
}
