/**
 * Embedders that are trained: from folders as sentence-transformers lays them out, and back into
 * such folders, which `Embedder` loads.
 */
import { resolveModel } from "../hub/mod.ts";
import {
  bertLayerName,
  Hyperparameters,
  readSentenceEncoder,
  type SentenceEncoder,
  sentenceEncoderTensors,
  Weights,
} from "../models/mod.ts";
import { openTensors, saveTensors, Tensor } from "../tensor/mod.ts";
import { type Tokenizer, tokenizerFromFolder } from "../tokenizers/mod.ts";
import type { EmbedderConfig } from "./embedder.ts";
import { promptText, readEmbedderConfig, readObject } from "./embedder_config.ts";
import type { LoadModelOptions } from "./load_model.ts";

/** Options of {@linkcode TrainableEmbedder.load}. */
export interface LoadTrainableEmbedderOptions extends LoadModelOptions {
  /** The probability that elements are left out in training; 0 when left out. */
  dropout?: number;
  /** An integer from 0 to 2^32 - 1, where the choices of dropout begin. */
  seed?: number;
}

/** Options of {@linkcode TrainableEmbedder.embed}. */
export interface TrainableEmbedOptions {
  /** A name of the model's prompts, such as `"query"`; or any text, to be put before each. */
  prompt?: string;
}

/**
 * A model that turns texts into vectors through which gradients go: a sentence encoder with its
 * tokenizer. Texts of a batch are padded to the longest.
 *
 * @example
 * ```ts ignore
 * import { TrainableEmbedder } from "@quern/quern/models";
 * import { LoraAdapters, multipleNegativesRanking } from "@quern/quern/nn";
 * import { AdamW } from "@quern/quern/optim";
 *
 * using model = await TrainableEmbedder.load("minilm");
 * using adapters = new LoraAdapters(model.encoder, { rank: 8 });
 * using optimizer = new AdamW(model.encoder.parameters(), { learningRate: 1e-3 });
 * for (let step = 0; step < 10; step++) {
 *   using questions = model.embed(["When is the mill open?", "Who owns it?"]);
 *   using answers = model.embed(["It opens at nine.", "It belongs to the miller."]);
 *   using loss = multipleNegativesRanking(questions, answers);
 *   loss.backward();
 *   optimizer.step();
 * }
 * adapters.merge();
 * await model.save("tuned"); // Embedder.load("tuned") reads it
 * ```
 */
export class TrainableEmbedder implements Disposable {
  /** The folder that it was loaded from. */
  readonly folder: string;
  /** The module that is trained. */
  readonly encoder: SentenceEncoder;
  /** Turns texts into tokens. */
  readonly tokenizer: Tokenizer;
  /** What is done with the last layer, and with texts. */
  readonly config: EmbedderConfig;

  /**
   * Loads an embedder to train it further. Its weights become float32; all of them require
   * gradients.
   *
   * @param source A known name such as `"minilm"`, or a folder with safetensors, `config.json` and
   * `tokenizer.json`, of a BERT or RoBERTa whose vectors are means or first rows.
   * @param options Dropout, and how to follow and end a download.
   * @returns The model, the caller's to dispose of.
   * @throws {SyntaxError} When a file is malformed or missing.
   * @throws {RangeError} When the architecture, a step or a type is not supported.
   */
  static async load(
    source: string,
    options: LoadTrainableEmbedderOptions = {},
  ): Promise<TrainableEmbedder> {
    const folder = await resolveModel(source, options);
    const values = await readConfig(folder);
    const tokenizer = await tokenizerFromFolder(folder);
    const config = await readEmbedderConfig(folder, tokenizer.maxTokens ?? Infinity);
    const { pooling, normalize } = config;
    if (pooling !== "mean" && pooling !== "cls") {
      throw new RangeError(`${folder}: training with the pooling ${pooling} is not supported`);
    }
    using tensors = openTensors(folder);
    const { dropout, seed } = options;
    const encoder = readSentenceEncoder(values, tensors, { pooling, normalize, dropout, seed });
    const maxTokens = Math.min(config.maxTokens, encoder.contextLength);
    return new TrainableEmbedder(folder, encoder, tokenizer, { ...config, maxTokens });
  }

