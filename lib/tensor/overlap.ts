/**
 * Whether tensors share bytes.
 */
import { byteLengthOf } from "../core/dtype.ts";
import { spanOf } from "./layout.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Whether the ranges of memory from the first to the last element of two tensors
 * have a byte in common. Views whose elements only interlace count as overlapping.
 *
 * @param a A tensor.
 * @param b Another.
 * @returns False when both can be read and written independently.
 */
export function overlaps(a: Tensor, b: Tensor): boolean {
  // Addresses are below 2^53, and numbers are compared and added without garbage.
  const first = Number(a.address);
  const second = Number(b.address);
  return first < second + spanBytes(b) && second < first + spanBytes(a);
}

function spanBytes(tensor: Tensor): number {
  if (tensor.isContiguous) return tensor.byteLength;
  return byteLengthOf(tensor.dtype, spanOf(tensor.shape, tensor.strides));
}
