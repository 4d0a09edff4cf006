/**
 * Nested arrays of numbers: how people write small tensors, and how tensors are
 * handed back to them.
 */
import { formatShape, type Shape } from "../core/shape.ts";

/** A number, or arrays of numbers nested to any depth. */
export type NestedNumbers = number | readonly NestedNumbers[];

type Source = NestedNumbers | Float32Array | Int32Array;

function isLeafArray(values: Source): values is Float32Array | Int32Array {
  return ArrayBuffer.isView(values);
}

/**
 * The shape of nested arrays, read from the first element of each level.
 *
 * @param values Nested arrays or a typed array.
 * @param operation Named in an error.
 * @returns The sizes of the axes.
 * @throws {RangeError} When the rows of a level differ in length.
 */
export function inferShape(values: Source, operation: string): number[] {
  const shape: number[] = [];
  let level: Source = values;
  while (typeof level !== "number") {
    shape.push(level.length);
    if (isLeafArray(level) || level.length === 0) break;
    level = level[0];
  }
  checkRows(values, shape, 0, operation);
  return shape;
}

function checkRows(values: Source, shape: Shape, axis: number, operation: string): void {
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

/**
 * Writes nested arrays into a typed array, in row-major order.
 *
 * @param values Nested arrays or a typed array.
 * @param target Where to, large enough.
 */
export function flatten(values: Source, target: { [index: number]: number }): void {
  let position = 0;
  const write = (level: Source): void => {
    if (typeof level === "number") {
      target[position++] = level;
    } else if (isLeafArray(level)) {
      for (const value of level) target[position++] = value;
    } else {
      for (const row of level) write(row);
    }
  };
  write(values);
}

/**
 * Copies elements into arrays nested as a shape is.
 *
 * @param values The elements in row-major order.
 * @param shape The sizes of the axes.
 * @returns Nested arrays; a number for a scalar.
 */
export function nest(values: ArrayLike<number>, shape: Shape): NestedNumbers {
  let position = 0;
  const read = (axis: number): NestedNumbers => {
    if (axis === shape.length) return values[position++];
    return Array.from({ length: shape[axis] }, () => read(axis + 1));
  };
  return read(0);
}
