/**
 * Vectors to search through, in native memory or in a mapped file, with an id and a text
 * for each where they are wanted.
 *
 * A store's file is a safetensors file:
 *
 *     vectors        [rows, dimensions], F32, F16 or I8; of length 1 for the metric "cosine"
 *     scales         [rows], F32, for I8: what each row is multiplied by
 *     ids, texts     .bytes U8 and .offsets I64 [rows + 1], where there are any
 *     __metadata__   format "quern-vectors", version, metric, and what the caller saved
 */
import { DisposedError } from "../core/errors.ts";
import type { SafetensorsEntry } from "../formats/mod.ts";
import { keep } from "../memory/mod.ts";
import {
  openTensors,
  type SaveOptions,
  Tensor,
  type TensorFile,
  writeSafetensorsFile,
} from "../tensor/mod.ts";
import { Embeddings } from "./embeddings.ts";
import { Pacer } from "../core/pacer.ts";
import { TextColumn } from "./text_column.ts";
import { type VectorDType, VectorRows } from "./vector_rows.ts";
import { matrixOf, type Metric, rowsOf, type Vectors } from "./vectors.ts";

/** Options of a new {@linkcode VectorStore}. */
export interface VectorStoreOptions {
  /** Elements of a vector. */
  dimensions: number;
  /**
   * How they are stored: `"float32"`, the default; `"float16"`, half as large and as fast again
   * to search; or `"int8"`, a quarter, with scores that differ in the third digit.
   */
  dtype?: VectorDType;
  /** How vectors are compared; `"cosine"` when left out. */
  metric?: Metric;
}

/** What belongs to vectors that are added. */
export interface AddOptions {
  /** A name for each, for the caller's use. */
  ids?: readonly string[];
  /** The text of each. */
  texts?: readonly string[];
}

/** Options of {@linkcode VectorStore.search} and {@linkcode semanticSearch}. */
export interface SearchOptions {
  /** How many are wanted; 10 when left out. */
  topK?: number;
  /** Ends the work; the call then throws the signal's reason. */
  signal?: AbortSignal;
}

/** A vector that was found. */
export interface SearchHit {
  /** Its row, from 0. */
  readonly index: number;
  /** How alike it and the query are. */
  readonly score: number;
  /** Its id, where the store has ids. */
  readonly id?: string;
  /** Its text, where the store has texts. */
  readonly text?: string;
}

const format = "quern-vectors";
const version = "1";
/** Rows that are prepared at a time. */
const rowsTogether = 4096;
/** What is searched between two turns of the event loop: a millisecond's reading, or computing. */
const sliceBytes = 1 << 25;
const sliceProducts = 2 ** 28;

const dtypeOf: Readonly<Record<string, VectorDType>> = {
  F32: "float32",
  F16: "float16",
  I8: "int8",
};
const storedAs: Readonly<Record<VectorDType, string>> = {
  float32: "F32",
  float16: "F16",
  int8: "I8",
};

/** Vectors to search through, by the native library, on all threads. */
export class VectorStore implements Disposable {
  /** Elements of a vector. */
  readonly dimensions: number;
  /** How they are stored. */
  readonly dtype: VectorDType;
  /** How vectors are compared. */
  readonly metric: Metric;
  /** Texts about the store, saved with it. */
  readonly metadata: Map<string, string> = new Map();
  #rows: VectorRows;
  #ids: TextColumn | undefined;
  #texts: TextColumn | undefined;
  #disposed = false;

