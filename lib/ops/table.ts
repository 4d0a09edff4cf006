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

/** The sides of a table, as the layout numbers their strides. */
export const Side = {
  /** The result, or what is added. */
  DENSE: 1,
  /** The table. */
  TABLE: 2,
  /** The indices. */
  INDICES: 3,
} as const;
/** One of {@linkcode Side}. */
export type Side = typeof Side[keyof typeof Side];

const layout = new Words(TableField.AXES + 4 * 16);

/**
 * What the native functions are given. It is written anew for each call, side by side and
 * without an array for any of them.
 */
export const tableLayout: BigUint64Array<ArrayBuffer> = layout.array;

function writeStride(axis: number, side: Side, stride: number): void {
  layout.set(TableField.AXES + 4 * axis + side, stride);
}

/**
 * Writes the sizes of a native call.
 *
 * @param extent The table's size along the indexed axis.
 * @param count How many indices there are.
 * @param shape The sizes of the other axes.
 * @param axis The indexed axis.
 * @param along Its size.
 */
export function writeSizes(
  extent: number,
  count: number,
  shape: Shape,
  axis: number,
  along: number,
): void {
  layout.set(TableField.EXTENT, extent);
  layout.set(TableField.INDICES, count);
  for (let index = 0; index < shape.length; index++) {
    layout.set(TableField.AXES + 4 * index, index === axis ? along : shape[index]);
  }
}

/**
 * Writes the strides of a side that is dense.
 *
 * @param side Which.
 * @param shape Its sizes but for the indexed axis.
 * @param axis The indexed axis.
 * @param along Its size.
 */
export function writeDense(side: Side, shape: Shape, axis: number, along: number): void {
  let stride = 1;
  for (let index = shape.length - 1; index >= 0; index--) {
    writeStride(index, side, stride);
    stride *= index === axis ? along : shape[index];
  }
}

/**
 * Writes the strides of a tensor, which stands still along axes that it repeats.
 *
 * @param side Which.
 * @param tensor The tensor.
 * @param shape What it is broadcast to.
 * @param axis The indexed axis, where the tensor is the table: indices walk that one.
 */
export function writeTensor(side: Side, tensor: Tensor, shape: Shape, axis = -1): void {
  const strides = tensor.isContiguous ? undefined : tensor.strides;
  let dense = 1;
  for (let index = shape.length - 1; index >= 0; index--) {
    const size = tensor.shape[index];
    const walked = index === axis || size === shape[index];
    const stride = strides === undefined ? dense : strides[index];
    writeStride(index, side, walked ? stride : 0);
    dense *= size;
  }
}

/**
 * Writes the strides of indices of one axis, which stand still along all but the indexed one.
 *
 * @param rank How many axes there are.
 * @param axis The indexed one.
 */
export function writeAlong(rank: number, axis: number): void {
  for (let index = 0; index < rank; index++) {
    writeStride(index, Side.INDICES, index === axis ? 1 : 0);
  }
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
