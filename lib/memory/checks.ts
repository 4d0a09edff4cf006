/**
 * What may be asked of the pool: sizes, counts, alignments, lengths and dtypes.
 * Every check says what was given and what is allowed.
 */
import { byteLengthOf, type DType, dtypes } from "../core/dtype.ts";
import { PoolSize } from "../ffi/symbols.ts";

/** Blocks that are rented in one call, at most. */
const mostBatched = 1 << 16;

/**
 * Checks the size of a block.
 *
 * @param bytes How many bytes are asked for.
 * @param operation Named in the error.
 * @throws {RangeError} When it is not an integer from 1 to 2^53 - 1.
 * @throws {TypeError} When it is not a number.
 */
export function checkBytes(bytes: number, operation: string): void {
  if (typeof bytes !== "number") {
    throw new TypeError(`${operation}: the size is a number of bytes, not ${typeName(bytes)}`);
  }
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new RangeError(
      `${operation}: a block has 1 or more bytes, up to 2^53 - 1, not ${bytes}`,
    );
  }
}

/**
 * Checks the size and the number of blocks.
 *
 * @param bytes How many bytes are asked for in each.
 * @param count How many blocks.
 * @param operation Named in the error.
 * @throws {RangeError} When either, or their product, is out of range.
 * @throws {TypeError} When either is not a number.
 */
export function checkBatch(bytes: number, count: number, operation: string): void {
  checkBytes(bytes, operation);
  if (typeof count !== "number") {
    throw new TypeError(`${operation}: the count is a number, not ${typeName(count)}`);
  }
  if (!Number.isInteger(count) || count < 0 || count > mostBatched) {
    throw new RangeError(
      `${operation}: the count is an integer from 0 to ${mostBatched}, not ${count}`,
    );
  }
  if (!Number.isSafeInteger(bytes * count)) {
    throw new RangeError(`${operation}: ${count} × ${bytes} are more than 2^53 - 1 bytes`);
  }
}

/**
 * Checks an alignment.
 *
 * @param alignment A number of bytes.
 * @param operation Named in the error.
 * @throws {RangeError} When it is not a power of two from 1 to 4096.
 */
export function checkAlignment(alignment: number, operation: string): void {
  const largest = PoolSize.LARGEST_ALIGNMENT;
  const isInRange = Number.isInteger(alignment) && alignment >= 1 && alignment <= largest;
  if (isInRange && (alignment & (alignment - 1)) === 0) return;
  throw new RangeError(
    `${operation}: an alignment is a power of two from 1 to ${largest}, not ${alignment} ` +
      `(every block is aligned to ${PoolSize.ALIGNMENT} bytes)`,
  );
}

/**
 * The bytes of a buffer, checked.
 *
 * @param length The number of elements.
 * @param dtype The element type.
 * @param operation Named in an error.
 * @returns A whole number of bytes, 0 or more.
 * @throws {RangeError} When the length is not an integer of 0 or more, or the bytes cannot be counted.
 * @throws {TypeError} When the length is not a number, or there is no such dtype.
 */
export function bufferBytes(length: number, dtype: DType, operation: string): number {
  if (typeof length !== "number") {
    throw new TypeError(`${operation}: the length is a number, not ${typeName(length)}`);
  }
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new RangeError(
      `${operation}: the length is an integer from 0 to 2^53 - 1, not ${length}`,
    );
  }
  if (!dtypes.includes(dtype)) {
    const shown = typeof dtype === "string" ? JSON.stringify(dtype) : typeName(dtype);
    throw new TypeError(`${operation}: there is no dtype ${shown}; use ${dtypes.join(", ")}`);
  }
  const bytes = byteLengthOf(dtype, length);
  if (!Number.isSafeInteger(bytes)) {
    throw new RangeError(
      `${operation}: ${length} elements of ${dtype} are more than 2^53 - 1 bytes`,
    );
  }
  return bytes;
}

/**
 * The kind of a value, for an error.
 *
 * @param value Anything.
 * @returns `null`, or what `typeof` says.
 */
export function typeName(value: unknown): string {
  return value === null ? "null" : typeof value;
}
