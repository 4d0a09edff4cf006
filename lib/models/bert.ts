/**
 * BERT (Devlin et al., 2019) and those that share its files' names: RoBERTa (Liu et
 * al., 2019), XLM-R (Conneau et al., 2020) and CamemBERT, whose first two positions stand
 * for padding.
 */
import type { Tensor } from "../tensor/mod.ts";
import { Encoder, type EncoderConfig } from "./encoder.ts";
import {
  checkHeads,
  type EncoderArchitecture,
  findPrefix,
  type LayerNames,
  readActivation,
  readLayers,
  readNorm,
  readTable,
} from "./encoder_weights.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { Weights } from "./weights.ts";

const layerNames: LayerNames = {
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
  attended: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  up: "intermediate.dense",
  down: "output.dense",
  outputNorm: "output.LayerNorm",
};

/** Makes BERT, whose positions begin at 0. */
export const bert: EncoderArchitecture = (config, weights) => build(config, weights, 0);

/** Makes RoBERTa, whose positions begin behind the one that stands for padding. */
export const roberta: EncoderArchitecture = (config, weights) =>
  build(config, weights, positionBehindPadding(config));

/**
 * The first position of a token in RoBERTa.
 *
 * @param file The file's hyperparameters.
 * @returns How many positions stand for no token.
 * @throws {SyntaxError} When the token of padding is none.
 */
export function positionBehindPadding(file: Hyperparameters): number {
  const padding = file.number("pad_token_id", 1);
  if (!Number.isInteger(padding) || padding < 0) file.malformed("pad_token_id is no token's id");
  return padding + 1;
}

/**
 * What the names of a file's tensors begin with.
 *
 * @param weights The file's tensors.
 * @returns The prefix, empty where there is none.
 */
export function bertPrefix(weights: Weights): string {
  return findPrefix(weights, ["bert.", "roberta.", "camembert."]);
}

function build(file: Hyperparameters, weights: Weights, firstPosition: number): Encoder {
  const config = readBertConfig(file, firstPosition);
  const { dim, vocabularySize } = config;
  const prefix = bertPrefix(weights);
  const embeddings = `${prefix}embeddings`;
  const positions = `${embeddings}.position_embeddings.weight`;
  const read = {
    tokens: weights.tensor(`${embeddings}.word_embeddings.weight`, [vocabularySize, dim]),
    positions: readPositions(weights, positions, firstPosition, config),
    types: readTable(weights, `${embeddings}.token_type_embeddings.weight`, dim),
    embeddingNorm: readNorm(weights, `${embeddings}.LayerNorm`, dim),
    layers: readLayers(weights, `${prefix}encoder.layer`, layerNames, config),
  };
  return new Encoder(config, read, weights);
}

/**
 * The sizes and constants that BERT's `config.json` names, and those that share its names.
 *
 * @param file The file's hyperparameters.
 * @param firstPosition How many positions stand for no token.
 * @returns What they say.
 */
export function readBertConfig(file: Hyperparameters, firstPosition: number): EncoderConfig {
  const type = file.text("position_embedding_type") ?? "absolute";
  if (type !== "absolute") file.unsupported(`positions of type ${type}`);
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
    epsilon: file.epsilon("layer_norm_eps", 1e-12),
    vocabularySize: file.size("vocab_size"),
    contextLength,
    activation: readActivation(file, "hidden_act"),
  };
}

/**
 * The rows that are added to tokens by their position.
 *
 * @param weights The file's tensors.
 * @param name That of the table.
 * @param firstPosition How many positions before them stand for no token.
 * @param config The encoder's sizes.
 * @returns `[contextLength, dim]`.
 */
export function readPositions(
  weights: Weights,
  name: string,
  firstPosition: number,
  { contextLength, dim }: EncoderConfig,
): Tensor<"float32"> {
  const all = weights.widened(name, [contextLength + firstPosition, dim]);
  return weights.own(all.slice(firstPosition));
}
