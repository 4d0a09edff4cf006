/**
 * Vectors as callers have them, and as rows of a tensor.
 */
import { divInPlace, max, maximum, norm } from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { Embeddings } from "./embeddings.ts";

/** How alike two vectors are: the cosine of the angle between them, or their product. */
export type Metric = "cosine" | "dot";

/** One vector, or several. */
export type Vectors = Embeddings | ArrayLike<number> | readonly ArrayLike<number>[];

/** Where a row has no length, this is divided by. */
const SHORTEST = 1e-12;

/**
 * Vectors as a matrix.
 *
 * @param operation Named in errors.
 * @param name What the vectors are, for errors.
 * @param vectors One vector is a matrix of one row.
 * @returns The matrix; of several vectors a copy.
 * @throws {RangeError} When they differ in length, or there are none to tell it.
 * @throws {TypeError} When they are something else.
 */
export function matrixOf(operation: string, name: string, vectors: Vectors): Embeddings {
  if (vectors instanceof Embeddings) return vectors;
  if (typeof vectors !== "object" || !(vectors?.length >= 0)) {
    throw new TypeError(`${operation}: ${name} is no vector, no list of vectors, no Embeddings`);
  }
  const rows = (typeof vectors[0] === "number" ? [vectors] : vectors) as ArrayLike<number>[];
  if (rows.length === 0) {
    throw new RangeError(`${operation}: ${name} is empty, so that nothing tells its dimensions`);
  }
  const [{ length: dimensions }] = rows;
  const data = new Float32Array(rows.length * dimensions);
  for (let i = 0; i < rows.length; i++) {
    if (rows[i]?.length !== dimensions) {
      throw new RangeError(
        `${operation}: ${name} ${i} has ${rows[i]?.length} elements, the first ${dimensions}`,
      );
    }
    data.set(rows[i], i * dimensions);
  }
  return new Embeddings(data, dimensions);
}

/**
 * Rows of a matrix as a tensor, divided by their lengths where angles are compared.
 *
 * @param operation Named in an error.
 * @param name What the vectors are, for an error.
 * @param matrix The matrix.
 * @param metric How vectors are compared.
 * @param from The first row.
 * @param end Where the rows end.
 * @returns `[end - from, dimensions]`, the caller's to dispose of.
 * @throws {RangeError} When an element is NaN or infinite.
 */
export function rowsOf(
  operation: string,
  name: string,
  matrix: Embeddings,
  metric: Metric,
  from = 0,
  end: number = matrix.rows,
): Tensor<"float32"> {
  const { data, dimensions } = matrix;
  const rows = Tensor.empty([end - from, dimensions]);
  try {
    rows.data.set(data.subarray(from * dimensions, end * dimensions));
    if (end > from) finishRows(operation, name, rows, metric);
    return rows;
  } catch (error) {
    rows.dispose();
    throw error;
  }
}

function finishRows(
  operation: string,
  name: string,
  rows: Tensor<"float32">,
  metric: Metric,
): void {
  using lengths = norm(rows, { axis: 1, keepDims: true });
  using longest = max(lengths);
  if (!Number.isFinite(longest.get() as number)) {
    throw new RangeError(`${operation}: ${name} has an element that is NaN or infinite`);
  }
  if (metric === "dot") return;
  maximum(lengths, SHORTEST, { out: lengths });
  divInPlace(rows, lengths);
}
