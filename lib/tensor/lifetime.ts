/**
 * What is remembered of tensors beyond their handles: that one was moved, and,
 * in debug mode, where it was made and where it ended. Most tensors have nothing
 * to remember, and a handle stays small.
 */
import type { DType } from "../core/dtype.ts";
import { DisposedError } from "../core/errors.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import { captureOrigin } from "../memory/call_site.ts";
import { debugMode } from "../memory/debug.ts";

/** What an error says of a tensor. */
export interface Named {
  /** The sizes of the axes. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: DType;
}

interface Fate {
  made?: string;
  ended?: string;
  moved?: boolean;
}

const fates = new WeakMap<Named, Fate>();

/**
 * Remembers, in debug mode, where a tensor was made.
 *
 * @param tensor A new tensor.
 */
export function noteMade(tensor: Named): void {
  if (debugMode()) fates.set(tensor, { made: captureOrigin() });
}

/**
 * Remembers, in debug mode, where a tensor was disposed of.
 *
 * @param tensor A tensor that ends.
 */
export function noteEnded(tensor: Named): void {
  if (debugMode()) fates.set(tensor, { ...fates.get(tensor), ended: captureOrigin() });
}

/**
 * Remembers that a tensor was moved.
 *
 * @param tensor A tensor that ends.
 */
export function noteMoved(tensor: Named): void {
  fates.set(tensor, { ...fates.get(tensor), moved: true });
  noteEnded(tensor);
}

/**
 * How a tensor ended.
 *
 * @param tensor One that did.
 * @returns `disposed` or `moved`.
 */
export function endOf(tensor: Named): string {
  return fates.get(tensor)?.moved ? "moved" : "disposed";
}

/**
 * An error for a tensor that is used after its end.
 *
 * @param tensor The tensor.
 * @param operation What uses it.
 * @param name What the operation calls it; nothing when it is the tensor whose method it is.
 * @returns The error, not thrown.
 */
export function endedError(tensor: Named, operation: string, name = ""): DisposedError {
  const { made, ended } = fates.get(tensor) ?? {};
  const words = endOf(tensor) === "moved" ? "moved" : "disposed of";
  return new DisposedError(
    `${operation}: ${name === "" ? "" : `${name}, a `}Tensor ${tensor.dtype} ` +
      `${formatShape(tensor.shape)} was used after it was ${words}` +
      (made === undefined ? "" : `; it was made by ${made}`) +
      (ended === undefined ? "" : ` and ${words} by ${ended}`),
  );
}