  /**
   * User code calls `TrainableEmbedder.load()` instead.
   *
   * @param folder Where it was loaded from.
   * @param encoder The encoder, which this object takes over.
   * @param tokenizer Its vocabulary.
   * @param config What follows the encoder.
   */
  constructor(
    folder: string,
    encoder: SentenceEncoder,
    tokenizer: Tokenizer,
    config: EmbedderConfig,
  ) {
    this.folder = folder;
    this.encoder = encoder;
    this.tokenizer = tokenizer;
    this.config = config;
  }

  /**
   * The vectors of some texts, recorded for gradients while the encoder is in training.
   *
   * @param texts One or more, which run together.
   * @param options The prompt.
   * @returns `[texts, dim]`.
   * @throws {RangeError} When there is no text.
   */
  embed(texts: readonly string[], options: TrainableEmbedOptions = {}): Tensor<"float32"> {
    if (texts.length === 0) throw new RangeError("TrainableEmbedder.embed: there is no text");
    const { maxTokens } = this.config;
    const prompt = promptText(this.config, options.prompt);
    const sequences = texts.map((text) => this.tokenizer.encode(prompt + text, { maxTokens }));
    const longest = Math.max(...sequences.map(({ length }) => length), 1);
    using ids = Tensor.zeros([texts.length, longest], "int32");
    using mask = Tensor.zeros([texts.length, longest], "int32");
    sequences.forEach((sequence, i) => {
      ids.data.set(sequence, i * longest);
      mask.data.fill(1, i * longest, i * longest + sequence.length);
    });
    return this.encoder.forward(ids, { mask });
  }

  /**
   * What the model's files call a layer: for the option `fileName` of adapters, which PEFT then
   * finds in the same model.
   *
   * @param path The layer's path in the encoder, such as `blocks.0.attention.query`.
   * @returns Its name, such as `encoder.layer.0.attention.self.query`.
   */
  fileName(path: string): string {
    return bertLayerName(path) ?? path;
  }

  /**
   * Saves the model as a folder that `Embedder.load` reads: its weights in float32, with the
   * other files of the folder that it was loaded from.
   *
   * @param folder The folder, which is made where there is none.
   * @throws {Error} When there are adapters that are not merged.
   */
  async save(folder: string): Promise<void> {
    const values = await readConfig(this.folder);
    using stored = openTensors(this.folder);
    using weights = new Weights(stored);
    const tensors = sentenceEncoderTensors(this.encoder, values, stored, weights);
    await Deno.mkdir(folder, { recursive: true });
    await copyTexts(this.folder, folder);
    await saveTensors(`${folder}/model.safetensors`, tensors, { metadata: { format: "pt" } });
  }

  /** Gives all memory back. Doing so again is harmless. */
  dispose(): void {
    this.encoder.dispose();
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

async function readConfig(folder: string): Promise<Hyperparameters> {
  const path = `${folder}/config.json`;
  const values = await readObject(path);
  if (values !== undefined) return new Hyperparameters(path, (key) => values[key]);
  throw new SyntaxError(`${folder} has no config.json, so it is no model's folder`);
}

/** Copies what says how texts are read and vectors made: not the weights, nor their index. */
async function copyTexts(from: string, to: string): Promise<void> {
  if (await Deno.realPath(from) === await Deno.realPath(to)) return;
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const isText = /\.(json|txt|model)$/.test(name) && !name.endsWith(".index.json");
    if (isDirectory) await copyConfig(from, to, name);
    else if (isText) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** The one file of a step such as `1_Pooling`. */
async function copyConfig(from: string, to: string, step: string): Promise<void> {
  const path = `${step}/config.json`;
  const text = await Deno.readTextFile(`${from}/${path}`).catch(() => undefined);
  if (text === undefined) return;
  await Deno.mkdir(`${to}/${step}`, { recursive: true });
  await Deno.writeTextFile(`${to}/${path}`, text);
}
