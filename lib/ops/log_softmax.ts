/**
 * The logarithm of softmax, which keeps what the probabilities lose near 0.
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { alongAxis, isLastAxis } from "./along_axis.ts";
import {
  checkInPlace,
  checkOperand,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/** Options of {@linkcode logSoftmax}. */
export interface LogSoftmaxOptions extends OutOption {
  /** The axis to normalise over; the last when left out. */
  axis?: number;
}

/**
 * `x - log(sum(exp(x)))` over an axis, with the maximum taken off first.
 *
 * @param x `[…, cols]`, float32.
 * @param options `axis`; `out` may be `x`.
 * @returns Logarithms of probabilities, float32, in the shape of `x`; NaN where all are
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
export function logSoftmax(
  x: Tensor<"float32">,
  options: LogSoftmaxOptions = {},
): Tensor<"float32"> {
  const { axis = -1, out } = options;
  checkOperand("logSoftmax", "x", x, "float32");
  if (!isLastAxis("logSoftmax", x, axis)) {
    return alongAxis("logSoftmax", x, axis, out, logSoftmax, {});
  }
  if (!x.isContiguous) return withDense([x], logSoftmax, { out });
  const y = resultTensor("logSoftmax", out, x.shape);
  checkInPlace("logSoftmax", out, "x", x);
  const [rows, cols] = [rowsOf(x.shape), colsOf(x.shape)];
  const status = native().symbols.qn_log_softmax_f32(y.address, x.address, rows, cols);
  return status === Status.OK ? y : refuse("logSoftmax", status, y, out, { x });
}
