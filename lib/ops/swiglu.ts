/**
 * The gated activation of Llama's feed-forward layers (Shazeer, 2020).
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
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

/**
 * `silu(gate) · up`, element by element, where silu(v) = v / (1 + exp(-v)).
 *
 * @param gate Any shape, float32.
 * @param up The same shape, float32.
 * @param options `out` may be `gate` or `up`.
 * @returns The product, float32, in the same shape.
 * @throws {RangeError} When the shapes differ.
 *
 * @example
 * ```ts
 * import { swiglu, Tensor } from "@quern/quern";
 *
 * using gate = Tensor.from([0, 1]);
 * using up = Tensor.from([2, 2]);
 * using y = swiglu(gate, up);
 * console.log(y.toArray());
 * ```
 */
export function swiglu(
  gate: Tensor<"float32">,
  up: Tensor<"float32">,
  options: OutOption = {},
): Tensor<"float32"> {
  checkOperand("swiglu", "gate", gate, "float32");
  checkOperand("swiglu", "up", up, "float32");
  checkShapeIs("swiglu", "up", up, gate.shape);
  if (!areDense(gate, up)) return withDense([gate, up], swiglu, options);
  const { out } = options;
  const y = resultTensor("swiglu", out, gate.shape);
  checkInPlace("swiglu", out, "gate", gate);
  checkInPlace("swiglu", out, "up", up);
  const [rows, cols] = [rowsOf(gate.shape), colsOf(gate.shape)];
  const status = native().symbols.qn_swiglu_f32(y.address, gate.address, up.address, rows, cols);
  return status === Status.OK ? y : refuse("swiglu", status, y, out, { gate, up });
}
