/**
 * What the operations share that read or write a tensor, the table, by indices along one
 * axis. The native functions take a layout: for each axis its size, and how far the dense
 * side (the result, or what is added), the table and the indices step along it.
 */
import type { DType } from "../core/dtype.ts";
import { broadcastShapes, formatShape, type Shape, withExtent } from "../core/shape.ts";
import { Status, TableField, Words } from "../ffi/mod.ts";
import { resolveIndex, type Tensor } from "../tensor/mod.ts";
import { checkOperand, refuse } from "./operands.ts";

/** The dtypes that indices have. */
export type IndexDType = "int32" | "int64";
/** Positions along an axis; negative ones count from its end. */
export type Indices = Tensor<"int32"> | Tensor<"int64">;

/** Which axis indices are for. */
export interface AxisOption {
  /** The axis; 0, the first, when left out; negative ones count from the end. */
  axis?: number;
}

/** How an operation along one axis gives its result. */
export interface AlongAxisOptions<D extends DType> extends AxisOption {
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<D>;
}

/** Strides of the three sides of a table, one an axis. */
export interface TableStrides {
  /** Of the result, or of what is added. */
  readonly dense: readonly number[];
  /** Of the table. */
  readonly table: readonly number[];
  /** Of the indices. */
  readonly indices: readonly number[];
}

const layout = new Words(TableField.AXES + 4 * 16);

/**
 * Writes the layout of a native call.
 *
 * @param extent The table's size along the indexed axis.
 * @param count How many indices there are.
 * @param shape The sizes of the axes.
 * @param strides Those of the three sides.
 * @returns The layout, used again by the next call.
 */
export function writeTableLayout(
  extent: number,
  count: number,
  shape: Shape,
  strides: TableStrides,
): BigUint64Array<ArrayBuffer> {
  layout.set(TableField.EXTENT, extent);
  layout.set(TableField.INDICES, count);
  for (let axis = 0; axis < shape.length; axis++) {
    const at = TableField.AXES + 4 * axis;
    layout.set(at, shape[axis]);
    layout.set(at + 1, strides.dense[axis]);
    layout.set(at + 2, strides.table[axis]);
    layout.set(at + 3, strides.indices[axis]);
  }
  return layout.array;
}

/**
 * Checks indices.
 *
 * @param operation Named in the error.
 * @param indices What a caller passed.
 * @throws {TypeError} When they are neither int32 nor int64.
 */
export function checkIndexDType(operation: string, indices: Tensor): void {
  checkOperand(operation, "indices", indices);
  if (indices.dtype === "int32" || indices.dtype === "int64") return;
  throw new TypeError(`${operation}: indices is ${indices.dtype}, expected int32 or int64`);
}

/**
 * Checks indices and the axis that they are for.
 *
 * @param operation Named in an error.
 * @param x The table.
 * @param indices What a caller passed.
 * @param axis What a caller passed.
 * @returns The axis, counted from the start.
 * @throws {TypeError} When the indices are neither int32 nor int64.
 * @throws {RangeError} When there is no such axis.
 */
export function checkIndices(
  operation: string,
  x: Tensor,
  indices: Tensor,
  axis: number,
): number {
  checkIndexDType(operation, indices);
  return resolveIndex(axis, x.shape.length, operation, "axis");
}

/**
 * Ends an operation whose native call failed; an index that is out of range is named.
 *
 * @param operation Named in the error.
 * @param status What the native call returned.
 * @param result Where the result was to go.
 * @param out What the caller passed as `out`.
 * @param operands The operands by name.
 * @param indices The indices.
 * @param range The indices that there could be: from the first to before the second.
 * @throws {Error} Always, of the class that fits the status.
 */
export function refuseIndices(
  operation: string,
  status: number,
  result: Tensor,
  out: Tensor | undefined,
  operands: Record<string, Tensor | undefined>,
  indices: Indices,
  range: readonly [least: number, end: number],
): never {
  if (status !== Status.BAD_INDEX) return refuse(operation, status, result, out, operands);
  if (result !== out) result.dispose();
  const [least, end] = range;
  using dense = indices.contiguous();
  const place = dense.data.findIndex((index) => index < least || index >= end);
  const where = formatShape(placeOf(place, indices.shape));
  throw new RangeError(
    `${operation}: index ${dense.data[place]} at ${where} of indices ` +
      `${formatShape(indices.shape)} is not from ${least} to ${end - 1}`,
  );
}

/** The indices of an element by its number. */
function placeOf(number: number, shape: Shape): number[] {
  const place = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place[axis] = number % shape[axis];
    number = Math.floor(number / shape[axis]);
  }
  return place;
}

/**
 * The shape that a tensor and its indices have together, where each index is for one
 * element: their axes are matched but for the indexed one, where the indices count.
 *
 * @param operation Named in an error.
 * @param x The table.
 * @param indices The indices.
 * @param axis The indexed axis.
 * @returns The broadcast shape.
 * @throws {RangeError} When they do not fit each other.
 */
export function shapeAlong(operation: string, x: Tensor, indices: Tensor, axis: number): Shape {
  const others = withExtent(x.shape, axis, 1);
  const shape = x.shape.length === indices.shape.length
    ? broadcastShapes(others, indices.shape)
    : undefined;
  if (shape !== undefined) return shape;
  throw new RangeError(
    `${operation}: indices ${formatShape(indices.shape)} do not fit ${formatShape(x.shape)} ` +
      `along axis ${axis}: all other axes are equal, or 1`,
  );
}

/**
 * Strides that repeat axes of size 1 to fill a shape of as many axes.
 *
 * @param tensor Where to read.
 * @param shape The larger shape.
 * @returns One an axis; 0 where an element is repeated.
 */
export function repeatedStrides(tensor: Tensor, shape: Shape): number[] {
  const { strides } = tensor;
  for (let axis = 0; axis < strides.length; axis++) {
    if (tensor.shape[axis] !== shape[axis]) strides[axis] = 0;
  }
  return strides;
}

/**
 * The strides of indices that lie along one axis of several.
 *
 * @param rank The number of axes.
 * @param axis That of the indices.
 * @returns 1 there, and 0 elsewhere.
 */
export function stridesAlong(rank: number, axis: number): number[] {
  const strides = new Array<number>(rank);
  for (let index = 0; index < rank; index++) strides[index] = index === axis ? 1 : 0;
  return strides;
}

/**
 * A shape with other axes in the place of one.
 *
 * @param shape The sizes of the axes.
 * @param axis The axis that goes.
 * @param inner The sizes of those that come.
 * @returns A new array.
 */
export function replacedAxis(shape: Shape, axis: number, inner: Shape): number[] {
  const replaced = new Array<number>(shape.length + inner.length - 1);
  let at = 0;
  for (let index = 0; index < axis; index++) replaced[at++] = shape[index];
  for (let index = 0; index < inner.length; index++) replaced[at++] = inner[index];
  for (let index = axis + 1; index < shape.length; index++) replaced[at++] = shape[index];
  return replaced;
}
