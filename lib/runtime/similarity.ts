/**
 * Vectors compared with each other, without a store that lasts.
 */
import { matmul } from "../ops/mod.ts";
import { Embeddings } from "./embeddings.ts";
import { type SearchHit, type SearchOptions, VectorStore } from "./vector_store.ts";
import { matrixOf, type Metric, rowsOf, type Vectors } from "./vectors.ts";

/** Options of {@linkcode similarity}. */
export interface SimilarityOptions {
  /** How vectors are compared; `"cosine"` when left out. */
  metric?: Metric;
}

/**
 * How alike all vectors of one list are to all of another.
 *
 * @param a One vector or more.
 * @param b One vector or more, with as many elements.
 * @param options How they are compared.
 * @returns A row for each of `a`, with a number for each of `b`: views of one matrix.
 * @throws {RangeError} When the dimensions differ, or an element is not finite.
 *
 * @example
 * ```ts
 * import { similarity } from "@quern/quern/models";
 *
 * const [[same, across]] = similarity([3, 4], [[6, 8], [-4, 3]]);
 * console.log(same.toFixed(3), across.toFixed(3)); // 1.000 0.000
 * ```
 */
export function similarity(
  a: Vectors,
  b: Vectors,
  { metric = "cosine" }: SimilarityOptions = {},
): Float32Array<ArrayBuffer>[] {
  const [first, second] = [matrixOf("similarity", "a", a), matrixOf("similarity", "b", b)];
  if (first.dimensions !== second.dimensions) {
    throw new RangeError(
      `similarity: a has ${first.dimensions} dimensions, b ${second.dimensions}`,
    );
  }
  using rows = rowsOf("similarity", "a", first, metric);
  using others = rowsOf("similarity", "b", second, metric);
  using columns = others.transpose();
  using scores = matmul(rows, columns);
  const data = scores.data.slice();
  const { rows: cols } = second;
  return Array.from({ length: first.rows }, (_, i) => data.subarray(i * cols, (i + 1) * cols));
}

/**
 * The vectors of a corpus that are most like a query, or those of each query, by the cosine
 * of the angle; the best first, of equals the first first.
 *
 * @param query One vector.
 * @param corpus Where to search: vectors, or a store, which compares as it was told to.
 * @param options How many are wanted, and how to end the work.
 * @returns As many hits as are wanted, or as the corpus has vectors.
 * @throws {RangeError} When the dimensions differ, or an element is not finite.
 *
 * @example
 * ```ts
 * import { semanticSearch } from "@quern/quern/models";
 *
 * const corpus = [[1, 0], [0, 1], [1, 1]];
 * const [best] = await semanticSearch([0.5, 2], corpus, { topK: 1 });
 * console.log(best.index); // 1
 * ```
 */
export async function semanticSearch(
  query: ArrayLike<number>,
  corpus: VectorStore | Vectors,
  options?: SearchOptions,
): Promise<SearchHit[]>;
/** The same for several queries. */
export async function semanticSearch(
  queries: Embeddings | readonly ArrayLike<number>[],
  corpus: VectorStore | Vectors,
  options?: SearchOptions,
): Promise<SearchHit[][]>;
export async function semanticSearch(
  query: Vectors,
  corpus: VectorStore | Vectors,
  options: SearchOptions = {},
): Promise<SearchHit[] | SearchHit[][]> {
  const search = (store: VectorStore) =>
    isMany(query) ? store.search(query, options) : store.search(query, options);
  if (corpus instanceof VectorStore) return await search(corpus);
  const vectors = matrixOf("semanticSearch", "the corpus", corpus);
  using store = new VectorStore({ dimensions: vectors.dimensions });
  store.add(vectors);
  return await search(store);
}

function isMany(vectors: Vectors): vectors is Embeddings | readonly ArrayLike<number>[] {
  return vectors instanceof Embeddings || typeof vectors[0] !== "number";
}
