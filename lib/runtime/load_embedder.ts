/**
 * Loads an encoder for vectors of texts: from a folder with safetensors and
 * tokenizer.json, or from a GGUF file.
 */
import { parseGguf } from "../formats/mod.ts";
import { resolveModel } from "../hub/mod.ts";
import { MappedStorage } from "../memory/mod.ts";
import {
  type Encoder,
  type EncoderArchitecture,
  encoderArchitecture,
  ggufEncoderArchitecture,
  GgufTensors,
  Hyperparameters,
  type StoredTensors,
  Weights,
} from "../models/mod.ts";
import { openTensors } from "../tensor/mod.ts";
import { type Tokenizer, tokenizerFromFolder, tokenizerFromGguf } from "../tokenizers/mod.ts";
import type { EmbedderConfig } from "./embedder.ts";
import { readEmbedderConfig, readObject } from "./embedder_config.ts";
import type { LoadModelOptions } from "./load_model.ts";
import type { Pooling } from "./pooling.ts";

/** What an embedder is made of. */
export interface EmbedderParts {
  /** Where they were loaded from. */
  readonly name: string;
  /** The encoder, the caller's to dispose of. */
  readonly encoder: Encoder;
  /** Its vocabulary. */
  readonly tokenizer: Tokenizer;
  /** What follows the encoder. */
  readonly config: EmbedderConfig;
}

/**
 * Loads the parts of an embedder. Weights are mapped, not read.
 *
 * @param source A known name such as `"minilm"`, a folder, a `.gguf` file, `hf:owner/repo`, or a URL.
 * @param options How to follow and end a download.
 * @returns The parts.
 * @throws {SyntaxError} When a file is malformed or missing.
 * @throws {RangeError} When the architecture, a step or a type is not supported.
 */
export async function loadEmbedderParts(
  source: string,
  options: LoadModelOptions,
): Promise<EmbedderParts> {
  const path = await resolveModel(source, options);
  const { isDirectory } = await Deno.stat(path);
  return isDirectory ? await fromFolder(path) : fromGguf(path);
}

async function fromFolder(folder: string): Promise<EmbedderParts> {
  const config = await readObject(`${folder}/config.json`);
  if (config === undefined) {
    throw new SyntaxError(`${folder} has no config.json, so it is no model's folder`);
  }
  const tokenizer = await tokenizerFromFolder(folder);
  using tensors = openTensors(folder);
  const values = new Hyperparameters(`${folder}/config.json`, (key) => config[key]);
  const build = encoderArchitecture(values.text("model_type"), values.name);
  const encoder = makeEncoder(build, values, tensors);
  try {
    const { contextLength } = encoder.config;
    const maxTokens = Math.min(tokenizer.maxTokens ?? contextLength, contextLength);
    const follows = await readEmbedderConfig(folder, maxTokens);
    return { name: folder, encoder, tokenizer, config: follows };
  } catch (error) {
    encoder[Symbol.dispose]();
    throw error;
  }
}

function fromGguf(path: string): EmbedderParts {
  const storage = MappedStorage.map(path);
  try {
    const gguf = parseGguf(new Uint8Array(storage.buffer), { name: path });
    const tokenizer = tokenizerFromGguf(gguf.metadata);
    const values = new Hyperparameters(path, (key) => gguf.metadata.get(key));
    const architecture = values.text("general.architecture");
    const pooling = ggufPooling(values, `${architecture}.pooling_type`);
    const tensors = new GgufTensors(gguf, storage, path);
    const encoder = makeEncoder(ggufEncoderArchitecture(architecture, path), values, tensors);
    const maxTokens = encoder.config.contextLength;
    const config = { pooling, normalize: true, maxTokens, prompts: {} };
    return { name: path, encoder, tokenizer, config };
  } finally {
    storage.release();
  }
}

function makeEncoder(
  build: EncoderArchitecture,
  values: Hyperparameters,
  tensors: StoredTensors,
): Encoder {
  const weights = new Weights(tensors);
  try {
    return build(values, weights);
  } catch (error) {
    weights[Symbol.dispose]();
    throw error;
  }
}

/** llama.cpp's numbers; 0 is none at all. */
const ggufPoolings: readonly (Pooling | undefined)[] = [undefined, "mean", "cls", "last"];

function ggufPooling(values: Hyperparameters, key: string): Pooling {
  const code = values.number(key, 1);
  return ggufPoolings[code] ?? values.unsupported(`pooling of type ${code}`);
}
