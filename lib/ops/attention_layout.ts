/**
 * What attention and its gradient tell their kernels of sizes and strides.
 */
import type { Shape } from "../core/shape.ts";
import { AttentionField, Words } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { dtypeCodes } from "./operands.ts";

const layout = new Words(AttentionField.BATCH + 5 * 13);

/** What {@linkcode writeAttentionLayout} fills; one for all calls. */
export const attentionLayout: BigUint64Array<ArrayBuffer> = layout.array;

/**
 * Writes the sizes and strides of a call.
 *
 * @param q The queries; they, keys and values have heads whose elements lie side by side.
 * @param k The keys.
 * @param v The values.
 * @param mask The mask, whose keys lie side by side.
 * @param shape The result's.
 * @param causal Whether a query sees only keys up to its own position.
 * @param window The most keys that a query sees; 0 when there is no limit.
 * @param keys How many keys of all sequences are in use.
 * @param segments How many segments there are; 0 for none.
 * @returns How many axes the batch has.
 */
export function writeAttentionLayout(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor | undefined,
  shape: Shape,
  causal: boolean,
  window: number,
  keys: number,
  segments: number,
): number {
  const [qRank, kRank, rank] = [q.shape.length, k.shape.length, shape.length];
  const [qStrides, kStrides, vStrides] = [q.strides, k.strides, v.strides];
  layout.set(AttentionField.TOKENS, q.shape[qRank - 3]);
  layout.set(AttentionField.KEYS, keys);
  layout.set(AttentionField.HEADS, q.shape[qRank - 2]);
  layout.set(AttentionField.KV_HEADS, k.shape[kRank - 2]);
  layout.set(AttentionField.HEAD_SIZE, q.shape[qRank - 1]);
  layout.set(AttentionField.CAUSAL, causal ? 1 : 0);
  layout.set(AttentionField.WINDOW, window);
  layout.set(AttentionField.SEGMENTS, segments);
  layout.set(AttentionField.MASK_DTYPE, dtypeCodes[mask?.dtype ?? "float32"]);
  layout.set(AttentionField.Q_TOKEN, qStrides[qRank - 3]);
  layout.set(AttentionField.Q_HEAD, qStrides[qRank - 2]);
  layout.set(AttentionField.K_TOKEN, kStrides[kRank - 3]);
  layout.set(AttentionField.K_HEAD, kStrides[kRank - 2]);
  layout.set(AttentionField.V_TOKEN, vStrides[kRank - 3]);
  layout.set(AttentionField.V_HEAD, vStrides[kRank - 2]);
  const maskStrides = mask?.strides;
  layout.set(AttentionField.MASK_TOKEN, strideFromEnd(mask, maskStrides, 2));
  layout.set(AttentionField.MASK_HEAD, strideFromEnd(mask, maskStrides, 3));
  for (let axis = 0; axis < rank - 3; axis++) {
    const field = AttentionField.BATCH + 5 * axis;
    const fromEnd = rank - axis;
    layout.set(field, shape[axis]);
    layout.set(field + 1, strideFromEnd(q, qStrides, fromEnd));
    layout.set(field + 2, strideFromEnd(k, kStrides, fromEnd));
    layout.set(field + 3, strideFromEnd(v, vStrides, fromEnd));
    layout.set(field + 4, strideFromEnd(mask, maskStrides, fromEnd));
  }
  return rank - 3;
}

/** The stride of an axis that may be missing or broadcast: then it is 0. */
function strideFromEnd(
  tensor: Tensor | undefined,
  strides: readonly number[] | undefined,
  fromEnd: number,
): number {
  if (tensor === undefined || strides === undefined) return 0;
  const axis = strides.length - fromEnd;
  return axis < 0 || tensor.shape[axis] === 1 ? 0 : strides[axis];
}
