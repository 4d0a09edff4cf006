/**
 * The largest or smallest elements along an axis.
 */
import { type Floating, isHalf } from "../core/dtype.ts";
import { differentiable, isTracked, record, unrecorded } from "../autograd/mod.ts";
import { colsOf, formatShape, rowsOf, type Shape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { resolveIndex, type Tensor } from "../tensor/mod.ts";
import { exchangedAxes } from "./along_axis.ts";
import { cast } from "./cast.ts";
import { checkApart, checkOperand, refuse, resultTensor } from "./operands.ts";
import { elementsAdded } from "./scatter_add.ts";
import type { Indices } from "./table.ts";

/** The dtypes that {@linkcode topK} takes. */
export type TopKDType = "float32" | "float16" | "bfloat16";

/** Options of {@linkcode topK}. */
export interface TopKOptions<D extends TopKDType> {
  /** The axis to search; the last when left out. Negative: from the end. */
  axis?: number;
  /** Whether the largest elements are wanted, which they are when left out, or the smallest. */
  largest?: boolean;
  /** Where to write the result. */
  out?: TopK<D>;
}

/** Elements in order, and where they are. */
export interface TopK<D extends TopKDType = "float32"> {
  /** The elements, the largest, or the smallest, first. */
  readonly values: Tensor<D>;
  /** Their indices along the axis, int32. */
  readonly indices: Tensor<"int32">;
}

/** What a call notes for its gradient. */
interface Found {
  readonly axis: number;
  readonly shape: Shape;
}

const topKGradient = differentiable<Found>({
  operation: "topK",
  saves: ["the indices"],
  backward: (gradient, [indices], { extra: { axis, shape } }) => [
    elementsAdded(shape, indices as Indices, gradient as Tensor<Floating>, axis),
  ],
});

/**
 * The `k` largest or smallest elements along an axis, in order. Of equals the first comes
 * first; NaN counts as larger than all else. With `k` the size of the axis, that sorts it.
 *
 * @param x float32, float16 or bfloat16; any strides.
 * @param k How many, from 0 to the size of the axis.
 * @param options `axis`, `largest`, `out`.
 * @returns Two tensors in the shape of `x` with `k` along the axis, both the caller's to
 * dispose of.
 * @throws {RangeError} When there are fewer elements, or there is no such axis.
 *
 * @example
 * ```ts
 * import { Tensor, topK } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 9, 3], [4, 4, 7]]);
 * const { values, indices } = topK(x, 2);
 * console.log(values.toArray(), indices.toArray()); // [[9, 3], [7, 4]] [[1, 2], [2, 0]]
 * values.dispose();
 * indices.dispose();
 * ```
 */
export function topK<D extends TopKDType = "float32">(
  x: Tensor<D>,
  k: number,
  options: TopKOptions<D> = {},
): TopK<D> {
  checkOperand("topK", "x", x);
  checkDType(x);
  const { axis = -1, largest = true, out } = options;
  const { shape } = x;
  const at = resolveIndex(axis, shape.length, "topK", "axis");
  if (!Number.isInteger(k) || k < 0 || k > shape[at]) {
    throw new RangeError(
      `topK: k is ${k}, expected an integer from 0 to ${shape[at]}, the size of axis ${at} of x ` +
        formatShape(shape),
    );
  }
  const tracked = isTracked(x);
  const result = resultsOf(x, shape.with(at, k), out);
  checkShared(x, out);
  try {
    // As a part of this operation, where copies are made on the way.
    unrecorded(fillResults, result, x, k, at, largest);
    if (tracked) {
      const { values, indices } = result;
      record(values, topKGradient, [x], { saved: [indices], extra: { axis: at, shape } });
    }
  } catch (error) {
    release(result, out);
    throw error;
  }
  return result;
}

function checkDType(x: Tensor): void {
  if (x.dtype === "float32" || isHalf(x.dtype)) return;
  throw new TypeError(
    `topK: x is ${x.dtype}, expected float32, float16 or bfloat16; use cast() first`,
  );
}

/** The tensors that the results go to: the caller's, checked, or new ones. */
function resultsOf<D extends TopKDType>(
  x: Tensor<D>,
  shape: Shape,
  out: TopK<D> | undefined,
): TopK<D> {
  const values = resultTensor<D>("topK", out?.values, shape, x.dtype, "out.values");
  try {
    const indices = resultTensor("topK", out?.indices, shape, "int32", "out.indices");
    return { values, indices };
  } catch (error) {
    if (values !== out?.values) values.dispose();
    throw error;
  }
}

/** Only a given result can share memory, so nothing is held here. */
function checkShared(x: Tensor, out: TopK<TopKDType> | undefined): void {
  checkApart("topK", out?.values, "x", x, "out.values");
  checkApart("topK", out?.indices, "x", x, "out.indices");
  checkApart("topK", out?.values, "out.indices", out?.indices, "out.values");
}

function release(result: TopK<TopKDType>, out: TopK<TopKDType> | undefined): void {
  if (out !== undefined) return;
  result.values.dispose();
  result.indices.dispose();
}

/** Searches rows of float32; any other axis, and halves, are brought into that form. */
function fillResults(
  result: TopK<TopKDType>,
  x: Tensor,
  k: number,
  axis: number,
  largest: boolean,
): void {
  if (axis === x.shape.length - 1 && x.dtype === "float32" && x.isContiguous) {
    searchRows(result as TopK, x, k, largest);
    return;
  }
  const axes = exchangedAxes(x.shape.length, axis);
  using turned = x.transpose(...axes);
  using rows = cast(turned, "float32");
  const found = topK(rows, k, { largest });
  using values = found.values;
  using indices = found.indices;
  using narrow = cast(values, result.values.dtype);
  using valuesPlace = result.values.transpose(...axes);
  using indicesPlace = result.indices.transpose(...axes);
  valuesPlace.copyFrom(narrow);
  indicesPlace.copyFrom(indices);
}

function searchRows(result: TopK, x: Tensor, k: number, largest: boolean): void {
  const { values, indices } = result;
  const status = native().symbols.qn_top_k_f32(
    values.address,
    indices.address,
    x.address,
    rowsOf(x.shape),
    colsOf(x.shape),
    k,
    largest ? 1 : 0,
  );
  if (status !== Status.OK) refuse("topK", status, values, values, { x }, { k });
}