  /**
   * An empty store.
   *
   * @param options The size of vectors, how they are stored and compared.
   * @throws {RangeError} When an option is not possible.
   *
   * @example
   * ```ts
   * import { VectorStore } from "@quern/quern/models";
   *
   * using store = new VectorStore({ dimensions: 2, dtype: "float16" });
   * store.add([[1, 0], [0, 1], [1, 1]], { texts: ["east", "north", "northeast"] });
   * const hits = await store.search([0.5, 2], { topK: 2 });
   * console.log(hits.map(({ text }) => text)); // [ "north", "northeast" ]
   * ```
   */
  constructor({ dimensions, dtype = "float32", metric = "cosine" }: VectorStoreOptions) {
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > 1 << 20) {
      throw new RangeError(
        `VectorStore: dimensions is an integer from 1 to 2^20, not ${dimensions}`,
      );
    }
    checkChoice("dtype", dtype, Object.keys(storedAs));
    checkChoice("metric", metric, ["cosine", "dot"]);
    this.dimensions = dimensions;
    this.dtype = dtype;
    this.metric = metric;
    this.#rows = new VectorRows(dtype, dimensions);
  }

  /**
   * Opens a store that was saved. Its vectors and texts are mapped, not read, so that it takes
   * no longer for millions of rows than for few.
   *
   * @param path The file.
   * @returns The store, the caller's to dispose of; what is added to it goes to memory.
   * @throws {SyntaxError} When it is no such file, or a damaged one.
   *
   * @example
   * ```ts ignore
   * import { VectorStore } from "@quern/quern/models";
   *
   * using store = await VectorStore.load("notes.vectors");
   * console.log(store.size, store.metadata.get("model"));
   * ```
   */
  // deno-lint-ignore require-await -- what loads from files gives a promise, also of its errors
  static async load(path: string): Promise<VectorStore> {
    using file = openTensors(path);
    const { metadata } = file;
    if (metadata.get("format") !== format || metadata.get("version") !== version) {
      throw new SyntaxError(`${path} is no store of vectors that VectorStore.save() wrote`);
    }
    const shape = file.shape("vectors");
    const dtype = dtypeOf[file.storedDType("vectors") ?? ""];
    if (shape?.length !== 2 || dtype === undefined) {
      throw new SyntaxError(`${path} has no vectors in ${Object.keys(dtypeOf).join(", ")}`);
    }
    const [rows, dimensions] = shape;
    const store = new VectorStore({ dimensions, dtype, metric: metadata.get("metric") as Metric });
    try {
      store.#open(file, rows);
    } catch (error) {
      store[Symbol.dispose]();
      throw error;
    }
    for (const [key, value] of metadata) {
      if (!reserved.includes(key)) store.metadata.set(key, value);
    }
    return store;
  }

  #open(file: TensorFile, rows: number): void {
    if (rows > 0) {
      const int8 = this.dtype === "int8";
      if (
        int8 && (file.storedDType("scales") !== "F32" || file.shape("scales")?.join() !== `${rows}`)
      ) {
        throw new SyntaxError(`${file.name} has no scales for ${rows} rows of int8`);
      }
      const vectors = int8 ? file.openBytes("vectors") : file.open("vectors");
      const scales = int8 ? file.open("scales") : undefined;
      this.#rows.adopt(vectors as Tensor<"float32">, scales as Tensor<"float32"> | undefined);
    }
    if (file.has("ids.bytes")) (this.#ids = new TextColumn("ids")).open(file, rows);
    if (file.has("texts.bytes")) (this.#texts = new TextColumn("texts")).open(file, rows);
  }

  /** How many vectors there are. */
  get size(): number {
    return this.#rows.count;
  }

  /** Whether it was disposed of. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Appends vectors. Rows that were there stay where they are.
   *
   * @param vectors One vector or more; they are copied, and rounded to the store's dtype.
   * @param options Their ids and texts: for all rows of a store, or for none.
   * @throws {RangeError} When they have other dimensions, or an element is not finite.
   * @throws {TypeError} When ids or texts are missing, or too few or too many.
   */
  add(vectors: Vectors, { ids, texts }: AddOptions = {}): void {
    this.#checkAlive();
    if (Array.isArray(vectors) && vectors.length === 0) return;
    const matrix = this.#matrix("VectorStore.add", vectors);
    this.#checkColumn("ids", this.#ids, ids, matrix.rows);
    this.#checkColumn("texts", this.#texts, texts, matrix.rows);
    const { size } = this;
    try {
      for (let from = 0; from < matrix.rows; from += rowsTogether) {
        const end = Math.min(from + rowsTogether, matrix.rows);
        using rows = rowsOf("VectorStore.add", "vectors", matrix, this.metric, from, end);
        this.#rows.append(rows);
      }
    } catch (error) {
      this.#rows.truncate(size);
      throw error;
    }
    if (ids !== undefined) (this.#ids ??= new TextColumn("ids")).append(ids);
    if (texts !== undefined) (this.#texts ??= new TextColumn("texts")).append(texts);
  }

  #checkColumn(
    name: string,
    column: TextColumn | undefined,
    values: readonly string[] | undefined,
    rows: number,
  ): void {
    if (values !== undefined && values.length !== rows) {
      throw new TypeError(`VectorStore.add: ${rows} vectors with ${values.length} ${name}`);
    }
    if (values?.some((value) => typeof value !== "string")) {
      throw new TypeError(`VectorStore.add: ${name} are strings`);
    }
    if (this.size > 0 && (column === undefined) !== (values === undefined)) {
      throw new TypeError(
        `VectorStore.add: ${name} are for all rows or for none, and the ${this.size} rows before ` +
          `have ${column === undefined ? "none" : "some"}`,
      );
    }
  }

  /**
   * The vectors that are most like a query, or those of each query: the best first, and of
   * equals the first row first, whatever the number of threads.
   *
   * @param query One vector.
   * @param options How many are wanted, and how to end the work.
   * @returns As many hits as are wanted, or as there are rows.
   * @throws {RangeError} When the query has other dimensions, or is not finite.
   * @throws {DisposedError} When the store was disposed of, before or meanwhile.
   * @throws {Error} When rows were removed meanwhile.
   */
  search(query: ArrayLike<number>, options?: SearchOptions): Promise<SearchHit[]>;
  /** The same for several queries, which together take less time than one after the other. */
  search(
    queries: Embeddings | readonly ArrayLike<number>[],
    options?: SearchOptions,
  ): Promise<SearchHit[][]>;
  async search(
    query: Vectors,
    { topK = 10, signal }: SearchOptions = {},
  ): Promise<SearchHit[] | SearchHit[][]> {
    this.#checkAlive();
    if (!Number.isInteger(topK) || topK < 1) {
      throw new RangeError(`VectorStore.search: topK is an integer of 1 or more, not ${topK}`);
    }
    const matrix = this.#matrix("VectorStore.search", query);
    const k = Math.min(topK, this.size);
    using queries = keep(rowsOf("VectorStore.search", "the query", matrix, this.metric));
    using scores = keep(Tensor.empty([matrix.rows, k]));
    using indices = keep(Tensor.empty([matrix.rows, k], "int32"));
    const searched = this.#rows;
    using rows = searched.share();
    const work = searchAll(rows, queries, { scores, indices });
    await new Pacer(signal, () => this.#checkUnmoved(searched)).drive(work);
    const found = Array.from({ length: matrix.rows }, (_, i) => {
      const place = scores.data.subarray(i * k, (i + 1) * k);
      return Array.from(place, (score, j) => this.#hit(indices.data[i * k + j], score));
    });
    return query instanceof Embeddings || typeof query[0] !== "number" ? found : found[0];
  }

  #hit(index: number, score: number): SearchHit {
    return {
      index,
      score,
      ...this.#ids !== undefined && { id: this.#ids.get(index) },
      ...this.#texts !== undefined && { text: this.#texts.get(index) },
    };
  }

  /**
   * A vector as it is stored: of length 1 for the metric "cosine", and rounded.
   *
   * @param index Its row.
   * @returns A copy in float32.
   * @throws {RangeError} When there is no such row.
   */
  vector(index: number): Float32Array<ArrayBuffer> {
    this.#checkRow(index);
    return this.#rows.row(index);
  }

  /**
   * The id of a row.
   *
   * @param index The row.
   * @returns The id; undefined when the store has none.
   */
  id(index: number): string | undefined {
    this.#checkRow(index);
    return this.#ids?.get(index);
  }

  /**
   * The text of a row.
   *
   * @param index The row.
   * @returns The text; undefined when the store has none.
   */
  text(index: number): string | undefined {
    this.#checkRow(index);
    return this.#texts?.get(index);
  }

  /**
   * Removes rows; those behind them move up. All that is kept is copied once.
   *
   * @param indices The rows, in any order.
   * @throws {RangeError} When there is no such row.
   */
  remove(indices: Iterable<number>): void {
    this.#checkAlive();
    const removed = new Set(indices);
    for (const index of removed) this.#checkRow(index);
    if (removed.size === 0) return;
    const kept = new VectorRows(this.dtype, this.dimensions);
    let at = 0;
    for (const { segment, from, count } of this.#rows.ranges(Infinity)) {
      for (let i = 0; i < count;) {
        const start = i;
        while (i < count && !removed.has(at + i)) i++;
        if (i > start) kept.appendRange({ segment, from: from + start, count: i - start });
        while (i < count && removed.has(at + i)) i++;
      }
      at += count;
    }
    const rows = Array.from({ length: at }, (_, row) => row).filter((row) => !removed.has(row));
    const [ids, texts] = [this.#ids?.select(rows), this.#texts?.select(rows)];
    this.#release();
    [this.#rows, this.#ids, this.#texts] = [kept, ids, texts];
  }

  /**
   * Saves the store, whole or not at all. It may be changed meanwhile: what is saved is what
   * it held at first.
   *
   * @param path The file, which is replaced where it exists, also when this store shows it.
   * @param options How to follow and end the work; `metadata` is added to the store's own.
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    this.#checkAlive();
    using rows = this.#rows.share();
    using ids = this.#ids?.share();
    using texts = this.#texts?.share();
    const columns = [ids, texts].filter((column) => column !== undefined);
    const entries: SafetensorsEntry[] = [
      { name: "vectors", dtype: storedAs[this.dtype], shape: [rows.count, this.dimensions] },
      ...columns.flatMap((column) => column.entries()),
    ];
    if (this.dtype === "int8") entries.push({ name: "scales", dtype: "F32", shape: [rows.count] });
    const metadata = {
      ...Object.fromEntries(this.metadata),
      ...options.metadata,
      format,
      version,
      metric: this.metric,
    };
    const piecesOf = (name: string) => {
      const column = columns.find((column) => name.startsWith(`${column.name}.`));
      return column?.pieces(name) ?? rows.bytes(name === "scales" ? "scales" : "rows");
    };
    await writeSafetensorsFile(path, entries, piecesOf, { ...options, metadata });
  }

  /** Gives all memory back. Doing so again is harmless. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#release();
  }

  #release(): void {
    this.#rows[Symbol.dispose]();
    this.#ids?.[Symbol.dispose]();
    this.#texts?.[Symbol.dispose]();
  }

  #matrix(operation: string, vectors: Vectors): Embeddings {
    const matrix = matrixOf(operation, "the vectors", vectors);
    if (matrix.dimensions === this.dimensions) return matrix;
    throw new RangeError(
      `${operation}: the vectors have ${matrix.dimensions} dimensions, the store ${this.dimensions}`,
    );
  }

  #checkRow(index: number): void {
    this.#checkAlive();
    if (Number.isInteger(index) && index >= 0 && index < this.size) return;
    throw new RangeError(`VectorStore: ${index} is not one of ${this.size} rows`);
  }

  #checkUnmoved(searched: VectorRows): void {
    this.#checkAlive();
    if (this.#rows === searched) return;
    throw new Error("VectorStore: rows were removed while a search ran; search again");
  }

  #checkAlive(): void {
    if (this.#disposed) throw new DisposedError("The store of vectors was disposed of before");
  }
}

const reserved: readonly string[] = ["format", "version", "metric"];

function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new RangeError(`VectorStore: ${name} is ${choices.join(" or ")}, not ${value}`);
}

/** Searches slice by slice, so that its driver can let other work run or stop. */
function* searchAll(
  rows: VectorRows,
  queries: Tensor<"float32">,
  best: { readonly scores: Tensor<"float32">; readonly indices: Tensor<"int32"> },
): Generator<void, void, void> {
  const products = queries.shape[0] * rows.dimensions;
  const most = Math.min(sliceBytes / rows.rowBytes, sliceProducts / products);
  let first = 0;
  for (const range of rows.ranges(Math.max(1, Math.floor(most)))) {
    rows.search(best, queries, range, first);
    first += range.count;
    yield;
  }
}
