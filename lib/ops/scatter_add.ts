/**
 * Additions to elements that are named by indices along an axis. What goes to one element
 * is added in the order of the indices, whatever the number of threads.
 */
import { type DType, type Floating, isFloating } from "../core/dtype.ts";
import {
  type Differentiable,
  differentiable,
  isTracked,
  record,
  unrecorded,
  wants,
} from "../autograd/mod.ts";
import { broadcastShapes, formatShape, sameElsewhere, type Shape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { checkWritable, noteWrite, sumTo, Tensor } from "../tensor/mod.ts";
import { type Arithmetic, numbers } from "./binary.ts";
import { gather, takeAlongAxis } from "./gather.ts";
import {
  checkApart,
  checkInPlace,
  checkOperand,
  checkShapeIs,
  dtypeCodes,
  resultTensor,
  withDense,
} from "./operands.ts";
import {
  type AlongAxisOptions,
  type AxisOption,
  checkIndices,
  type Indices,
  refuseIndices,
  replacedAxis,
  shapeAlong,
  Side,
  tableLayout,
  writeAlong,
  writeDense,
  writeSizes,
  writeTensor,
} from "./table.ts";

/**
 * What both operations differ in: how operands match. Returns the shape that source and
 * indices have together, but for the axis of slices; throws where they do not match.
 */
type Matcher = (
  name: string,
  x: Tensor,
  indices: Tensor,
  source: Tensor,
  axis: number,
) => Shape;

/** What a call notes for its gradient. */
interface Added {
  readonly axis: number;
  /** The shape that source and indices have together. */
  readonly shape: Shape;
  /** The shape of the source. */
  readonly source: Shape;
}

/** An operation, as its errors and gradients know it. */
interface Addition {
  /** The name of the exported function. */
  readonly name: string;
  readonly match: Matcher;
  readonly gradient: Differentiable<Added>;
}

/** That of `x` is the gradient itself, that of the source what lies in the places. */
function addition(
  name: string,
  match: Matcher,
  sourceGradient: (g: Tensor<Floating>, indices: Indices, call: Added) => Tensor,
): Addition {
  const gradient = differentiable<Added>({
    operation: name,
    saves: ["indices"],
    backward: (gradient, [indices], { wants, extra }) => [
      gradient,
      wants[1]
        ? sourceGradient(gradient as Tensor<Floating>, indices as Indices, extra)
        : undefined,
    ],
  });
  return { name, match, gradient };
}

function slicesOf(g: Tensor<Floating>, indices: Indices, { axis }: Added): Tensor {
  return gather(g, indices, { axis });
}

function elementsOf(g: Tensor<Floating>, indices: Indices, call: Added): Tensor {
  using taken = takeAlongAxis(g, indices, { axis: call.axis });
  const all = taken.broadcastTo(call.shape);
  const sum = sumTo(all, call.source);
  if (sum !== all) all.dispose();
  return sum;
}

const slices = addition("indexAdd", matchSlices, slicesOf);
const slicesInPlace = addition("indexAddInPlace", matchSlices, slicesOf);
const elements = addition("scatterAdd", matchElements, elementsOf);
const elementsInPlace = addition("scatterAddInPlace", matchElements, elementsOf);

/**
 * Whole slices added to zeros: the gradient of `gather`.
 *
 * @param shape The shape of the result.
 * @param indices Where the slices go.
 * @param source The slices.
 * @param axis The axis that the indices are for.
 * @returns A new tensor.
 */
export function slicesAdded<D extends Floating>(
  shape: Shape,
  indices: Indices,
  source: Tensor<D>,
  axis: number,
): Tensor<D> {
  return addedToZeros(shape, indices, source, axis, indexAddInPlace);
}

/**
 * One element for each index added to zeros: the gradient of `takeAlongAxis`.
 *
 * @param shape The shape of the result.
 * @param indices Where the elements go.
 * @param source The elements.
 * @param axis The axis that the indices are for.
 * @returns A new tensor.
 */
export function elementsAdded<D extends Floating>(
  shape: Shape,
  indices: Indices,
  source: Tensor<D>,
  axis: number,
): Tensor<D> {
  return addedToZeros(shape, indices, source, axis, scatterAddInPlace);
}

function addedToZeros<D extends Floating>(
  shape: Shape,
  indices: Indices,
  source: Tensor<D>,
  axis: number,
  add: typeof indexAddInPlace,
): Tensor<D> {
  const sum: Tensor<D> = Tensor.zeros(shape, source.dtype);
  try {
    return add(sum, indices, source, { axis });
  } catch (error) {
    sum.dispose();
    throw error;
  }
}

/**
 * `x` with whole slices added along an axis: `index_add` of PyTorch, the gradient of `gather`.
 *
 * @param x Any dtype but uint8, bool and the quantised.
 * @param indices int32 or int64, of any shape; negative ones count from the end.
 * @param source The same dtype, with the shape of `gather(x, indices)`.
 * @param options The axis; `out` may be `x`.
 * @returns The shape of `x`.
 * @throws {RangeError} When an index is out of range, or the source has another shape.
 *
 * @example
 * ```ts
 * import { indexAdd, Tensor } from "@quern/quern";
 *
 * using x = Tensor.zeros([3, 2]);
 * using rows = Tensor.from([2, 0, 2], "int32");
 * using source = Tensor.from([[1, 2], [3, 4], [5, 6]]);
 * using y = indexAdd(x, rows, source);
 * console.log(y.toArray()); // [[3, 4], [0, 0], [6, 8]]
 * ```
 */
export function indexAdd<D extends Arithmetic>(
  x: Tensor<D>,
  indices: Indices,
  source: Tensor<D>,
  options: AlongAxisOptions<D> = {},
): Tensor<D> {
  return addToCopy(indices, source, slices, x, options);
}

/**
 * Adds whole slices to `x`, contiguous or not, as {@linkcode indexAdd}.
 *
 * @param x Any dtype but uint8, bool and the quantised; changed. Halves are rounded after each
 *   addition.
 * @param indices int32 or int64, of any shape; negative ones count from the end.
 * @param source The same dtype, with the shape of `gather(x, indices)`.
 * @param options The axis.
 * @returns `x`.
 * @throws {RangeError} When an index is out of range; nothing is written then.
 */
export function indexAddInPlace<D extends Arithmetic>(
  x: Tensor<D>,
  indices: Indices,
  source: Tensor<D>,
  options: AxisOption = {},
): Tensor<D> {
  return addInto(indices, source, slicesInPlace, x, options);
}

/**
 * `x` with one element added for each index along an axis: `scatter_add` of PyTorch, the
 * gradient of `takeAlongAxis`. `y[i][indices[i][j]] += source[i][j]` for axis 1 of two.
 *
 * @param x Any dtype but uint8, bool and the quantised.
 * @param indices int32 or int64, with as many axes as `x`; negative ones count from the end.
 * @param source The same dtype and number of axes. Source and indices are broadcast to each other;
 *   together they have the sizes of `x` but for the axis.
 * @param options The axis; `out` may be `x`.
 * @returns The shape of `x`.
 * @throws {RangeError} When an index is out of range, or the shapes do not fit each other.
 *
 * @example
 * ```ts
 * import { scatterAdd, Tensor } from "@quern/quern";
 *
 * using x = Tensor.zeros([2, 3]);
 * using places = Tensor.from([[2, 2], [0, 1]], "int32");
 * using source = Tensor.from([[1, 2], [3, 4]]);
 * using y = scatterAdd(x, places, source, { axis: 1 });
 * console.log(y.toArray()); // [[0, 0, 3], [3, 4, 0]]
 * ```
 */
export function scatterAdd<D extends Arithmetic>(
  x: Tensor<D>,
  indices: Indices,
  source: Tensor<D>,
  options: AlongAxisOptions<D> = {},
): Tensor<D> {
  return addToCopy(indices, source, elements, x, options);
}

/**
 * Adds one element for each index to `x`, contiguous or not, as {@linkcode scatterAdd}.
 *
 * @param x Any dtype but uint8, bool and the quantised; changed. Halves are rounded after each
 *   addition.
 * @param indices int32 or int64, with as many axes as `x`; negative ones count from the end.
 * @param source The same dtype and number of axes.
 * @param options The axis.
 * @returns `x`.
 * @throws {RangeError} When an index is out of range; nothing is written then.
 */
export function scatterAddInPlace<D extends Arithmetic>(
  x: Tensor<D>,
  indices: Indices,
  source: Tensor<D>,
  options: AxisOption = {},
): Tensor<D> {
  return addInto(indices, source, elementsInPlace, x, options);
}

/** The axes of the indices take the place of the indexed one in the source. */
function matchSlices(
  name: string,
  x: Tensor,
  indices: Tensor,
  source: Tensor,
  axis: number,
): Shape {
  checkShapeIs(name, "source", source, replacedAxis(x.shape, axis, indices.shape));
  return x.shape;
}

function matchElements(
  name: string,
  x: Tensor,
  indices: Tensor,
  source: Tensor,
  axis: number,
): Shape {
  const along = shapeAlong(name, x, indices, axis);
  const shape = source.shape.length === x.shape.length
    ? broadcastShapes(source.shape, along)
    : undefined;
  if (shape === undefined || !sameElsewhere(shape, x.shape, axis)) {
    throw new RangeError(
      `${name}: source ${formatShape(source.shape)} does not fit indices ` +
        `${formatShape(indices.shape)} and x ${formatShape(x.shape)} along axis ${axis}`,
    );
  }
  return shape;
}

/** Writes the layout of whole slices, or of elements. */
function writeLayout(
  y: Tensor,
  indices: Tensor,
  source: Tensor,
  axis: number,
  shape: Shape,
  slices: boolean,
): void {
  const along = slices ? indices.size : shape[axis];
  writeSizes(y.shape[axis], indices.size, shape, axis, along);
  writeTensor(Side.TABLE, y, y.shape);
  if (!slices) {
    writeTensor(Side.DENSE, source, shape);
    writeTensor(Side.INDICES, indices, shape);
    return;
  }
  if (indices.shape.length === 1) writeTensor(Side.DENSE, source, source.shape);
  else writeDense(Side.DENSE, shape, axis, along);
  writeAlong(shape.length, axis);
}

function checkOperands(
  name: string,
  x: Tensor,
  indices: Tensor,
  source: Tensor,
  axis = 0,
): number {
  checkOperand(name, "x", x);
  if (!isArithmetic(x.dtype)) throw unsummable(name, x.dtype);
  const place = checkIndices(name, x, indices, axis);
  checkOperand(name, "source", source, x.dtype);
  return place;
}

function isArithmetic(dtype: DType): boolean {
  return isFloating(dtype) || dtype === "int32" || dtype === "int64";
}

function unsummable(name: string, dtype: DType): TypeError {
  const why = dtype === "uint8" || dtype === "bool"
    ? `, whose sums do not fit into it: add into int32 with cast(x, "int32"), and cast() the result`
    : "";
  return new TypeError(`${name}: x is ${dtype}, expected ${numbers.join(", ")}${why}`);
}

/** Whether strides say where all elements are: those of one axis of indices always do. */
function mustCopy(indices: Tensor, source: Tensor): boolean {
  return !indices.isContiguous || (indices.shape.length !== 1 && !source.isContiguous);
}

function addToCopy<D extends Arithmetic>(
  indices: Indices,
  source: Tensor<D>,
  addition: Addition,
  x: Tensor<D>,
  options: AlongAxisOptions<D>,
): Tensor<D> {
  const { name, match } = addition;
  const axis = checkOperands(name, x, indices, source, options.axis);
  const shape = match(name, x, indices, source, axis);
  if (mustCopy(indices, source)) {
    return withDense([indices, source], addToCopy<D>, addition, x, options);
  }
  const { out } = options;
  const tracked = isTracked(x, source);
  const y = resultTensor<DType>(name, out, x.shape, x.dtype) as Tensor<D>;
  checkInPlace(name, out, "x", x);
  checkApart(name, out, "indices", indices);
  checkApart(name, out, "source", source);
  // As a part of this operation, not by itself.
  unrecorded(copyInto, y, x);
  addAt(addition, y, out, indices, source, axis, shape);
  return tracked ? recordAddition(y, addition, x, indices, source, axis, shape) : y;
}

function addInto<D extends Arithmetic>(
  indices: Indices,
  source: Tensor<D>,
  addition: Addition,
  x: Tensor<D>,
  options: AxisOption,
): Tensor<D> {
  const { name, match } = addition;
  const axis = checkOperands(name, x, indices, source, options.axis);
  const shape = match(name, x, indices, source, axis);
  checkWritable(name, "x", x);
  checkApart(name, x, "indices", indices, "x");
  checkApart(name, x, "source", source, "x");
  if (mustCopy(indices, source)) {
    return withDense([indices, source], addInto<D>, addition, x, options);
  }
  const tracked = isTracked(x, source);
  noteWrite(x, name);
  addAt(addition, x, x, indices, source, axis, shape);
  return tracked ? recordAddition(x, addition, x, indices, source, axis, shape) : x;
}

function copyInto(y: Tensor, x: Tensor): void {
  y.copyFrom(x);
}

function recordAddition<T extends Tensor>(
  y: T,
  { gradient }: Addition,
  x: Tensor,
  indices: Tensor,
  source: Tensor,
  axis: number,
  shape: Shape,
): T {
  const saved = [wants(source) ? indices : undefined];
  return record(y, gradient, [x, source], { saved, extra: { axis, shape, source: source.shape } });
}

function addAt<D extends Arithmetic>(
  { name, match }: Addition,
  y: Tensor<D>,
  out: Tensor | undefined,
  indices: Indices,
  source: Tensor<D>,
  axis: number,
  shape: Shape,
): Tensor<D> {
  writeLayout(y, indices, source, axis, shape, match === matchSlices);
  const status = native().symbols.qn_scatter_add(
    y.address,
    source.address,
    indices.address,
    tableLayout,
    y.shape.length,
    axis,
    dtypeCodes[y.dtype],
    dtypeCodes[indices.dtype],
  );
  if (status === Status.OK) return y;
  const extent = y.shape[axis];
  const operands = { x: y, indices, source };
  return refuseIndices(name, status, y, out, operands, indices, [-extent, extent]);
}
