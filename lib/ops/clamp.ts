/**
 * Elements held between two bounds.
 */
import { type Floating, isHalf } from "../core/dtype.ts";
import { type Differentiable, differentiable, isTracked, record, RESULT } from "../autograd/mod.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { greater, less, logicalAnd } from "./comparison.ts";
import { withFloat32 } from "./halves.ts";
import {
  checkFloating,
  checkInPlace,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";
import { where } from "./where.ts";

/** The two bounds. */
type Bounds = readonly [low: number, high: number];

/** What is between the bounds passes, without them, as in PyTorch. */
const clampGradient: Differentiable<Bounds> = differentiable<Bounds>({
  operation: "clamp",
  saves: [RESULT],
  backward(gradient, saved, { extra: [low, high] }) {
    const [g, y] = [gradient, saved[0]] as Tensor<Floating>[];
    using above = greater(y, low);
    using below = less(y, high);
    using inside = logicalAnd(above, below);
    using zero = Tensor.zeros([], g.dtype);
    return [where(inside, g, zero)];
  },
});

/**
 * `min(max(x, low), high)`, element by element; NaN stays. At the bounds the gradient is 0.
 *
 * @param x Any shape and floating-point dtype.
 * @param low The lower bound; -Infinity for none.
 * @param high The upper bound; Infinity for none.
 * @param options `out` may be `x`.
 * @returns The same shape and dtype.
 * @throws {RangeError} When `low` is above `high`, or one of them is NaN.
 *
 * @example
 * ```ts
 * import { clamp, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([-2, 0.5, 7]);
 * using y = clamp(x, 0, 1);
 * console.log(y.toArray()); // [0, 0.5, 1]
 * ```
 */
export function clamp<D extends Floating>(
  x: Tensor<D>,
  low: number,
  high: number,
  options: ResultOption<D> = {},
): Tensor<D> {
  checkFloating("clamp", "x", x);
  if (!(low <= high)) {
    throw new RangeError(`clamp: the lower bound ${low} is not at or below the upper ${high}`);
  }
  const { shape, dtype } = x;
  const { out } = options;
  if (isHalf(dtype)) {
    const result = { operation: "clamp", shape, dtype, out };
    return withFloat32(result, [x], clamp, low, high);
  }
  if (!x.isContiguous) return withDense([x], clamp<D>, low, high, options);
  const tracked = isTracked(x);
  const y = resultTensor<D>("clamp", out, shape, dtype);
  checkInPlace("clamp", out, "x", x);
  const status = native().symbols
    .qn_clamp(y.address, x.address, rowsOf(shape), colsOf(shape), low, high, dtypeCodes[dtype]);
  if (status !== Status.OK) return refuse("clamp", status, y, out, { x }, { low, high });
  return tracked ? recordClamp(y, x, low, high) : y;
}

function recordClamp<T extends Tensor>(y: T, x: Tensor, low: number, high: number): T {
  return record(y, clampGradient, [x], { saved: [y], extra: [low, high] });
}
