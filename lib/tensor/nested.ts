/**
 * Nested arrays of numbers: how people write small tensors, and how tensors are
 * handed back to them.
 */
import type { DataOf, PlainDType } from "../core/dtype.ts";
import { type ElementSource, writeElement } from "../core/element.ts";
import { formatShape, type Shape } from "../core/shape.ts";

/** A value, or arrays of values nested to any depth. */
export type Nested<T> = T | readonly Nested<T>[];

/** A number, or arrays of numbers nested to any depth. */
export type NestedNumbers = Nested<number>;

/** A typed array. */
type NumberArray =
  | BigInt64Array
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

/** What elements are made of: nested arrays, or a typed array. */
export type Source = Nested<ElementSource> | NumberArray | readonly NumberArray[];

type Level = ElementSource | NumberArray | readonly Level[];

/** The deepest nesting: one more than a tensor has axes, so that its shape is refused. */
const deepest = 17;

function isLeafArray(values: unknown, dtype: PlainDType): values is NumberArray {
  return ArrayBuffer.isView(values) && !(values instanceof DataView) &&
    !(values instanceof BigUint64Array) &&
    (!(values instanceof BigInt64Array) || dtype === "int64");
}

function isElement(value: unknown, dtype: PlainDType): value is ElementSource {
  return typeof value === "number" || (typeof value === "bigint" && dtype === "int64") ||
    (typeof value === "boolean" && dtype === "bool");
}

function isLevel(values: unknown, dtype: PlainDType): values is Level {
  return isElement(values, dtype) || Array.isArray(values) || isLeafArray(values, dtype);
}

/**
 * The shape of nested arrays, read from the first element of each level.
 *
 * @param values Nested arrays or a typed array.
 * @param dtype What the elements will be.
 * @param operation Named in an error.
 * @returns The sizes of the axes.
 * @throws {RangeError} When the rows of a level differ in length.
 * @throws {TypeError} When something in it is neither an element of the dtype nor an array.
 */
export function inferShape(values: Source, dtype: PlainDType, operation: string): number[] {
  const shape: number[] = [];
  let level: unknown = values;
  while (isLevel(level, dtype) && !isElement(level, dtype) && shape.length < deepest) {
    shape.push(level.length);
    if (isLeafArray(level, dtype) || level.length === 0) break;
    level = level[0];
  }
  if (shape.length < deepest) checkRows(values, shape, 0, dtype, operation);
  return shape;
}

function checkRows(
  values: unknown,
  shape: Shape,
  axis: number,
  dtype: PlainDType,
  operation: string,
): void {
  if (!isLevel(values, dtype)) {
    const kind = typeof values === "object" && values !== null
      ? values.constructor?.name ?? "object"
      : String(values === null ? null : typeof values);
    throw new TypeError(
      `${operation}: an element at depth ${axis} is of type ${kind}; expected numbers` +
        `${extraKinds(dtype)}, nested arrays of them, or a typed array of numbers`,
    );
  }
  if (typeof values === "number" && dtype === "int64" && !Number.isInteger(values)) {
    throw new RangeError(`${operation}: ${values} is no integer, as int64 needs`);
  }
  const length = isElement(values, dtype) ? undefined : values.length;
  if (length !== shape[axis]) {
    throw new RangeError(
      `${operation}: a row at depth ${axis} has ${length ?? "no"} elements ` +
        `where ${formatShape(shape)} needs ${shape[axis] ?? "a number"}`,
    );
  }
  if (isElement(values, dtype) || isLeafArray(values, dtype)) {
    if (dtype === "int64" && ArrayBuffer.isView(values)) checkIntegers(values, operation);
    return;
  }
  for (const row of values) checkRows(row, shape, axis + 1, dtype, operation);
}

/** Numbers that are to be int64 are integers. */
function checkIntegers(values: NumberArray, operation: string): void {
  if (values instanceof BigInt64Array) return;
  const fraction = values.find((value) => !Number.isInteger(value));
  if (fraction === undefined) return;
  throw new RangeError(`${operation}: ${fraction} is no integer, as int64 needs`);
}

function extraKinds(dtype: PlainDType): string {
  if (dtype === "int64") return " or bigints";
  return dtype === "bool" ? " or booleans" : "";
}

/**
 * Writes nested arrays into a typed array, in row-major order.
 *
 * @param values Nested arrays or a typed array, whose shape was inferred for the dtype.
 * @param dtype What the elements are.
 * @param target Where to, large enough.
 */
export function flatten<D extends PlainDType>(values: Source, dtype: D, target: DataOf[D]): void {
  let position = 0;
  const write = (level: Level): void => {
    if (typeof level !== "object") {
      writeElement(dtype, target, position++, level);
    } else if (isDirect(level, dtype)) {
      target.set(level as ArrayLike<number> & ArrayLike<bigint>, position);
      position += level.length;
    } else {
      for (const row of level) write(row);
    }
  };
  write(values as Level);
}

/**
 * Copies elements into arrays nested as a shape is.
 *
 * @param read Gives the element at a place of the memory.
 * @param shape The sizes of the axes.
 * @param strides Elements between neighbours along each axis.
 * @returns Nested arrays; an element for a scalar.
 */
export function nest<T>(
  read: (place: number) => T,
  shape: Shape,
  strides: readonly number[],
): Nested<T> {
  const readAxis = (axis: number, start: number): Nested<T> => {
    if (axis === shape.length) return read(start);
    const stride = strides[axis];
    return Array.from({ length: shape[axis] }, (_, i) => readAxis(axis + 1, start + i * stride));
  };
  return readAxis(0, 0);
}

/** Whether a typed array takes another's elements as they are. */
function isDirect(values: object, dtype: PlainDType): boolean {
  return ArrayBuffer.isView(values) && dtype !== "bool" && dtype !== "bfloat16" &&
    values instanceof BigInt64Array === (dtype === "int64");
}
