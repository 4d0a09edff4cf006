/**
 * The decoders whose training is measured: small ones, as characters of a text are learned
 * with (Karpathy's nanoGPT), without biases, with one matrix for tokens and head.
 *
 * @module
 */

import type { DecoderOptions } from "../../models/mod.ts";

/** A decoder, and the batches that it is trained with. */
export interface TrainedSizes {
  readonly decoder: Readonly<DecoderOptions> & { readonly hidden: number };
  /** Sequences of a batch; each is as long as the context. */
  readonly batch: number;
}

/** A GPT: LayerNorm, learned positions, GELU. */
function gpt(layers: number, dim: number, heads: number, tokens: number): TrainedSizes["decoder"] {
  return {
    ...{ vocabularySize: 65, dim, layers, heads, hidden: 4 * dim, contextLength: tokens },
    ...{ positions: "learned", normalization: "layer", activation: "gelu", epsilon: 1e-5 },
  };
}

/** A Llama of about as many weights: RMSNorm, heads that turn, SwiGLU, grouped keys. */
function llama(like: TrainedSizes["decoder"]): TrainedSizes["decoder"] {
  return {
    ...like,
    hidden: 32 * Math.ceil(like.dim / 12),
    keyValueHeads: like.heads / 2,
    ...{ positions: "rotary", normalization: "rms", activation: "swiglu" },
  };
}

const small = gpt(4, 128, 4, 64);
const large = gpt(6, 384, 6, 256);

/** By name: 0.8 and 10.6 million weights. */
export const TRAINED = {
  small: { decoder: small, batch: 12 },
  large: { decoder: large, batch: 8 },
  "small-llama": { decoder: llama(small), batch: 12 },
  "large-llama": { decoder: llama(large), batch: 8 },
} as const satisfies Record<string, TrainedSizes>;
