/**
 * The position of the largest element.
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { checkApart, checkOperand, refuse, resultTensor, withDense } from "./operands.ts";

/**
 * The index of the first largest element of each row; NaN counts as largest.
 *
 * @param x `[…, cols]`, float32, cols at least 1.
 * @param options Where to write the indices.
 * @returns `[…]`, int32.
 * @throws {RangeError} When rows are empty.
 *
 * @example
 * ```ts
 * import { argmax, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 3, 2], [9, 0, 0]]);
 * using best = argmax(x);
 * console.log(best.toArray()); // [1, 0]
 * ```
 */
export function argmax(
  x: Tensor<"float32">,
  options: { out?: Tensor<"int32"> } = {},
): Tensor<"int32"> {
  checkOperand("argmax", "x", x, "float32");
  if (!x.isContiguous) return withDense([x], argmax, options);
  const { out } = options;
  const y = resultTensor("argmax", out, x.shape.slice(0, -1), "int32");
  checkApart("argmax", out, "x", x);
  const [rows, cols] = [rowsOf(x.shape), colsOf(x.shape)];
  const status = native().symbols.qn_argmax_f32(y.address, x.address, rows, cols);
  return status === Status.OK ? y : refuse("argmax", status, y, out, { x });
}
