/**
 * BERT (Devlin et al., 2019) and those that share its files' names: RoBERTa (Liu et
 * al., 2019), XLM-R (Conneau et al., 2020) and CamemBERT, whose first two positions stand
 * for padding.
 */
import { Encoder, type EncoderConfig, type EncoderLayer } from "./encoder.ts";
import {
  checkHeads,
  type EncoderArchitecture,
  findPrefix,
  readActivation,
  readDense,
  readFirstRow,
  readNorm,
} from "./encoder_weights.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { Weights } from "./weights.ts";

/** Makes BERT, whose positions begin at 0. */
export const bert: EncoderArchitecture = (config, weights) => build(config, weights, 0);

/** Makes RoBERTa, whose positions begin behind the one that stands for padding. */
export const roberta: EncoderArchitecture = (config, weights) =>
  build(config, weights, config.number("pad_token_id", 1) + 1);

function build(file: Hyperparameters, weights: Weights, firstPosition: number): Encoder {
  const type = file.text("position_embedding_type") ?? "absolute";
  if (type !== "absolute") file.unsupported(`positions of type ${type}`);
  const config = readConfig(file, firstPosition);
  const { dim, layers, vocabularySize, contextLength } = config;
  const prefix = findPrefix(weights, ["bert.", "roberta.", "camembert."]);
  const embeddings = `${prefix}embeddings`;
  const positions = weights.widened(
    `${embeddings}.position_embeddings.weight`,
    [contextLength + firstPosition, dim],
  );
  const read = {
    tokens: weights.tensor(`${embeddings}.word_embeddings.weight`, [vocabularySize, dim]),
    positions: weights.own(positions.slice(firstPosition)),
    everywhere: readFirstRow(weights, `${embeddings}.token_type_embeddings.weight`, dim),
    embeddingNorm: readNorm(weights, `${embeddings}.LayerNorm`, dim),
    layers: Array.from(
      { length: layers },
      (_, i) => readLayer(weights, `${prefix}encoder.layer.${i}`, config),
    ),
  };
  return new Encoder(config, read, weights);
}

function readConfig(file: Hyperparameters, firstPosition: number): EncoderConfig {
  const dim = file.size("hidden_size");
  const heads = file.size("num_attention_heads");
  checkHeads(file, dim, heads);
  const contextLength = file.size("max_position_embeddings") - firstPosition;
  if (contextLength < 1) file.malformed("max_position_embeddings leaves no position for a token");
  return {
    layers: file.size("num_hidden_layers"),
    dim,
    feedForward: file.size("intermediate_size"),
    heads,
    epsilon: file.number("layer_norm_eps", 1e-12),
    vocabularySize: file.size("vocab_size"),
    contextLength,
    activation: readActivation(file, "hidden_act"),
  };
}

function readLayer(weights: Weights, name: string, config: EncoderConfig): EncoderLayer {
  const { dim, feedForward } = config;
  return {
    query: readDense(weights, `${name}.attention.self.query`, dim, dim),
    key: readDense(weights, `${name}.attention.self.key`, dim, dim),
    value: readDense(weights, `${name}.attention.self.value`, dim, dim),
    attended: readDense(weights, `${name}.attention.output.dense`, dim, dim),
    attentionNorm: readNorm(weights, `${name}.attention.output.LayerNorm`, dim),
    up: readDense(weights, `${name}.intermediate.dense`, feedForward, dim),
    down: readDense(weights, `${name}.output.dense`, dim, feedForward),
    outputNorm: readNorm(weights, `${name}.output.LayerNorm`, dim),
  };
}
