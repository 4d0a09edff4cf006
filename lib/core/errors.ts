/**
 * The error classes that a caller may want to catch by name. Everything else is
 * a built-in class: TypeError for a value of the wrong kind, RangeError for one
 * out of range, SyntaxError for a malformed file.
 */

/** Memory was refused: by the pool's budget, or by the operating system. */
export class OutOfMemoryError extends Error {
  /** The name that stack traces and logs show. */
  override readonly name = "OutOfMemoryError";
}

/** Something was used after it had been disposed of. */
export class DisposedError extends Error {
  /** The name that stack traces and logs show. */
  override readonly name = "DisposedError";
}
