/**
 * Softmax over the last axis, and what is made from it.
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  checkInPlace,
  checkOperand,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * `exp(x) / sum(exp(x))` over each row, with the row's maximum taken off first.
 *
 * @param x `[…, cols]`, float32.
 * @param options `out` may be `x`.
 * @returns Rows that sum to 1, float32, in the shape of `x`; NaN where a row is all -Infinity.
 *
 * @example
 * ```ts
 * import { softmax, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[0, 0], [0, 1000]]);
 * using y = softmax(x);
 * console.log(y.toArray()); // [[0.5, 0.5], [0, 1]]
 * ```
 */
export function softmax(x: Tensor<"float32">, options: OutOption = {}): Tensor<"float32"> {
  checkOperand("softmax", "x", x, "float32");
  const { out } = options;
  if (!x.isContiguous) return withDense([x], softmax, options);
  const y = resultTensor("softmax", out, x.shape);
  checkInPlace("softmax", out, "x", x);
  const [rows, cols] = [rowsOf(x.shape), colsOf(x.shape)];
  const status = native().symbols.qn_softmax_f32(y.address, x.address, rows, cols);
  return status === Status.OK ? y : refuse("softmax", status, y, out, { x });
}
