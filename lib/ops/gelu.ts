/**
 * The Gaussian error linear unit (Hendrycks and Gimpel, 2016), and its gated form
 * (Shazeer, "GLU variants improve transformer", 2020).
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status, UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkInPlace,
  checkOperand,
  checkShapeIs,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";
import { unary } from "./unary.ts";

/** Which of its two forms {@linkcode gelu} takes. */
export interface GeluOptions extends OutOption {
  /**
   * `"none"`, the default: `x · (1 + erf(x / √2)) / 2`. `"tanh"`: the approximation
   * `x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2`, which differs by up to 5e-4.
   */
  approximate?: "none" | "tanh";
}

/**
 * The Gaussian error linear unit of each element: `x` times the probability that a
 * normally distributed number is below it.
 *
 * @param x Any shape, float32.
 * @param options `approximate` as in PyTorch; `out` may be `x`.
 * @returns The values, float32, in the same shape; NaN at -infinity.
 * @throws {TypeError} When `approximate` is something else.
 *
 * @example
 * ```ts
 * import { gelu, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([-1, 0, 1]);
 * using y = gelu(x, { approximate: "tanh" });
 * gelu(x, { out: x });
 * console.log(x.toArray(), y.toArray());
 * ```
 */
export function gelu(x: Tensor<"float32">, options: GeluOptions = {}): Tensor<"float32"> {
  return unary(x, "gelu", formOf("gelu", options.approximate), options);
}

/**
 * `gelu(gate) · up`, element by element: the gated activation of T5's and Gemma's
 * feed-forward layers.
 *
 * @param gate Any shape, float32.
 * @param up The same shape, float32.
 * @param options `approximate` as in {@linkcode gelu}; `out` may be `gate` or `up`.
 * @returns The product, float32, in the same shape.
 * @throws {RangeError} When the shapes differ.
 * @throws {TypeError} When `approximate` is something else.
 *
 * @example
 * ```ts
 * import { geglu, Tensor } from "@quern/quern";
 *
 * using gate = Tensor.from([0, 1]);
 * using up = Tensor.from([2, 2]);
 * using y = geglu(gate, up);
 * console.log(y.toArray()); // [0, 1.6826894283294678]
 * ```
 */
export function geglu(
  gate: Tensor<"float32">,
  up: Tensor<"float32">,
  options: GeluOptions = {},
): Tensor<"float32"> {
  checkOperand("geglu", "gate", gate, "float32");
  checkOperand("geglu", "up", up, "float32");
  checkShapeIs("geglu", "up", up, gate.shape);
  const form = formOf("geglu", options.approximate);
  if (!areDense(gate, up)) return withDense([gate, up], geglu, options);
  const { out } = options;
  const y = resultTensor("geglu", out, gate.shape);
  checkInPlace("geglu", out, "gate", gate);
  checkInPlace("geglu", out, "up", up);
  const [rows, cols] = [rowsOf(gate.shape), colsOf(gate.shape)];
  const { symbols } = native();
  const status = symbols.qn_geglu_f32(y.address, gate.address, up.address, rows, cols, form);
  return status === Status.OK ? y : refuse("geglu", status, y, out, { gate, up });
}

function formOf(operation: string, approximate: "none" | "tanh" = "none"): UnaryOp {
  if (approximate === "none") return UnaryOp.GELU_ERF;
  if (approximate === "tanh") return UnaryOp.GELU_TANH;
  throw new TypeError(
    `${operation}: approximate is "none" or "tanh", not ${JSON.stringify(approximate)}`,
  );
}
