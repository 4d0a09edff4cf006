/**
 * Scaled dot-product attention with grouped queries (Vaswani et al., 2017;
 * Ainslie et al., 2023). Scores are worked through block by block (Milakov and
 * Gimelshein, 2018; Dao et al., 2022), so they are never stored.
 */
import { differentiable, isTracked, record, RESULT } from "../autograd/mod.ts";
import { type Floating, isHalf } from "../core/dtype.ts";
import { broadcastShapes, formatShape, sameShape, type Shape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { add } from "./arithmetic.ts";
import {
  type AttentionCall,
  attentionGradients,
  type AttentionOperands,
} from "./attention_gradient.ts";
import { attentionKernelGradients } from "./attention_kernel_gradient.ts";
import { attentionLayout, writeAttentionLayout } from "./attention_layout.ts";
import { logicalOr } from "./comparison.ts";
import { withFloat32 } from "./halves.ts";
import {
  checkApart,
  checkFloating,
  checkOperand,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

/** Options of {@linkcode attention}. */
export interface AttentionOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** Whether a query sees only keys up to its own position; false when left out. */
  causal?: boolean;
  /**
   * The most keys that a query sees, its own included: with `causal` they end with its
   * own, else its own is in the middle, after the middle of an even number. All when left out.
   */
  window?: number;
  /** What scores are multiplied by; 1 / √headSize when left out. */
  scale?: number;
  /**
   * How many of the keys are in use, counted from the first; all when left out. A tensor
   * has the shape of the batch, and a number for each of its sequences.
   */
  keyTokens?: number | Tensor<"int32">;
  /**
   * What each key is worth to each query: one of the dtype of `q` is added after the scale,
   * -Infinity leaves out; of bool or int32, keys where it is 0 are left out. It is broadcast
   * to `[…, heads, tokens, keys]`.
   */
  mask?: Tensor<D> | Tensor<"bool"> | Tensor<"int32">;
  /**
   * Where sequences begin that lie end to end, without a batch: ascending offsets from
   * 0 to `tokens`, one more than there are sequences. Each sees only itself.
   */
  segments?: Tensor<"int32">;
}

/**
 * `softmax(q · kᵀ · scale + mask) · v`, head by head; each key head serves
 * heads / keyHeads query heads. The last query is at the position of the last key in
 * use, and so query i at keyTokens - tokens + i; where a sequence has fewer keys in use
 * than queries, query i is at position i.
 *
 * A key that a query does not see does not touch it, whatever it holds. A query that
 * sees no key at all has the result 0, as an empty sum, so that what was padded stays
 * finite; a NaN would spread through every later layer. A row's bits do not depend on
 * the rows, sequences and segments beside it.
 *
 * Operands are read where they lie as long as the elements of a head lie side by side,
 * so parts of one projection and `[heads, tokens, headSize]` by `transpose()` cost no copy.
 *
 * @param q `[…, tokens, heads, headSize]`, of a floating-point dtype; headSize is at most 512.
 * float64 is for reference: it is the definition, key by key.
 * @param k `[…, keys, keyHeads, headSize]`, of the dtype of `q`; the batch is broadcast with
 * that of `q`.
 * @param v The shape and dtype of `k`.
 * @param options Masks, scale and how many keys are in use; `out` must share no memory with
 * the operands.
 * @returns `[…, tokens, heads, headSize]`, of the dtype of `q`.
 * @throws {TypeError} When a dtype is another one.
 * @throws {RangeError} When the shapes do not fit, or lengths are out of range.
 *
 * @example
 * ```ts
 * import { attention, Tensor } from "@quern/quern";
 *
 * using q = Tensor.randn([4, 8, 64]);
 * using k = Tensor.randn([4, 2, 64]);
 * using v = Tensor.randn([4, 2, 64]);
 * using y = attention(q, k, v, { causal: true });
 * console.log(y.shape); // [4, 8, 64]
 *
 * // Two sentences, of one and three tokens, packed end to end.
 * using segments = Tensor.from([0, 1, 4], "int32");
 * using packed = attention(q, k, v, { segments });
 * console.log(packed.shape); // [4, 8, 64]
 * ```
 */
export function attention<D extends Floating>(
  q: Tensor<D>,
  k: Tensor<D>,
  v: Tensor<D>,
  options: AttentionOptions<D> = {},
): Tensor<D> {
  checkFloating("attention", "q", q);
  const { shape: qShape, dtype } = q;
  checkOperand("attention", "k", k, dtype);
  checkOperand("attention", "v", v, dtype);
  const shape = resultShape(qShape, k.shape, v.shape);
  checkNumbers(q, k, options);
  const { out, mask, scale = 1 / Math.sqrt(qShape[qShape.length - 1]) } = options;
  checkMask(mask, shape, k.shape, dtype);
  const lengths = checkLengths(shape, k.shape, options);
  if (isHalf(dtype)) return ofHalves(q, k, v, shape, options);
  if (
    !(isReadable(q) && isReadable(k) && isReadable(v) && isReadable(mask, k)) ||
    lengths?.isContiguous === false
  ) return withCopies(q, k, v, options);
  const tracked = isTracked(q, k, v, mask);
  const y = resultTensor<D>("attention", out, shape, dtype);
  checkApart("attention", out, "q", q);
  checkApart("attention", out, "k", k);
  checkApart("attention", out, "v", v);
  checkApart("attention", out, "mask", mask);
  checkApart("attention", out, "lengths", lengths);
  const axes = writeAttentionLayout(
    q,
    k,
    v,
    mask,
    shape,
    options.causal ?? false,
    options.window ?? 0,
    typeof options.keyTokens === "number" ? options.keyTokens : k.shape[k.shape.length - 3],
    options.segments === undefined ? 0 : options.segments.shape[0] - 1,
  );
  const statistics = tracked ? statisticsOf(y, out, k, mask) : undefined;
  const status = native().symbols.qn_attention(
    y.address,
    statistics === undefined ? 0n : statistics.address,
    q.address,
    k.address,
    v.address,
    mask === undefined ? 0n : mask.address,
    lengths === undefined ? 0n : lengths.address,
    attentionLayout,
    axes,
    scale,
    dtypeCodes[dtype],
  );
  if (status !== Status.OK) {
    statistics?.dispose();
    const { segments } = options;
    const operands = { q, k, v, mask, keyTokens: segments ? undefined : lengths, segments };
    return refuse("attention", status, y, out, operands, { scale });
  }
  return tracked ? recordAttention(y, q, k, v, lengths, statistics, options, scale) : y;
}

const names = ["q", "k", "v", "mask"] as const;

const attentionGradient = differentiable<AttentionCall>({
  operation: "attention",
  saves: [...names, "lengths", RESULT, "what the softmax divided by"],
  backward(gradient, [q, k, v, mask, lengths, y, statistics], { wants, extra }) {
    const wanted = names.filter((_, i) => wants[i]);
    const operands = { q, k, v, mask } as AttentionOperands;
    const g = gradient as Tensor<Floating>;
    const found = statistics === undefined
      ? attentionGradients(g, operands, lengths, wanted, extra)
      : attentionKernelGradients(g, y, statistics, operands, lengths, wanted, extra);
    return names.map((name) => found[name]);
  },
});

/** Room for what the gradient's kernel reads besides; none where there is no kernel. */
function statisticsOf(
  y: Tensor,
  out: Tensor | undefined,
  k: Tensor,
  mask: Tensor | undefined,
): Tensor | undefined {
  if (y.dtype !== "float32" || mask !== undefined || y.size === 0 || k.size === 0) return undefined;
  try {
    return Tensor.empty([...y.shape.slice(0, -1), 2]);
  } catch (error) {
    if (y !== out) y.dispose();
    throw error;
  }
}

function recordAttention<D extends Floating>(
  y: Tensor<D>,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  lengths: Tensor | undefined,
  statistics: Tensor | undefined,
  { mask, causal = false, window = 0, keyTokens, segments }: AttentionOptions<D>,
  scale: number,
): Tensor<D> {
  const extra = {
    shape: y.shape,
    causal,
    window,
    scale,
    keyTokens: typeof keyTokens === "number" ? keyTokens : undefined,
    segments: segments === undefined ? 0 : segments.shape[0] - 1,
  };
  const saved = [q, k, v, mask, lengths, statistics && y, statistics];
  const recorded = record(y, attentionGradient, [q, k, v, mask], { saved, extra });
  statistics?.dispose();
  return recorded;
}

/** Whether kernels can read rows of the last axis; of a mask, whether that has all keys. */
function isReadable(tensor: Tensor | undefined, keys?: Tensor): boolean {
  if (tensor === undefined) return true;
  const size = tensor.shape[tensor.shape.length - 1];
  if (keys !== undefined && size !== keys.shape[keys.shape.length - 3]) return false;
  return size <= 1 || tensor.isContiguous || tensor.strides[tensor.strides.length - 1] === 1;
}

/** The same with halves widened; the mask also, if it is one. */
function ofHalves<D extends Floating>(
  q: Tensor<D>,
  k: Tensor<D>,
  v: Tensor<D>,
  shape: Shape,
  options: AttentionOptions<D>,
): Tensor<D> {
  const { out, mask, ...rest } = options;
  const result = { operation: "attention", shape, dtype: q.dtype, out };
  return withFloat32(result, [q, k, v, mask], (q, k, v, mask) => {
    return attention(q, k, v, { ...rest, mask } as AttentionOptions<D>);
  });
}

/** The same with copies of the operands that cannot be read. */
function withCopies<D extends Floating>(
  q: Tensor<D>,
  k: Tensor<D>,
  v: Tensor<D>,
  options: AttentionOptions<D>,
): Tensor<D> {
  const { mask, keyTokens, segments } = options;
  const keys = k.shape[k.shape.length - 3];
  if (mask !== undefined && mask.shape[mask.shape.length - 1] !== keys) {
    using zeros = Tensor.zeros([keys], mask.dtype);
    using spread = mask.dtype === "bool"
      ? logicalOr(mask as Tensor<"bool">, zeros as Tensor<"bool">)
      : add(mask as Tensor<D>, zeros as Tensor<D>);
    return attention(q, k, v, { ...options, mask: spread as Tensor<D> });
  }
  const lengths = segments ?? (typeof keyTokens === "number" ? undefined : keyTokens);
  const others: AttentionOptions<D> = { ...options };
  return withDense(
    [unread(q), unread(k), unread(v), unread<Tensor>(mask), lengths],
    (denseQ, denseK, denseV, denseMask, denseLengths) => {
      if (denseMask !== undefined) others.mask = denseMask as Tensor<D>;
      if (denseLengths !== undefined) others[segments ? "segments" : "keyTokens"] = denseLengths;
      return attention(denseQ ?? q, denseK ?? k, denseV ?? v, others);
    },
  );
}

/** The tensor, if it cannot be read where it is. */
function unread<T extends Tensor>(tensor: T | undefined): T | undefined {
  return isReadable(tensor) ? undefined : tensor;
}

/** The shape of the result; throws where operands do not fit each other. */
function resultShape(q: Shape, k: Shape, v: Shape): Shape {
  const [rank, keyRank] = [q.length, k.length];
  const fits = rank >= 3 && keyRank >= 3 && sameShape(k, v) &&
    q[rank - 1] === k[keyRank - 1] && q[rank - 2] % k[keyRank - 2] === 0;
  if (fits && rank === 3 && keyRank === 3) return q;
  const batch = fits ? broadcastShapes(q.slice(0, -3), k.slice(0, -3)) : undefined;
  if (batch !== undefined) return [...batch, ...q.slice(-3)];
  throw new RangeError(
    `attention: q ${formatShape(q)} is […, tokens, heads, headSize]; k ${formatShape(k)} and ` +
      `v ${formatShape(v)} are […, keys, keyHeads, headSize] with heads a multiple of keyHeads`,
  );
}

function checkNumbers<D extends Floating>(
  q: Tensor<D>,
  k: Tensor<D>,
  options: AttentionOptions<D>,
): void {
  const { causal, window, keyTokens, scale = 1 } = options;
  const [tokens, keys] = [q.shape[q.shape.length - 3], k.shape[k.shape.length - 3]];
  if (window !== undefined && !(Number.isInteger(window) && window >= 1 && window < 2 ** 32)) {
    throw new RangeError(`attention: window is an integer from 1, not ${window}`);
  }
  if (!Number.isFinite(Math.fround(scale))) {
    throw new RangeError(`attention: scale is a finite number, not ${scale}`);
  }
  const used = typeof keyTokens === "number" ? keyTokens : keys;
  if (!Number.isInteger(used) || used < 0 || used > keys) {
    throw new RangeError(`attention: keyTokens is an integer from 0 to ${keys}, not ${used}`);
  }
  if (causal && used < tokens) {
    throw new RangeError(
      `attention: causal needs as many keys as queries, and there are ${used} for ${tokens}`,
    );
  }
}

function checkMask(mask: Tensor | undefined, shape: Shape, k: Shape, dtype: Floating): void {
  if (mask === undefined) return;
  checkOperand("attention", "mask", mask);
  if (mask.dtype !== dtype && mask.dtype !== "bool" && mask.dtype !== "int32") {
    throw new TypeError(`attention: mask is ${mask.dtype}, expected ${dtype}, bool or int32`);
  }
  const rank = shape.length;
  const scores = [...shape.slice(0, -3), shape[rank - 2], shape[rank - 3], k[k.length - 3]];
  const missing = rank - mask.shape.length;
  const fits = missing >= 0 && mask.shape.length > 0 &&
    mask.shape.every((size, axis) => size === scores[axis + missing] || size === 1);
  if (fits) return;
  throw new RangeError(
    `attention: mask ${formatShape(mask.shape)} does not broadcast to ${formatShape(scores)}, ` +
      "[…, heads, tokens, keys]",
  );
}

/** The tensor of numbers of keys, or of segments; throws where it does not fit. */
function checkLengths(
  shape: Shape,
  k: Shape,
  { keyTokens, segments }: Pick<AttentionOptions, "keyTokens" | "segments">,
): Tensor | undefined {
  if (segments === undefined) {
    if (keyTokens === undefined || typeof keyTokens === "number") return undefined;
    checkOperand("attention", "keyTokens", keyTokens, "int32");
    const batch = shape.slice(0, -3);
    if (sameShape(keyTokens.shape, batch)) return keyTokens;
    throw new RangeError(
      `attention: keyTokens is ${formatShape(keyTokens.shape)}, and the batch ${
        formatShape(batch)
      }`,
    );
  }
  checkOperand("attention", "segments", segments, "int32");
  if (keyTokens !== undefined) {
    throw new RangeError("attention: segments say how many keys there are; leave keyTokens out");
  }
  if (shape.length === 3 && k.length === 3 && k[0] === shape[0]) {
    if (segments.shape.length === 1 && segments.shape[0] >= 2) return segments;
  }
  throw new RangeError(
    `attention: segments ${formatShape(segments.shape)} are two offsets or more, for q ` +
      `${formatShape(shape)} and k ${formatShape(k)} without a batch and of the same length`,
  );
}
