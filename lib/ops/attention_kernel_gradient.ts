/**
 * The gradient of attention in float32 and without a mask, by its kernel: block by block, from
 * what the forward pass noted of each row (Dao, "FlashAttention-2", 2023).
 */
import type { Floating } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { check, native } from "../ffi/mod.ts";
import { scope } from "../memory/mod.ts";
import { sumTo, Tensor } from "../tensor/mod.ts";
import type { AttentionCall, AttentionGradients, AttentionOperands } from "./attention_gradient.ts";
import { attentionLayout, writeAttentionLayout } from "./attention_layout.ts";

type Real = Tensor<Floating>;

/**
 * Computes the gradients.
 *
 * @param g That of the result, of any strides.
 * @param y The result.
 * @param statistics What the forward pass noted of its rows.
 * @param operands The operands, without a mask.
 * @param lengths Keys in use, or offsets of segments.
 * @param wanted The names of the operands that want a gradient.
 * @param call What else there was.
 * @returns New tensors.
 */
export function attentionKernelGradients(
  g: Real,
  y: Tensor,
  statistics: Tensor,
  { q, k, v }: AttentionOperands,
  lengths: Tensor | undefined,
  wanted: readonly (keyof AttentionOperands)[],
  call: AttentionCall,
): AttentionGradients {
  const { shape, causal, window, segments, scale } = call;
  const keyRows = k.shape[k.shape.length - 3];
  const keyShape = [...shape.slice(0, -3), ...k.shape.slice(-3)];
  return scope(() => {
    const slopes = g.contiguous();
    const of = (name: "q" | "k" | "v", shape: Shape): Real | undefined =>
      wanted.includes(name) ? Tensor.empty(shape) : undefined;
    const [dq, dk, dv] = [of("q", shape), of("k", keyShape), of("v", keyShape)];
    const keys = call.keyTokens ?? keyRows;
    const axes = writeAttentionLayout(q, k, v, undefined, shape, causal, window, keys, segments);
    const status = native().symbols.qn_attention_gradient_f32(
      dq?.address ?? 0n,
      dk?.address ?? 0n,
      dv?.address ?? 0n,
      slopes.address,
      y.address,
      statistics.address,
      q.address,
      k.address,
      v.address,
      lengths?.address ?? 0n,
      attentionLayout,
      axes,
      keyRows,
      scale,
    );
    check(status, "attention");
    return {
      q: dq && sumTo(dq, q.shape),
      k: dk && sumTo(dk, k.shape),
      v: dv && sumTo(dv, v.shape),
    };
  });
}
