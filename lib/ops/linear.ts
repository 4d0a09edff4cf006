/**
 * The matrix product of a linear layer, with weights of any storage dtype.
 */
import { type DType, dtypeLayout } from "../core/dtype.ts";
import { colsOf, formatShape, rowsOf } from "../core/shape.ts";
import { native, NativePrecision, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkApart,
  checkOperand,
  dtypeCodes,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * How a product with quantised weights treats its activations: `"exact"` keeps
 * them in float32, `"fast"` rounds them to 8 bits. Other weights are always
 * multiplied exactly.
 */
export type Precision = "exact" | "fast";

/** Options of {@linkcode linear}. */
export interface LinearOptions extends OutOption {
  /** `"exact"` when left out. */
  precision?: Precision;
}

/**
 * The native code of a precision.
 *
 * @param precision The precision's name.
 * @returns Its code.
 * @throws {TypeError} When there is no such precision.
 */
function precisionCode(precision: Precision): number {
  if (precision === "exact") return NativePrecision.EXACT;
  if (precision === "fast") return NativePrecision.FAST;
  throw new TypeError(`The precision is "exact" or "fast", not ${JSON.stringify(precision)}`);
}

/**
 * Multiplies rows by a weight matrix that is stored row by output, as PyTorch
 * and GGUF store it: `x · weightᵀ`. A row's result has the same bits however
 * many rows it is computed with.
 *
 * @param x `[…, inputs]`, float32.
 * @param weight `[outputs, inputs]`, any dtype but int32.
 * @param options `precision`; `out` must share no memory with the operands.
 * @returns `[…, outputs]`, float32.
 * @throws {RangeError} When the inner sizes differ.
 * @throws {OutOfMemoryError} When there is no memory for the result or for scratch.
 *
 * @example
 * ```ts
 * import { linear, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2]]);
 * using weight = Tensor.from([[1, 0], [0, 1], [1, 1]]);
 * using y = linear(x, weight);
 * console.log(y.toArray()); // [[1, 2, 3]]
 * ```
 */
export function linear(
  x: Tensor<"float32">,
  weight: Tensor<DType>,
  options: LinearOptions = {},
): Tensor<"float32"> {
  checkOperand("linear", "x", x, "float32");
  checkOperand("linear", "weight", weight);
  checkLinearShapes(x, weight);
  if (!areDense(x, weight)) return withDense([x, weight], linear, options);
  const { out } = options;
  const [outputs, inputs] = weight.shape;
  const shape = x.shape.with(-1, outputs);
  const precision = precisionCode(options.precision ?? "exact");
  const y = resultTensor("linear", out, shape);
  checkApart("linear", out, "x", x);
  checkApart("linear", out, "weight", weight);
  const status = native().symbols.qn_linear_f32(
    y.address,
    x.address,
    weight.address,
    rowsOf(x.shape),
    outputs,
    inputs,
    dtypeCodes[weight.dtype],
    precision,
  );
  if (status === Status.OK) return y;
  return refuse("linear", status, y, out, { x, weight });
}

function checkLinearShapes(x: Tensor, weight: Tensor): void {
  if (weight.dtype === "int32") {
    throw new TypeError("linear: weight is int32, expected a floating-point or quantised dtype");
  }
  if (
    x.shape.length < 1 || weight.shape.length !== 2 || colsOf(x.shape) !== weight.shape[1]
  ) {
    throw new RangeError(
      `linear: x ${formatShape(x.shape)} does not fit weight ${formatShape(weight.shape)}: ` +
        `x is […, inputs], weight is [outputs, inputs]`,
    );
  }
  const { blockElements } = dtypeLayout(weight.dtype);
  if (weight.shape[1] % blockElements !== 0) {
    throw new RangeError(
      `linear: a row of ${weight.shape[1]} elements does not fill whole blocks of ${weight.dtype}`,
    );
  }
}
