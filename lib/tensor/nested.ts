/**
 * Nested arrays of numbers: how people write small tensors, and how tensors are
 * handed back to them.
 */
import { formatShape, type Shape } from "../core/shape.ts";

/** A number, or arrays of numbers nested to any depth. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** A typed array whose elements are numbers. */
type NumberArray =
  | Float16Array
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array;

type Source = NestedNumbers | NumberArray;

/** The deepest nesting: one more than a tensor has axes, so that its shape is refused. */
const deepest = 17;

function isLeafArray(values: unknown): values is NumberArray {
  return ArrayBuffer.isView(values) && !(values instanceof DataView) &&
    !(values instanceof BigInt64Array) && !(values instanceof BigUint64Array);
}

function isSource(values: unknown): values is Source {
  return typeof values === "number" || Array.isArray(values) || isLeafArray(values);
}

/**
 * The shape of nested arrays, read from the first element of each level.
 *
 * @param values Nested arrays or a typed array.
 * @param operation Named in an error.
 * @returns The sizes of the axes.
 * @throws {RangeError} When the rows of a level differ in length.
 * @throws {TypeError} When something in it is neither a number nor an array.
 */
export function inferShape(values: Source, operation: string): number[] {
  const shape: number[] = [];
  let level: unknown = values;
  while (isSource(level) && typeof level !== "number" && shape.length < deepest) {
    shape.push(level.length);
    if (isLeafArray(level) || level.length === 0) break;
    level = level[0];
  }
  if (shape.length < deepest) checkRows(values, shape, 0, operation);
  return shape;
}

function checkRows(values: unknown, shape: Shape, axis: number, operation: string): void {
  if (!isSource(values)) {
    const kind = typeof values === "object" && values !== null
      ? values.constructor?.name ?? "object"
      : String(values === null ? null : typeof values);
    throw new TypeError(
      `${operation}: an element at depth ${axis} is of type ${kind}; ` +
        `expected numbers, nested arrays of them, or a typed array of numbers`,
    );
  }
  const length = typeof values === "number" ? undefined : values.length;
  if (length !== shape[axis]) {
    throw new RangeError(
      `${operation}: a row at depth ${axis} has ${length ?? "no"} elements ` +
        `where ${formatShape(shape)} needs ${shape[axis] ?? "a number"}`,
    );
  }
  if (typeof values === "number" || isLeafArray(values)) return;
  for (const row of values) checkRows(row, shape, axis + 1, operation);
}

/** What elements are written into. */
interface Target {
  [index: number]: number;
  set(values: ArrayLike<number>, offset: number): void;
}

/**
 * Writes nested arrays into a typed array, in row-major order.
 *
 * @param values Nested arrays or a typed array.
 * @param target Where to, large enough.
 */
export function flatten(values: Source, target: Target): void {
  let position = 0;
  const write = (level: Source): void => {
    if (typeof level === "number") {
      target[position++] = level;
    } else if (isLeafArray(level)) {
      target.set(level, position);
      position += level.length;
    } else {
      for (const row of level) write(row);
    }
  };
  write(values);
}

/**
 * Copies elements into arrays nested as a shape is.
 *
 * @param values The memory that holds the elements.
 * @param shape The sizes of the axes.
 * @param strides Elements between neighbours along each axis.
 * @returns Nested arrays; a number for a scalar.
 */
export function nest(
  values: ArrayLike<number>,
  shape: Shape,
  strides: readonly number[],
): NestedNumbers {
  const read = (axis: number, start: number): NestedNumbers => {
    if (axis === shape.length) return values[start];
    const stride = strides[axis];
    return Array.from({ length: shape[axis] }, (_, i) => read(axis + 1, start + i * stride));
  };
  return read(0, 0);
}
