/**
 * Texts to vectors: an encoder with its tokenizer, and what follows the last layer.
 *
 * Texts are taken in order and put end to end into batches of a number of tokens, so
 * no work goes into padding, and a text's vector has the same bits in any company.
 */
import { DisposedError } from "../core/errors.ts";
import type { Progress } from "../core/progress.ts";
import type { Encoder } from "../models/encoder.ts";
import type { Precision } from "../ops/mod.ts";
import type { Tokenizer } from "../tokenizers/mod.ts";
import { keep } from "../memory/mod.ts";
import { Workspace } from "../tensor/mod.ts";
import { promptText } from "./embedder_config.ts";
import { Embeddings } from "./embeddings.ts";
import { gather } from "./gather.ts";
import { loadEmbedderParts } from "./load_embedder.ts";
import type { LoadModelOptions } from "./load_model.ts";
import { Pacer } from "../core/pacer.ts";
import { normalizeRows, type Pooling, poolSequences } from "./pooling.ts";
import { Turns } from "./turns.ts";

/** What a model does with its last layer, and with its texts. */
export interface EmbedderConfig {
  /** Which rows count. */
  readonly pooling: Pooling;
  /** Whether vectors have length 1. */
  readonly normalize: boolean;
  /** The most tokens of a text; what is behind them is left out. */
  readonly maxTokens: number;
  /** Texts that the model wants before others, by their use. */
  readonly prompts: Readonly<Record<string, string>>;
  /** The prompt that is used when none is asked for. */
  readonly defaultPrompt?: string;
}

/** Options of {@linkcode Embedder.load}. */
export interface LoadEmbedderOptions extends LoadModelOptions {
  /**
   * `"exact"`, when left out, computes in float32. `"fast"` multiplies in bfloat16 where the
   * processor has dot products of it; the vectors' cosines to the exact ones are above 0.9999.
   */
  precision?: Precision;
}

/** Options of {@linkcode Embedder.embed}. */
export interface EmbedOptions {
  /** A name of the model's prompts, such as `"query"`; or any text, to be put before each. */
  prompt?: string;
  /** Only the first elements of each vector (Kusupati et al., 2022); all when left out. */
  dimensions?: number;
  /** Whether vectors have length 1; as the model's files say when left out. */
  normalize?: boolean;
  /** Ends the work; the call then throws the signal's reason. */
  signal?: AbortSignal;
  /** Told how many texts are done. */
  onProgress?: (progress: Progress) => void;
}

/** About how many tokens run together: enough to keep every thread busy. */
const batchTokens = 1024;

/** A batch before it is run. */
interface Batch {
  readonly ids: number[];
  readonly offsets: number[];
}

/** A model that turns texts into vectors, whose distance is that of their meaning. */
export class Embedder implements Disposable {
  /** Where it was loaded from. */
  readonly name: string;
  /** Turns texts into tokens. */
  readonly tokenizer: Tokenizer;
  /** What is done with the last layer, and with texts. */
  readonly config: EmbedderConfig;
  /** How products treat their operands. */
  readonly precision: Precision;
  readonly #encoder: Encoder;
  readonly #workspace = keep(new Workspace());
  /** Batches of several calls share the encoder's memory. */
  readonly #turns = new Turns();
  #disposed = false;

  /**
   * Loads an embedder. Weights are mapped, not read.
   *
   * @param source A known name such as `"minilm"`, a folder with safetensors, `config.json` and
   * `tokenizer.json`, or a `.gguf` file; `hf:owner/repo` and URLs too.
   * @param options The precision, and how to follow and end a download.
   * @returns The embedder, the caller's to dispose of.
   * @throws {SyntaxError} When a file is malformed or missing.
   * @throws {RangeError} When the architecture, a step or a type is not supported.
   * @throws {TypeError} When there is no such precision.
   *
   * @example
   * ```ts ignore
   * import { Embedder } from "@quern/quern/models";
   *
   * using embedder = await Embedder.load("minilm");
   * const [mill, wheel] = await embedder.embed(["A mill.", "A wheel turns."]);
   * console.log(mill.reduce((sum, value, i) => sum + value * wheel[i], 0)); // how alike they are
   * ```
   */
  static async load(source: string, options: LoadEmbedderOptions = {}): Promise<Embedder> {
    const { precision = "exact" } = options;
    if (precision !== "exact" && precision !== "fast") {
      throw new TypeError(`Embedder.load: precision is "exact" or "fast", not ${precision}`);
    }
    const { name, encoder, tokenizer, config } = await loadEmbedderParts(source, options);
    return new Embedder(name, encoder, tokenizer, config, precision);
  }

  /**
   * User code calls `Embedder.load()` instead.
   *
   * @param name Where it was loaded from.
   * @param encoder The encoder, which this object takes over.
   * @param tokenizer Its vocabulary.
   * @param config What follows the encoder.
   * @param precision How products treat their operands.
   */
  constructor(
    name: string,
    encoder: Encoder,
    tokenizer: Tokenizer,
    config: EmbedderConfig,
    precision: Precision = "exact",
  ) {
    this.name = name;
    this.tokenizer = tokenizer;
    this.config = config;
    this.precision = precision;
    this.#encoder = encoder;
  }

