/**
 * Plans for warming the pool: how many buffers of which size will be needed.
 */
import type { DType } from "../core/dtype.ts";
import { checkShape, type Shape, sizeOf } from "../core/shape.ts";
import { bufferBytes, checkBytes, typeName } from "./checks.ts";

/** Buffers that will be needed at the same time. One of `shape`, `length` and `bytes` is given. */
export interface PrewarmPlan {
  /** The sizes of the axes of a tensor. */
  shape?: Shape;
  /** A number of elements. */
  length?: number;
  /** A number of bytes. */
  bytes?: number;
  /** The element type of `shape` or `length`; float32 when left out. */
  dtype?: DType;
  /** How many buffers. */
  count: number;
}

const mostBlocks = 2 ** 32 - 1;

/**
 * The bytes of each buffer of a plan, checked.
 *
 * @param plan The plan.
 * @returns 1 or more.
 * @throws {RangeError} When a size or the count is out of range.
 * @throws {TypeError} When it is not a plan.
 */
export function plannedBytes(plan: PrewarmPlan): number {
  if (typeof plan !== "object" || plan === null) {
    throw new TypeError(`pool.prewarm: a plan is an object, not ${typeName(plan)}`);
  }
  const { shape, length, bytes, dtype = "float32", count } = plan;
  if ([shape, length, bytes].filter((size) => size !== undefined).length !== 1) {
    throw new TypeError("pool.prewarm: a plan has one of shape, length and bytes");
  }
  if (!Number.isInteger(count) || count < 1 || count > mostBlocks) {
    throw new RangeError(`pool.prewarm: the count is an integer from 1 to 2^32 - 1, not ${count}`);
  }
  const each = bytes === undefined
    ? Math.max(bufferBytes(elements(shape, length), dtype, "pool.prewarm"), 1)
    : bytes;
  checkBytes(each, "pool.prewarm");
  if (!Number.isSafeInteger(each * count)) {
    throw new RangeError(`pool.prewarm: ${count} × ${each} are more than 2^53 - 1 bytes`);
  }
  return each;
}

function elements(shape: Shape | undefined, length: number | undefined): number {
  if (shape === undefined) return length!;
  if (!Array.isArray(shape)) {
    throw new TypeError(`pool.prewarm: a shape is an array, not ${typeName(shape)}`);
  }
  checkShape(shape, "pool.prewarm");
  return sizeOf(shape);
}
