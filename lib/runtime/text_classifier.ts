/**
 * Texts to labels: an encoder with a classifier behind it; and with one label, a
 * cross-encoder (Nogueira and Cho, 2019), which says how well a document answers a query by
 * reading both at once.
 *
 * Texts are put end to end into batches of a number of tokens, as an embedder does.
 */
import { DisposedError } from "../core/errors.ts";
import type { Progress } from "../core/progress.ts";
import { resolveModel } from "../hub/mod.ts";
import { keep } from "../memory/mod.ts";
import {
  type ClassifierHead,
  classifyRows,
  type Encoder,
  encoderArchitecture,
  Hyperparameters,
  readClassifierHead,
  Weights,
} from "../models/mod.ts";
import { sigmoid, softmax } from "../ops/mod.ts";
import { openTensors, type Tensor, Workspace } from "../tensor/mod.ts";
import { type PairTokenizer, tokenizerFromFolder, type TokenSequence } from "../tokenizers/mod.ts";
import { readObject } from "./embedder_config.ts";
import type { LoadModelOptions } from "./load_model.ts";
import { Pacer } from "../core/pacer.ts";
import { poolSequences } from "./pooling.ts";
import { Turns } from "./turns.ts";

/** A text, or two that are read together. */
export type ClassifierInput = string | readonly [first: string, second: string];

/** Options of {@linkcode TextClassifier.classify}. */
export interface ClassifyOptions {
  /** Ends the work; the call then throws the signal's reason. */
  signal?: AbortSignal;
  /** Told how many texts are done. */
  onProgress?: (progress: Progress) => void;
}

/** Options of {@linkcode TextClassifier.rank}. */
export interface RankOptions extends ClassifyOptions {
  /** How many of the best are wanted; all when left out. */
  topK?: number;
}

/** What a classifier says of a text. */
export interface Classification {
  /** The label with the highest score. */
  readonly label: string;
  /** Its score. */
  readonly score: number;
  /** The scores of all labels, in the order of `TextClassifier.labels`. */
  readonly scores: Float32Array<ArrayBuffer>;
}

/** A document in the order of how well it answers. */
export interface RankedDocument {
  /** Its place among the documents that were given. */
  readonly index: number;
  /** How well it answers; the classifier's only score. */
  readonly score: number;
  /** The document. */
  readonly text: string;
}

/** About how many tokens run together. */
const batchTokens = 1024;

/** A batch before it is run. */
interface Batch {
  readonly ids: number[];
  readonly typeIds: number[];
  readonly offsets: number[];
}

/** A model that says which label fits a text, or how well a document answers a query. */
export class TextClassifier implements Disposable {
  /** Where it was loaded from. */
  readonly name: string;
  /** Turns texts into tokens. */
  readonly tokenizer: PairTokenizer;
  /** The names of its labels, in the order of scores. */
  readonly labels: readonly string[];
  /** The most tokens of a text, or of two together; the longer loses its end. */
  readonly maxTokens: number;
  readonly #encoder: Encoder;
  readonly #head: ClassifierHead;
  readonly #workspace = keep(new Workspace());
  readonly #turns = new Turns();
  #disposed = false;

