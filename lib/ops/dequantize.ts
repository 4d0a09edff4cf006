/**
 * Widening stored elements to float32.
 */
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import type { DType, PlainDType } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { cast } from "./cast.ts";
import {
  checkApart,
  checkOperand,
  dtypeCodes,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/** Of floating-point elements, with their dtype; those that are quantised have none. */
const dequantizeGradient = differentiable<PlainDType>({
  operation: "dequantize",
  saves: [],
  backward: (gradient, _, { extra }) => [cast(gradient, extra)],
});

/**
 * Widens all elements of a tensor to float32.
 *
 * @param x `[…, cols]`, any dtype but int32; cols fills whole blocks of the dtype.
 * @param options Where to write the result.
 * @returns The same shape, float32.
 * @throws {RangeError} When a row does not fill whole blocks.
 *
 * @example
 * ```ts
 * import { dequantize, Tensor } from "@quern/quern";
 *
 * using half = Tensor.from([0.5, 1.5], "float16");
 * using y = dequantize(half);
 * console.log(y.toArray()); // [0.5, 1.5]
 * ```
 */
export function dequantize(x: Tensor<DType>, options: OutOption = {}): Tensor<"float32"> {
  checkOperand("dequantize", "x", x);
  if (!x.isContiguous) return withDense([x], dequantize, options);
  const { out } = options;
  const tracked = isTracked(x);
  const y = resultTensor("dequantize", out, x.shape);
  checkApart("dequantize", out, "x", x);
  const status = native().symbols.qn_dequantize_f32(
    y.address,
    x.address,
    rowsOf(x.shape),
    colsOf(x.shape),
    dtypeCodes[x.dtype],
  );
  if (status !== Status.OK) return refuse("dequantize", status, y, out, { x });
  return tracked ? record(y, dequantizeGradient, [x], { extra: x.dtype as PlainDType }) : y;
}
