/**
 * Architectures, one a file, and the tables that find them by the name that a file
 * gives.
 */
import type { GgufArchitecture } from "./causal_model.ts";
import { bert, roberta } from "./bert.ts";
import { distilbert } from "./distilbert.ts";
import type { EncoderArchitecture } from "./encoder_weights.ts";
import { ggufBert } from "./gguf_bert.ts";
import { llamaFromGguf } from "./llama.ts";
import { mpnet } from "./mpnet.ts";
import { nomicBert } from "./nomic_bert.ts";

export type {
  CacheShape,
  CausalModel,
  ForwardOptions,
  GgufArchitecture,
  KeyValueCache,
  WantedLogits,
  Workspace,
} from "./causal_model.ts";
export {
  type ClassifierHead,
  classifyRows,
  readClassifierHead,
  type ScoreFunction,
} from "./classifier_head.ts";
export { Decoder, type DecoderForwardOptions, type DecoderOptions } from "./decoder.ts";
export { decoderFromGguf, decoderToGguf, type GgufNotes } from "./decoder_gguf.ts";
export { Encoder, type EncoderConfig, type Sequences } from "./encoder.ts";
export type { EncoderArchitecture } from "./encoder_weights.ts";
export { dtypeOfGgml, type GgmlType, ggmlTypes, GgufTensors } from "./gguf_tensors.ts";
export { Hyperparameters } from "./hyperparameters.ts";
export { Llama } from "./llama.ts";
export type { LlamaConfig } from "./llama_config.ts";
export {
  SentenceEncoder,
  type SentenceEncoderForwardOptions,
  type SentenceEncoderOptions,
} from "./sentence_encoder.ts";
export {
  bertLayerName,
  readSentenceEncoder,
  sentenceEncoderTensors,
} from "./sentence_encoder_files.ts";
export { type StoredTensors, Weights } from "./weights.ts";

const languageModels: ReadonlyMap<string, GgufArchitecture> = new Map([
  ["llama", llamaFromGguf],
]);

/** By the name that `config.json` gives. */
const encoders: ReadonlyMap<string, EncoderArchitecture> = new Map([
  ["bert", bert],
  ["roberta", roberta],
  ["xlm-roberta", roberta],
  ["camembert", roberta],
  ["distilbert", distilbert],
  ["mpnet", mpnet],
  ["nomic_bert", nomicBert],
]);

/** By the name that a GGUF file gives. */
const ggufEncoders: ReadonlyMap<string, EncoderArchitecture> = new Map([
  ["bert", ggufBert],
  ["nomic-bert", ggufBert],
]);

function find<T>(known: ReadonlyMap<string, T>, architecture: unknown, name: string): T {
  const found = known.get(String(architecture));
  if (found !== undefined) return found;
  throw new RangeError(
    `${name}: the architecture ${JSON.stringify(architecture ?? "(none)")} is not supported; ` +
      `Quern runs ${[...known.keys()].join(", ")}`,
  );
}

/**
 * The architecture of a language model in a GGUF file.
 *
 * @param architecture The value of `general.architecture`.
 * @param name The file's name, for the error.
 * @returns A function that makes the model.
 * @throws {RangeError} When the architecture is not supported.
 */
export function ggufArchitecture(architecture: unknown, name: string): GgufArchitecture {
  return find(languageModels, architecture, name);
}

/**
 * The architecture of an encoder in a folder.
 *
 * @param type The value of `model_type`.
 * @param name The name of its `config.json`, for the error.
 * @returns A function that makes the encoder.
 * @throws {RangeError} When the architecture is not supported.
 */
export function encoderArchitecture(type: unknown, name: string): EncoderArchitecture {
  return find(encoders, type, name);
}

/**
 * The architecture of an encoder in a GGUF file.
 *
 * @param architecture The value of `general.architecture`.
 * @param name The file's name, for the error.
 * @returns A function that makes the encoder.
 * @throws {RangeError} When the architecture is not supported.
 */
export function ggufEncoderArchitecture(architecture: unknown, name: string): EncoderArchitecture {
  return find(ggufEncoders, architecture, name);
}
