/**
 * Scaled dot-product attention with grouped queries (Vaswani et al., 2017;
 * Ainslie et al., 2023). Scores are worked through block by block with a
 * running maximum (Milakov and Gimelshein, 2018), so they are never stored.
 */
import { formatShape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkApart,
  checkOperand,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/** Options of {@linkcode attention}. */
export interface AttentionOptions extends OutOption {
  /** Whether a query sees only keys up to its own position; false when left out. */
  causal?: boolean;
  /** What scores are multiplied by; 1 / √headSize when left out. */
  scale?: number;
  /** How many of the keys are in use, counted from the first; all when left out. */
  keyTokens?: number;
}

/**
 * `softmax(q · kᵀ · scale) · v`, head by head; each key head serves
 * heads / keyHeads query heads. With `causal`, the last query is at the
 * position of the last key: query i sees keys 0 … keyTokens - tokens + i.
 *
 * @param q `[tokens, heads, headSize]`, float32; headSize is at most 512.
 * @param k `[keys, keyHeads, headSize]`, float32.
 * @param v The shape of `k`, float32.
 * @param options Masking, scale and how many keys are in use; `out` must share no memory with
 * the operands.
 * @returns `[tokens, heads, headSize]`, float32.
 * @throws {RangeError} When the shapes do not fit.
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
 * ```
 */
export function attention(
  q: Tensor<"float32">,
  k: Tensor<"float32">,
  v: Tensor<"float32">,
  options: AttentionOptions = {},
): Tensor<"float32"> {
  checkOperand("attention", "q", q, "float32");
  checkOperand("attention", "k", k, "float32");
  checkOperand("attention", "v", v, "float32");
  const keyTokens = options.keyTokens ?? k.shape[0];
  checkAttentionShapes(q, k, v, keyTokens);
  if (!areDense(q, k, v)) return withDense([q, k, v], attention, options);
  const { out } = options;
  const [tokens, heads, headSize] = q.shape;
  const scale = options.scale ?? 1 / Math.sqrt(headSize);
  const y = resultTensor("attention", out, q.shape);
  checkApart("attention", out, "q", q);
  checkApart("attention", out, "k", k);
  checkApart("attention", out, "v", v);
  const status = native().symbols.qn_attention_f32(
    y.address,
    q.address,
    k.address,
    v.address,
    tokens,
    keyTokens,
    heads,
    k.shape[1],
    headSize,
    scale,
    options.causal ? 1 : 0,
  );
  if (status === Status.OK) return y;
  return refuse("attention", status, y, out, { q, k, v }, { keyTokens, scale });
}

function checkAttentionShapes(q: Tensor, k: Tensor, v: Tensor, keyTokens: number): void {
  const [keys, keyHeads, headSize] = k.shape;
  const fits = q.shape.length === 3 && k.shape.length === 3 && v.shape.length === 3 &&
    v.shape[0] === keys && v.shape[1] === keyHeads && v.shape[2] === headSize &&
    q.shape[2] === headSize && q.shape[1] % keyHeads === 0;
  if (!fits) {
    throw new RangeError(
      `attention: q ${formatShape(q.shape)} is [tokens, heads, headSize]; k ` +
        `${formatShape(k.shape)} and v ${formatShape(v.shape)} are [keys, keyHeads, headSize] ` +
        `with heads a multiple of keyHeads`,
    );
  }
  if (!Number.isInteger(keyTokens) || keyTokens < 0 || keyTokens > keys) {
    throw new RangeError(`attention: keyTokens is an integer from 0 to ${keys}, not ${keyTokens}`);
  }
}
