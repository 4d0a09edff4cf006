/**
 * The vectors of texts, as plain JavaScript memory that the caller keeps.
 */

/** A matrix with one row for each text, in the order of the texts. */
export class Embeddings implements Iterable<Float32Array> {
  /** All rows, one after another. */
  readonly data: Float32Array<ArrayBuffer>;
  /** How many rows. */
  readonly rows: number;
  /** How many elements each has. */
  readonly dimensions: number;

  /**
   * A matrix over an array.
   *
   * @param data All rows.
   * @param dimensions How many elements each has.
   * @throws {RangeError} When the rows are not whole.
   */
  constructor(data: Float32Array<ArrayBuffer>, dimensions: number) {
    if (!Number.isInteger(dimensions) || dimensions < 1 || data.length % dimensions !== 0) {
      throw new RangeError(`Embeddings: ${data.length} elements are not rows of ${dimensions}`);
    }
    this.data = data;
    this.rows = data.length / dimensions;
    this.dimensions = dimensions;
  }

  /**
   * One text's vector.
   *
   * @param index Which, from 0.
   * @returns A view of the matrix.
   * @throws {RangeError} When there is no such row.
   */
  row(index: number): Float32Array<ArrayBuffer> {
    if (!Number.isInteger(index) || index < 0 || index >= this.rows) {
      throw new RangeError(`Embeddings.row: ${index} is not one of ${this.rows} rows`);
    }
    return this.data.subarray(index * this.dimensions, (index + 1) * this.dimensions);
  }

  /** The rows, as views. */
  *[Symbol.iterator](): Generator<Float32Array<ArrayBuffer>, void, void> {
    for (let index = 0; index < this.rows; index++) yield this.row(index);
  }
}
