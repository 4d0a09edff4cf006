/**
 * DistilBERT (Sanh et al., 2019): BERT with half the layers, and no types of tokens.
 */
import { Encoder, type EncoderConfig } from "./encoder.ts";
import {
  checkHeads,
  type EncoderArchitecture,
  findPrefix,
  type LayerNames,
  readActivation,
  readLayers,
  readNorm,
} from "./encoder_weights.ts";
import type { Hyperparameters } from "./hyperparameters.ts";

const layerNames: LayerNames = {
  query: "attention.q_lin",
  key: "attention.k_lin",
  value: "attention.v_lin",
  attended: "attention.out_lin",
  attentionNorm: "sa_layer_norm",
  up: "ffn.lin1",
  down: "ffn.lin2",
  outputNorm: "output_layer_norm",
};

/** Makes DistilBERT. */
export const distilbert: EncoderArchitecture = (file, weights) => {
  const config = readConfig(file);
  const { dim, vocabularySize, contextLength } = config;
  const prefix = findPrefix(weights, ["distilbert."]);
  const embeddings = `${prefix}embeddings`;
  const read = {
    tokens: weights.tensor(`${embeddings}.word_embeddings.weight`, [vocabularySize, dim]),
    positions: weights.widened(`${embeddings}.position_embeddings.weight`, [contextLength, dim]),
    types: undefined,
    embeddingNorm: readNorm(weights, `${embeddings}.LayerNorm`, dim),
    layers: readLayers(weights, `${prefix}transformer.layer`, layerNames, config),
  };
  return new Encoder(config, read, weights);
};

function readConfig(file: Hyperparameters): EncoderConfig {
  const dim = file.size("dim");
  const heads = file.size("n_heads");
  checkHeads(file, dim, heads);
  return {
    layers: file.size("n_layers"),
    dim,
    feedForward: file.size("hidden_dim"),
    heads,
    epsilon: 1e-12,
    vocabularySize: file.size("vocab_size"),
    contextLength: file.size("max_position_embeddings"),
    activation: readActivation(file, "activation"),
  };
}
