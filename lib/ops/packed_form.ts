/**
 * The forms in which a linear layer's float32 weight is packed, and the products with each:
 * as it is, or rounded to bfloat16, whose products take half the time where the processor
 * has dot products of it.
 */
import { formatShape } from "../core/shape.ts";
import { ChainKind, check, native } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** One of them. */
export interface PackedForm {
  /** The kind of a chain's step that multiplies with it. */
  readonly chainKind: bigint;
  /** The bytes of the copy of a weight. */
  readonly bytesOf: (weight: Tensor) => number;
  /** Makes the copy at an address. */
  readonly pack: (target: bigint, weight: Tensor) => void;
  /** y = activation(residual + x · weightᵀ + bias); addresses and sizes, then the status. */
  readonly multiply: (
    y: bigint,
    x: bigint,
    packed: bigint,
    bias: bigint,
    residual: bigint,
    rows: number,
    outputs: number,
    inputs: number,
    activation: number,
  ) => number;
}

/** As it is. */
export const exactForm: PackedForm = {
  chainKind: BigInt(ChainKind.LINEAR),
  bytesOf: ({ shape: [outputs, inputs] }) =>
    Number(native().symbols.qn_gemm_pack_bytes(outputs, inputs)),
  pack(target, weight) {
    const [outputs, inputs] = weight.shape;
    const [down, along] = stridesOf(weight);
    checkPacked(
      native().symbols.qn_gemm_pack_f32(target, weight.address, outputs, inputs, down, along),
      weight,
    );
  },
  multiply: (y, x, packed, bias, residual, rows, outputs, inputs, activation) =>
    native().symbols.qn_linear_packed_f32(
      y,
      x,
      packed,
      bias,
      residual,
      rows,
      outputs,
      inputs,
      activation,
    ),
};

/** Rounded to bfloat16. */
const shortForm: PackedForm = {
  chainKind: BigInt(ChainKind.LINEAR_BF16),
  bytesOf: ({ shape: [outputs, inputs] }) =>
    Number(native().symbols.qn_pack_bf16_bytes(outputs, inputs)),
  pack(target, weight) {
    const [outputs, inputs] = weight.shape;
    const [down, along] = stridesOf(weight);
    checkPacked(
      native().symbols.qn_pack_bf16_f32(target, weight.address, outputs, inputs, down, along),
      weight,
    );
  },
  multiply: (y, x, packed, bias, residual, rows, outputs, inputs, activation) =>
    native().symbols.qn_linear_bf16_f32(
      y,
      x,
      packed,
      bias,
      residual,
      rows,
      outputs,
      inputs,
      activation,
    ),
};

/**
 * The form that products are fastest with.
 *
 * @returns bfloat16 where the instruction set in use has dot products of it; else the exact one.
 */
export function fastForm(): PackedForm {
  return native().symbols.qn_isa_has_bf16() === 0 ? exactForm : shortForm;
}

/** From an output to the next, and from an input to the next. */
function stridesOf({ isContiguous, shape, strides }: Tensor): [bigint, bigint] {
  return isContiguous ? [BigInt(shape[1]), 1n] : [BigInt(strides[0]), BigInt(strides[1])];
}

function checkPacked(status: number, { shape }: Tensor): void {
  check(status, "linear", `weight ${formatShape(shape)}`);
}