  /**
   * Loads a classifier. Weights are mapped, not read.
   *
   * @param source A folder with safetensors, `config.json` and `tokenizer.json`: what
   * transformers saves of a model for sequence classification; or `hf:owner/repo`.
   * @param options How to follow and end a download.
   * @returns The classifier, the caller's to dispose of.
   * @throws {SyntaxError} When a file is malformed or missing, or there is no classifier in it.
   * @throws {RangeError} When the architecture or a type is not supported.
   *
   * @example
   * ```ts ignore
   * import { TextClassifier } from "@quern/quern/models";
   *
   * using reranker = await TextClassifier.load("hf:cross-encoder/ms-marco-MiniLM-L6-v2");
   * const documents = ["The mill grinds corn.", "Cats sleep."];
   * for (const { text, score } of await reranker.rank("What do mills do?", documents)) {
   *   console.log(score, text);
   * }
   * ```
   */
  static async load(source: string, options: LoadModelOptions = {}): Promise<TextClassifier> {
    const folder = await resolveModel(source, options);
    const config = await readConfig(folder);
    const tokenizer = await tokenizerFromFolder(folder);
    using tensors = openTensors(folder);
    const values = new Hyperparameters(`${folder}/config.json`, (key) => config[key]);
    const build = encoderArchitecture(values.text("model_type"), values.name);
    const weights = new Weights(tensors);
    try {
      const encoder = build(values, weights);
      const head = readClassifierHead(values, weights, encoder.config.dim);
      return new TextClassifier(folder, encoder, head, tokenizer);
    } catch (error) {
      weights[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * User code calls `TextClassifier.load()` instead.
   *
   * @param name Where it was loaded from.
   * @param encoder The encoder, which this object takes over; it owns the head's weights too.
   * @param head What is behind the encoder.
   * @param tokenizer Its vocabulary.
   */
  constructor(name: string, encoder: Encoder, head: ClassifierHead, tokenizer: PairTokenizer) {
    const { contextLength } = encoder.config;
    this.name = name;
    this.tokenizer = tokenizer;
    this.labels = head.labels;
    this.maxTokens = Math.min(tokenizer.maxTokens ?? contextLength, contextLength);
    this.#encoder = encoder;
    this.#head = head;
  }

  /** Whether it was disposed of. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * The labels of some texts.
   *
   * Scores are probabilities that add up to 1, or with a single label, or with several that
   * may all fit, each a probability by itself; or just numbers, where the model's files say so.
   *
   * @param texts The texts; a pair is read together.
   * @param options How to follow and end the work.
   * @returns One for each text, in order.
   * @throws {DisposedError} When the classifier was disposed of, before or meanwhile.
   */
  async classify(
    texts: readonly ClassifierInput[],
    { signal, onProgress }: ClassifyOptions = {},
  ): Promise<Classification[]> {
    this.#checkAlive();
    const results: Classification[] = [];
    const report = () =>
      onProgress?.({
        stage: "classifying",
        completed: results.length,
        total: texts.length,
        unit: "texts",
      });
    report();
    const pacer = new Pacer(signal, () => this.#checkAlive());
    for (const batch of this.#batches(texts)) {
      const scores = await this.#turns.take(() => this.#run(batch, signal));
      const count = this.labels.length;
      for (let at = 0; at < scores.length; at += count) {
        results.push(this.#best(scores.subarray(at, at + count)));
      }
      report();
      await pacer.pause();
    }
    return results;
  }

  #best(scores: Float32Array<ArrayBuffer>): Classification {
    const at = scores.indexOf(Math.max(...scores));
    return { label: this.labels[at], score: scores[at], scores };
  }

  /**
   * Documents in the order of how well they answer a query: the best first, and of equals the
   * first first.
   *
   * @param query What is asked.
   * @param documents What may answer.
   * @param options How many are wanted, and how to follow and end the work.
   * @returns As many as are wanted, or as there are.
   * @throws {RangeError} When the model has several labels, and so does not rank.
   */
  async rank(
    query: string,
    documents: readonly string[],
    { topK = documents.length, ...options }: RankOptions = {},
  ): Promise<RankedDocument[]> {
    if (this.labels.length !== 1) {
      throw new RangeError(
        `TextClassifier.rank: ${this.name} has ${this.labels.length} labels, and ranks by none; ` +
          "use a cross-encoder, or classify()",
      );
    }
    if (!Number.isInteger(topK) || topK < 0) {
      throw new RangeError(`TextClassifier.rank: topK is an integer of 0 or more, not ${topK}`);
    }
    const pairs = documents.map((text) => [query, text] as const);
    const found = await this.classify(pairs, options);
    const ranked = found.map(({ score }, index) => ({ index, score, text: documents[index] }));
    return ranked.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, topK);
  }

  /** Gives all memory back. Doing so again is harmless. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#workspace[Symbol.dispose]();
    this.#encoder[Symbol.dispose]();
  }

  #checkAlive(): void {
    if (!this.#disposed) return;
    throw new DisposedError(`The classifier ${this.name} was disposed of before`);
  }

  *#batches(texts: readonly ClassifierInput[]): Generator<Batch, void, void> {
    const empty = (): Batch => ({ ids: [], typeIds: [], offsets: [0] });
    let batch = empty();
    for (const text of texts) {
      const { ids, typeIds } = this.#encode(text);
      if (batch.ids.length > 0 && batch.ids.length + ids.length > batchTokens) {
        yield batch;
        batch = empty();
      }
      for (let i = 0; i < ids.length; i++) {
        batch.ids.push(ids[i]);
        batch.typeIds.push(typeIds[i]);
      }
      batch.offsets.push(batch.ids.length);
    }
    if (batch.ids.length > 0) yield batch;
  }

  #encode(text: ClassifierInput): TokenSequence {
    const { maxTokens, tokenizer } = this;
    if (typeof text !== "string") return tokenizer.encodePair(...text, { maxTokens });
    const ids = tokenizer.encode(text, { maxTokens });
    return { ids, typeIds: new Uint8Array(ids.length) };
  }

  async #run(
    { ids, typeIds, offsets }: Batch,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array<ArrayBuffer>> {
    this.#checkAlive();
    const pacer = new Pacer(signal, () => this.#checkAlive());
    const hidden = await pacer.drive(this.#encoder.forward({ ids, typeIds, offsets }));
    const rows = this.#workspace.get("rows", [offsets.length - 1, this.#encoder.config.dim]);
    poolSequences(hidden, offsets, "cls", rows);
    using scores = classifyRows(this.#head, rows);
    this.#finish(scores);
    return scores.data.slice();
  }

  #finish(scores: Tensor<"float32">): void {
    const { scores: kind } = this.#head;
    if (kind === "softmax") softmax(scores, { out: scores });
    else if (kind === "sigmoid") sigmoid(scores, { out: scores });
  }
}

async function readConfig(folder: string): Promise<Record<string, unknown>> {
  if (!(await Deno.stat(folder)).isDirectory) {
    throw new RangeError(`${folder} is a file; classifiers are loaded from folders`);
  }
  const config = await readObject(`${folder}/config.json`);
  if (config !== undefined) return config;
  throw new SyntaxError(`${folder} has no config.json, so it is no model's folder`);
}
