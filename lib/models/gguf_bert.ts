/**
 * BERT and Nomic's BERT as GGUF files hold them: with names of their own for the same
 * tensors, whatever the framework that they come from.
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

/** Makes the encoder of a GGUF file whose architecture is `bert` or `nomic-bert`. */
export const ggufBert: EncoderArchitecture = (file, weights) => {
  const config = readConfig(file, weights);
  const { dim, layers, vocabularySize, contextLength } = config;
  const read = {
    tokens: weights.tensor("token_embd.weight", [vocabularySize, dim]),
    positions: config.ropeBase === undefined
      ? weights.widened("position_embd.weight", [contextLength, dim])
      : undefined,
    types: readTable(weights, "token_types.weight", dim),
    embeddingNorm: readNorm(weights, "token_embd_norm", dim),
    layers: Array.from({ length: layers }, (_, i) => readLayer(weights, `blk.${i}`, config)),
  };
  return new Encoder(config, read, weights);
};

function readConfig(file: Hyperparameters, weights: Weights): EncoderConfig {
  const architecture = file.text("general.architecture");
  const isNomic = architecture === "nomic-bert";
  const key = (name: string) => `${architecture}.${name}`;
  const dim = file.size(key("embedding_length"));
  const heads = file.size(key("attention.head_count"));
  checkHeads(file, dim, heads);
  if (file.number(key("expert_count"), 0) > 0) file.unsupported("a mixture of experts");
  return {
    layers: file.size(key("block_count")),
    dim,
    feedForward: file.size(key("feed_forward_length")),
    heads,
    epsilon: file.epsilon(key("attention.layer_norm_epsilon"), 1e-12),
    vocabularySize: weights.rows("token_embd.weight"),
    contextLength: file.size(key("context_length")),
    activation: isNomic ? "swiglu" : "gelu_erf",
    ropeBase: isNomic ? file.positive(key("rope.freq_base"), 10000) : undefined,
  };
}

function readLayer(weights: Weights, name: string, config: EncoderConfig): EncoderLayer {
  const { dim, feedForward } = config;
  const square = (part: string) => readDense(weights, `${name}.${part}`, dim, dim);
  const [query, key, value] = weights.has(`${name}.attn_qkv.weight`)
    ? splitDense(weights, readDense(weights, `${name}.attn_qkv`, 3 * dim, dim), 3)
    : [square("attn_q"), square("attn_k"), square("attn_v")];
  return {
    query,
    key,
    value,
    attended: square("attn_output"),
    attentionNorm: readNorm(weights, `${name}.attn_output_norm`, dim),
    up: readDense(weights, `${name}.ffn_up`, feedForward, dim),
    gate: config.activation === "swiglu"
      ? readDense(weights, `${name}.ffn_gate`, feedForward, dim)
      : undefined,
    down: readDense(weights, `${name}.ffn_down`, dim, feedForward),
    outputNorm: readNorm(weights, `${name}.layer_output_norm`, dim),
  };
}