  /** Elements of a vector. */
  get dimensions(): number {
    return this.#encoder.config.dim;
  }

  /** Whether it was disposed of. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * The vectors of some texts.
   *
   * @param texts The texts.
   * @param options The prompt, the size, and how to follow and end the work.
   * @returns A matrix with one row a text, copied: the caller's to keep.
   * @throws {RangeError} When `dimensions` is more than the model has.
   * @throws {DisposedError} When the embedder was disposed of, before or meanwhile.
   *
   * @example
   * ```ts ignore
   * import { Embedder } from "@quern/quern/models";
   *
   * using embedder = await Embedder.load("minilm");
   * const vectors = await embedder.embed(["The mill stood by the river.", "A watermill."]);
   * for (const vector of vectors) console.log(vector.subarray(0, 4));
   * ```
   */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<Embeddings> {
    const dimensions = this.#checkOptions(options);
    const data = new Float32Array(texts.length * dimensions);
    let done = 0;
    const report = () =>
      options.onProgress?.({
        stage: "embedding",
        completed: done,
        total: texts.length,
        unit: "texts",
      });
    report();
    const pacer = new Pacer(options.signal, () => this.#checkAlive());
    for (const batch of this.#batches(texts, options.prompt)) {
      data.set(
        await this.#turns.take(() => this.#run(batch, dimensions, options)),
        done * dimensions,
      );
      done += batch.offsets.length - 1;
      report();
      await pacer.pause();
    }
    return new Embeddings(data, dimensions);
  }

  /**
   * The vectors of a stream of texts, in order. As many texts are held at a time as
   * run together, so a stream of any length takes the same memory.
   *
   * @param texts The texts, as they come.
   * @param options The prompt, the size, and how to follow and end the work.
   * @returns One vector after the other, copied: the caller's to keep.
   */
  async *embedStream(
    texts: Iterable<string> | AsyncIterable<string>,
    options: EmbedOptions = {},
  ): AsyncGenerator<Float32Array<ArrayBuffer>, void, void> {
    this.#checkOptions(options);
    let done = 0;
    const { signal } = options;
    const pacer = new Pacer(signal, () => this.#checkAlive());
    for await (const some of gather(texts, streamTexts, signal)) {
      const onProgress = options.onProgress && ((progress: Progress) =>
        options.onProgress?.({
          ...progress,
          completed: done + progress.completed,
          total: undefined,
        }));
      for (const vector of await this.embed(some, { ...options, onProgress })) {
        // Before each: whoever takes the vectors may need long for one.
        await pacer.pause();
        yield vector;
      }
      done += some.length;
    }
  }

  /** Gives all memory back. Doing so again is harmless. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#workspace[Symbol.dispose]();
    this.#encoder[Symbol.dispose]();
  }

  #checkOptions({ dimensions = this.dimensions }: EmbedOptions): number {
    this.#checkAlive();
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > this.dimensions) {
      throw new RangeError(
        `embed: dimensions is an integer from 1 to ${this.dimensions}, not ${dimensions}`,
      );
    }
    return dimensions;
  }

  #checkAlive(): void {
    if (this.#disposed) throw new DisposedError(`The embedder ${this.name} was disposed of before`);
  }

  *#batches(texts: readonly string[], promptOrName: string | undefined): Generator<Batch> {
    const { maxTokens } = this.config;
    const prompt = promptText(this.config, promptOrName);
    let batch: Batch = { ids: [], offsets: [0] };
    for (const text of texts) {
      const ids = this.tokenizer.encode(prompt + text, { maxTokens });
      if (batch.ids.length > 0 && batch.ids.length + ids.length > batchTokens) {
        yield batch;
        batch = { ids: [], offsets: [0] };
      }
      for (const id of ids) batch.ids.push(id);
      batch.offsets.push(batch.ids.length);
    }
    if (batch.ids.length > 0) yield batch;
  }

  async #run(
    { ids, offsets }: Batch,
    dimensions: number,
    { normalize = this.config.normalize, signal }: EmbedOptions,
  ): Promise<Float32Array> {
    this.#checkAlive();
    const pacer = new Pacer(signal, () => this.#checkAlive());
    const hidden = await pacer.drive(this.#encoder.forward({ ids, offsets }, this));
    const whole = this.#workspace.get("vectors", [offsets.length - 1, this.dimensions]);
    poolSequences(hidden, offsets, this.config.pooling, whole);
    if (dimensions === this.dimensions) {
      if (normalize) normalizeRows(whole);
      return whole.data.slice();
    }
    using columns = whole.slice(0, dimensions, { axis: 1 });
    using part = columns.contiguous();
    if (normalize) normalizeRows(part);
    return part.data.slice();
  }
}

/** The most texts of a stream that are held at a time. */
const streamTexts = 256;
