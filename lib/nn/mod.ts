/**
 * Layers of neural networks, first values of their parameters, and losses.
 */
export {
  type AttentionForwardOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  type SelfAttentionForwardOptions,
} from "./attention.ts";
export { AttentionCache, type AttentionCacheOptions } from "./attention_cache.ts";
export { multipleNegativesRanking, type RankingOptions } from "./contrastive.ts";
export { Dropout, type DropoutLayerOptions } from "./dropout.ts";
export { Embedding, type EmbeddingOptions } from "./embedding.ts";
export { Frame } from "./frame.ts";
export {
  constant,
  type Initializer,
  kaimingNormal,
  type KaimingOptions,
  kaimingUniform,
  normal,
  ones,
  orthogonal,
  truncatedNormal,
  type TruncatedOptions,
  uniform,
  xavierNormal,
  xavierUniform,
  zeros,
} from "./initializers.ts";
export { Linear, type LinearForwardOptions, type LinearLayerOptions } from "./linear.ts";
export { LoraAdapters, type LoraOptions } from "./lora.ts";
export { LoraLayer, type LoraLayerOptions } from "./lora_layer.ts";
export { binaryCrossEntropy, type LossOptions, meanSquaredError } from "./losses.ts";
export { MLP, type MLPActivation, type MLPOptions } from "./mlp.ts";
export type { NamedTensors } from "../tensor/mod.ts";
export { type LoadOptions, Module } from "./module.ts";
export { LayerNorm, type LayerNormLayerOptions, type NormLayerOptions, RMSNorm } from "./norms.ts";
export type { ForwardOptions, LayerDType, LayerOptions, ResidualOptions } from "./options.ts";
export { meanPooling, normalizeRows } from "./pooling.ts";
export {
  Positions,
  type PositionsForwardOptions,
  type PositionsOptions,
  sinusoidalPositions,
} from "./positions.ts";
export type { RotaryOptions } from "./rotary.ts";
export { TransformerBlock, type TransformerBlockOptions } from "./transformer_block.ts";
