/**
 * The logarithm of softmax, which keeps what the probabilities lose near 0.
 */
import { differentiable, isTracked, record, RESULT } from "../autograd/mod.ts";
import { type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { alongAxis, isLastAxis, lastAxis } from "./along_axis.ts";
import { mul, sub } from "./arithmetic.ts";
import { exp } from "./exponential.ts";
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
import { sum } from "./sums.ts";

const logSoftmaxGradient = differentiable({
  operation: "logSoftmax",
  saves: [RESULT],
  backward(gradient, [y]) {
    const g = gradient as Tensor<Floating>;
    using sums = sum(g, lastAxis(g.shape));
    using probabilities = exp(y as Tensor<Floating>);
    using shares = mul(probabilities, sums);
    return [sub(g, shares)];
  },
});

/** Options of {@linkcode logSoftmax}. */
export interface LogSoftmaxOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** The axis to normalise over; the last when left out. */
  axis?: number;
}

/**
 * `x - log(sum(exp(x)))` over an axis, with the maximum taken off first.
 *
 * @param x `[…, cols]`, of a floating-point dtype.
 * @param options `axis`; `out` may be `x`.
 * @returns Logarithms of probabilities, in the shape and dtype of `x`; NaN where all are
 * -Infinity.
 * @throws {RangeError} When there is no such axis.
 *
 * @example
 * ```ts
 * import { logSoftmax, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[0, 0], [0, 1000]]);
 * using y = logSoftmax(x);
 * console.log(y.toArray()); // [[-0.6931…, -0.6931…], [-1000, 0]]
 * ```
 */
export function logSoftmax<D extends Floating>(
  x: Tensor<D>,
  options: LogSoftmaxOptions<D> = {},
): Tensor<D> {
  const { axis = -1, out } = options;
  checkFloating("logSoftmax", "x", x);
  const { shape, dtype } = x;
  if (isHalf(dtype)) {
    const result = { operation: "logSoftmax", shape, dtype, out };
    return withFloat32(result, [x], logSoftmax, { axis });
  }
  if (!isLastAxis("logSoftmax", x, axis)) {
    return alongAxis("logSoftmax", x, axis, out, logSoftmax<D>, {});
  }
  if (!x.isContiguous) return withDense([x], logSoftmax<D>, { out });
  const tracked = isTracked(x);
  const y = resultTensor<D>("logSoftmax", out, shape, dtype);
  checkInPlace("logSoftmax", out, "x", x);
  const status = native().symbols
    .qn_log_softmax(y.address, x.address, rowsOf(shape), colsOf(shape), dtypeCodes[dtype]);
  if (status !== Status.OK) return refuse("logSoftmax", status, y, out, { x });
  return tracked ? record(y, logSoftmaxGradient, [x], { saved: [y] }) : y;
}
