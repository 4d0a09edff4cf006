/**
 * Elements in order along an axis, and where they were. The kernel sorts rows: along any
 * other axis than the last, or of a view, rows are a copy.
 */
import type { DType, Floating, PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record, unrecorded, withoutGradient } from "../autograd/mod.ts";
import { colsOf, rowsOf, type Shape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { resolveIndex, Tensor } from "../tensor/mod.ts";
import { writeAlongAxis } from "./along_axis.ts";
import {
  checkApart,
  checkInPlace,
  checkPlainOperand,
  dtypeCodes,
  refuse,
  resultTensor,
} from "./operands.ts";
import { elementsAdded } from "./scatter_add.ts";
import type { Indices } from "./table.ts";

/** How elements are sorted. */
export interface SortOptions<D extends DType> {
  /** The axis; the last when left out; negative ones count from the end. */
  axis?: number;
  /** Whether the largest come first; the smallest do when left out. NaN comes last either way. */
  descending?: boolean;
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<D>;
}

// Indices have no slope.
withoutGradient("argsort");

/** What a call notes for its gradient. */
interface Sorted {
  readonly axis: number;
  readonly shape: Shape;
}

const sortGradient = differentiable<Sorted>({
  operation: "sort",
  saves: ["the order"],
  backward: (gradient, [order], { extra: { axis, shape } }) => [
    elementsAdded(shape, order as Indices, gradient as Tensor<Floating>, axis),
  ],
});

/**
 * The elements in order along an axis. The sort is stable: equal elements, as 0 and -0 are, keep
 * their order; NaN comes last.
 *
 * @param x Any dtype but the quantised.
 * @param options The axis, the direction, and where to write the result, which may be `x`.
 * @returns The shape of `x`.
 * @throws {RangeError} When there is no such axis.
 *
 * @example
 * ```ts
 * import { sort, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[3, 1, 2], [NaN, 5, 4]]);
 * using y = sort(x);
 * using z = sort(x, { axis: 0, descending: true });
 * console.log(y.toArray(), z.toArray()); // [[1, 2, 3], [4, 5, NaN]] [[3, 5, 4], [NaN, 1, 2]]
 * ```
 */
export function sort<D extends PlainDType>(x: Tensor<D>, options: SortOptions<D> = {}): Tensor<D> {
  checkPlainOperand("sort", "x", x);
  const { axis = -1, descending = false, out } = options;
  const at = resolveIndex(axis, x.shape.length, "sort", "axis");
  if (isTracked(x)) return recordedSort(x, at, descending, out);
  const y = resultTensor<DType>("sort", out, x.shape, x.dtype) as Tensor<D>;
  return sortInto(y, x, at, descending, out);
}

/** The same, and the order for the gradient. */
function recordedSort<D extends DType>(
  x: Tensor<D>,
  axis: number,
  descending: boolean,
  out: Tensor<D> | undefined,
): Tensor<D> {
  using order = unrecorded(argsort, x as Tensor<PlainDType>, { axis, descending });
  const y = resultTensor<DType>("sort", out, x.shape, x.dtype) as Tensor<D>;
  unrecorded(sortInto, y, x, axis, descending, out);
  return record(y, sortGradient, [x], { saved: [order], extra: { axis, shape: x.shape } });
}

function sortInto<T extends Tensor>(
  y: T,
  x: Tensor,
  at: number,
  descending: boolean,
  out: T | undefined,
): T {
  if (at === x.shape.length - 1 && x.isContiguous) {
    checkInPlace("sort", out, "x", x);
    return sortRows("sort", y, undefined, x, descending, out, x);
  }
  return throughRows(x, y, at, out, sortCopy, descending);
}

function sortCopy(x: Tensor, descending: boolean): Tensor {
  const rows = x.clone();
  return sortRows("sort", rows, undefined, rows, descending, undefined, x);
}

/**
 * Where the elements are that come first, second and so on along an axis: the indices that
 * `takeAlongAxis` makes `sort(x)` with, in the order of {@linkcode sort}.
 *
 * @param x Any dtype but the quantised.
 * @param options The axis, the direction, and where to write the result, apart from `x`.
 * @returns The shape of `x`, int32.
 * @throws {RangeError} When there is no such axis.
 *
 * @example
 * ```ts
 * import { argsort, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([30, 10, 20]);
 * using order = argsort(x);
 * console.log(order.toArray()); // [1, 2, 0]
 * ```
 */
export function argsort(
  x: Tensor<PlainDType>,
  options: SortOptions<"int32"> = {},
): Tensor<"int32"> {
  checkPlainOperand("argsort", "x", x);
  const { axis = -1, descending = false, out } = options;
  const at = resolveIndex(axis, x.shape.length, "argsort", "axis");
  const y = resultTensor("argsort", out, x.shape, "int32");
  checkApart("argsort", out, "x", x);
  if (at === x.shape.length - 1 && x.isContiguous) {
    return sortRows("argsort", undefined, y, x, descending, out, x);
  }
  return throughRows(x, y, at, out, argsortCopy, descending);
}

function argsortCopy(x: Tensor, descending: boolean): Tensor {
  using rows = x.clone();
  const indices = Tensor.empty(rows.shape, "int32");
  return sortRows("argsort", undefined, indices, rows, descending, undefined, x);
}

/** The one call, for values or for indices; returns the tensor that was written. */
function sortRows<T extends Tensor>(
  name: string,
  values: T | undefined,
  indices: T | undefined,
  rows: Tensor,
  descending: boolean,
  out: T | undefined,
  x: Tensor,
): T {
  const y = (values ?? indices)!;
  const status = native().symbols.qn_sort(
    values?.address ?? 0n,
    indices?.address ?? 0n,
    rows.address,
    rowsOf(rows.shape),
    colsOf(rows.shape),
    descending ? 1 : 0,
    dtypeCodes[rows.dtype],
  );
  return status === Status.OK ? y : refuse(name, status, y, out, { x });
}

/** Sorts a dense copy with the axis as its last, and copies the result to its place. */
function throughRows<T extends Tensor>(
  x: Tensor,
  y: T,
  axis: number,
  out: Tensor | undefined,
  run: (x: Tensor, descending: boolean) => Tensor,
  descending: boolean,
): T {
  try {
    writeAlongAxis(x, y, axis, run, descending);
    return y;
  } catch (error) {
    if (y !== out) y.dispose();
    throw error;
  }
}
