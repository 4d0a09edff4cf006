/**
 * Floats in blocks of 8 or 4 bits, as GGUF files store weights.
 */
import { withoutGradient } from "../autograd/mod.ts";
import { type DType, dtypeLayout, type PlainDType } from "../core/dtype.ts";
import { colsOf, formatShape, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { cast } from "./cast.ts";
import {
  checkApart,
  checkFloating,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

// Rounding to so few values has no slope that would be of use.
withoutGradient("quantize");

/** The dtypes whose elements are stored in blocks. */
export type QuantizedDType = Exclude<DType, PlainDType>;

const QUANTIZED: readonly DType[] = ["q8_0", "q4_0", "q4_1"] satisfies QuantizedDType[];

/**
 * Rounds elements to a quantised dtype. Each 32 along the last axis share a scale: the bits are
 * those of ggml's reference, which `llama.cpp` and the `gguf` package of Python have too.
 *
 * - `q8_0`: from -127 to 127 times the scale, 34 bytes a block;
 * - `q4_0`: from -8 to 7 times the scale, 18 bytes;
 * - `q4_1`: from 0 to 15 times the scale, above the block's least element, 20 bytes.
 *
 * A block that holds NaN or an infinity becomes NaN as a whole. Scales are stored in float16: a
 * block of elements so large that theirs is too large becomes infinite.
 *
 * @param x `[…, cols]`, of real numbers; cols is a multiple of 32. What is not float32 is rounded
 *   to it first.
 * @param dtype The quantised dtype.
 * @param options Where to write the result.
 * @returns The same shape; `dequantize` and `linear` take it.
 * @throws {RangeError} When a row does not fill whole blocks.
 * @throws {TypeError} When `dtype` is not one of the three, or x does not hold real numbers.
 *
 * @example
 * ```ts
 * import { dequantize, quantize, Tensor } from "@quern/quern";
 *
 * using weight = Tensor.linspace(-1, 1, 64);
 * using small = quantize(weight, "q4_0");
 * using back = dequantize(small);
 * console.log(small.byteLength, weight.byteLength); // 36 256
 * console.log(back.data[0], back.data[63]); // -1 1
 * ```
 */
export function quantize<D extends QuantizedDType>(
  x: Tensor,
  dtype: D,
  options: ResultOption<D> = {},
): Tensor<D> {
  checkFloating("quantize", "x", x);
  if (!QUANTIZED.includes(dtype)) {
    throw new TypeError(
      `quantize: the result is one of ${QUANTIZED.join(", ")}, not ${dtype}; use cast() for others`,
    );
  }
  const { blockElements } = dtypeLayout(dtype);
  if (x.shape.length === 0 || colsOf(x.shape) % blockElements !== 0) {
    throw new RangeError(
      `quantize: rows of x ${formatShape(x.shape)} do not fill whole blocks of ${blockElements} ` +
        `(${dtype}); pad() the last axis`,
    );
  }
  if (!x.isContiguous) return withDense([x], quantize<D>, dtype, options);
  const { out } = options;
  if (x.dtype !== "float32") return quantizeWidened(x, dtype, options);
  const y = resultTensor<D>("quantize", out, x.shape, dtype);
  checkApart("quantize", out, "x", x);
  const status = native().symbols.qn_quantize(
    y.address,
    x.address,
    rowsOf(x.shape),
    colsOf(x.shape),
    dtypeCodes[dtype],
  );
  return status === Status.OK ? y : refuse("quantize", status, y, out, { x });
}

function quantizeWidened<D extends QuantizedDType>(
  x: Tensor,
  dtype: D,
  options: ResultOption<D>,
): Tensor<D> {
  using wide = cast(x, "float32");
  return quantize(wide, dtype, options);
}
