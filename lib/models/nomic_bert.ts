/**
 * Nomic's BERT (Nussbaum et al., 2024): rotary positions, a gated feed-forward layer,
 * and no biases in its products.
 */
import { Encoder, type EncoderConfig, type EncoderLayer } from "./encoder.ts";
import {
  checkHeads,
  type EncoderArchitecture,
  readDense,
  readNorm,
  readTable,
  splitDense,
} from "./encoder_weights.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { Weights } from "./weights.ts";

/** Makes Nomic's BERT. */
export const nomicBert: EncoderArchitecture = (file, weights) => {
  const config = readConfig(file);
  const { dim, layers, vocabularySize } = config;
  const read = {
    tokens: weights.tensor("embeddings.word_embeddings.weight", [vocabularySize, dim]),
    positions: undefined,
    types: readTable(weights, "embeddings.token_type_embeddings.weight", dim),
    embeddingNorm: readNorm(weights, "emb_ln", dim),
    layers: Array.from(
      { length: layers },
      (_, i) => readLayer(weights, `encoder.layers.${i}`, config),
    ),
  };
  return new Encoder(config, read, weights);
};

function readConfig(file: Hyperparameters): EncoderConfig {
  const dim = file.size("n_embd");
  const heads = file.size("n_head");
  checkHeads(file, dim, heads);
  const activation = file.text("activation_function");
  if (activation !== "swiglu") file.unsupported(`the activation ${activation}`);
  if (file.flag("prenorm", false)) file.unsupported("a norm before each sublayer");
  if (file.number("rotary_emb_fraction", 1) !== 1) file.unsupported("turning a part of each head");
  if (file.flag("rotary_emb_interleaved", false)) file.unsupported("turning neighbours together");
  return {
    layers: file.size("n_layer"),
    dim,
    feedForward: file.size("n_inner"),
    heads,
    epsilon: file.epsilon("layer_norm_epsilon", 1e-12),
    vocabularySize: file.size("vocab_size"),
    contextLength: file.size("n_positions"),
    activation: "swiglu",
    ropeBase: file.positive("rotary_emb_base", 10000),
  };
}

function readLayer(weights: Weights, name: string, config: EncoderConfig): EncoderLayer {
  const { dim, feedForward } = config;
  const together = readDense(weights, `${name}.attn.Wqkv`, 3 * dim, dim);
  const [query, key, value] = splitDense(weights, together, 3);
  return {
    query,
    key,
    value,
    attended: readDense(weights, `${name}.attn.out_proj`, dim, dim),
    attentionNorm: readNorm(weights, `${name}.norm1`, dim),
    up: readDense(weights, `${name}.mlp.fc11`, feedForward, dim),
    gate: readDense(weights, `${name}.mlp.fc12`, feedForward, dim),
    down: readDense(weights, `${name}.mlp.fc2`, dim, feedForward),
    outputNorm: readNorm(weights, `${name}.norm2`, dim),
  };
}
