/**
 * The largest and the smallest element over axes, and where they are.
 */
import { RESULT, withoutGradient } from "../autograd/mod.ts";
import type { PlainDType } from "../core/dtype.ts";
import { ReduceOp } from "../ffi/symbols.ts";
import type { Tensor } from "../tensor/mod.ts";
import { div, mul } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal } from "./comparison.ts";
import {
  reduce,
  type ReduceOptions,
  type Reduction,
  reductionGradient,
  same,
  sameAxes,
} from "./reduce.ts";
import { sum } from "./sums.ts";

/** All elements that are as large have an equal share, as in PyTorch. */
const gradientOf = (name: string) =>
  reductionGradient(name, ["x", RESULT], (g, call, x, y) => {
    using isChosen = equal(x, y);
    using chosen = cast(isChosen, g.dtype);
    using count = sum(chosen, sameAxes(call));
    using share = div(g, count);
    return mul(chosen, share);
  });

// An index has no slope.
withoutGradient("argmax", "argmin");

const largest: Reduction = {
  name: "max",
  code: ReduceOp.LARGEST,
  result: same,
  needsElements: true,
  gradient: gradientOf("max"),
};
const smallest: Reduction = {
  name: "min",
  code: ReduceOp.SMALLEST,
  result: same,
  needsElements: true,
  gradient: gradientOf("min"),
};
const placeOfLargest: Reduction = {
  name: "argmax",
  code: ReduceOp.ARG_LARGEST,
  result: () => "int32",
  axis: -1,
  needsElements: true,
};
const placeOfSmallest: Reduction = {
  name: "argmin",
  code: ReduceOp.ARG_SMALLEST,
  result: () => "int32",
  axis: -1,
  needsElements: true,
};

/** Options of {@linkcode argmax} and {@linkcode argmin}. */
export interface ArgOptions {
  /** The axis that is searched, which goes; the last when left out. Negative: from the end. */
  axis?: number;
  /** Whether the axis stays as one of size 1. */
  keepDims?: boolean;
  /** Where to write the indices, which must be contiguous; a new tensor when left out. */
  out?: Tensor<"int32">;
}

/**
 * The largest element over axes; NaN where there is one, as in NumPy. Of its gradient equal
 * elements get equal shares.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`.
 * @throws {RangeError} When an axis that goes is empty, there is no such axis, or one is
 * named twice.
 *
 * @example
 * ```ts
 * import { max, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 5], [4, 2]]);
 * using y = max(x, { axis: 0 });
 * console.log(y.toArray()); // [4, 5]
 * ```
 */
export function max<D extends PlainDType>(
  x: Tensor<D>,
  options: ReduceOptions<D> = {},
): Tensor<D> {
  return reduce(x, largest, options) as Tensor<D>;
}

/**
 * The smallest element over axes; NaN where there is one, as in NumPy. Of its gradient equal
 * elements get equal shares.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`.
 * @throws {RangeError} When an axis that goes is empty, there is no such axis, or one is
 * named twice.
 *
 * @example
 * ```ts
 * import { min, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 5], [4, 2]]);
 * using y = min(x);
 * console.log(y.get()); // 1
 * ```
 */
export function min<D extends PlainDType>(
  x: Tensor<D>,
  options: ReduceOptions<D> = {},
): Tensor<D> {
  return reduce(x, smallest, options) as Tensor<D>;
}

/**
 * The index of the first largest element along an axis; the first NaN, where there is one,
 * as in NumPy. Without `axis`, that is the last one.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns int32, in the shape of `x` without the axis.
 * @throws {RangeError} When the axis is empty, or there is none.
 *
 * @example
 * ```ts
 * import { argmax, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 3, 2], [9, 0, 0]]);
 * using best = argmax(x);
 * using down = argmax(x, { axis: 0 });
 * console.log(best.toArray(), down.toArray()); // [1, 0] [1, 0, 0]
 * ```
 */
export function argmax(x: Tensor, options: ArgOptions = {}): Tensor<"int32"> {
  return reduce(x, placeOfLargest, options) as Tensor<"int32">;
}

/**
 * The index of the first smallest element along an axis; the first NaN, where there is
 * one, as in NumPy. Without `axis`, that is the last one.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns int32, in the shape of `x` without the axis.
 * @throws {RangeError} When the axis is empty, or there is none.
 *
 * @example
 * ```ts
 * import { argmin, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 3, 2], [9, 0, 0]]);
 * using y = argmin(x, { axis: 1, keepDims: true });
 * console.log(y.toArray()); // [[0], [1]]
 * ```
 */
export function argmin(x: Tensor, options: ArgOptions = {}): Tensor<"int32"> {
  return reduce(x, placeOfSmallest, options) as Tensor<"int32">;
}
