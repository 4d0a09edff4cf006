/**
 * DistilBERT (Sanh et al., 2019): BERT with half the layers, and no types of tokens.
 */
import { Encoder, type EncoderConfig, type EncoderLayer } from "./encoder.ts";
import {
  checkHeads,
  type EncoderArchitecture,
  findPrefix,
  readActivation,
  readDense,
  readNorm,
} from "./encoder_weights.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { Weights } from "./weights.ts";

/** Makes DistilBERT. */
export const distilbert: EncoderArchitecture = (file, weights) => {
  const config = readConfig(file);
  const { dim, layers, vocabularySize, contextLength } = config;
  const prefix = findPrefix(weights, ["distilbert."]);
  const embeddings = `${prefix}embeddings`;
  const read = {
    tokens: weights.tensor(`${embeddings}.word_embeddings.weight`, [vocabularySize, dim]),
    positions: weights.widened(`${embeddings}.position_embeddings.weight`, [contextLength, dim]),
    everywhere: undefined,
    embeddingNorm: readNorm(weights, `${embeddings}.LayerNorm`, dim),
    layers: Array.from(
      { length: layers },
      (_, i) => readLayer(weights, `${prefix}transformer.layer.${i}`, config),
    ),
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

function readLayer(weights: Weights, name: string, config: EncoderConfig): EncoderLayer {
  const { dim, feedForward } = config;
  return {
    query: readDense(weights, `${name}.attention.q_lin`, dim, dim),
    key: readDense(weights, `${name}.attention.k_lin`, dim, dim),
    value: readDense(weights, `${name}.attention.v_lin`, dim, dim),
    attended: readDense(weights, `${name}.attention.out_lin`, dim, dim),
    attentionNorm: readNorm(weights, `${name}.sa_layer_norm`, dim),
    up: readDense(weights, `${name}.ffn.lin1`, feedForward, dim),
    down: readDense(weights, `${name}.ffn.lin2`, dim, feedForward),
    outputNorm: readNorm(weights, `${name}.output_layer_norm`, dim),
  };
}
