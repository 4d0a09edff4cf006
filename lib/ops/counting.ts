/**
 * What of a tensor is not 0.
 */
import { withoutGradient } from "../autograd/mod.ts";
import { ReduceOp } from "../ffi/symbols.ts";
import type { Tensor } from "../tensor/mod.ts";
import { reduce, type ReduceOptions, type Reduction } from "./reduce.ts";

// Steps have no slope.
withoutGradient("any", "all", "countNonZero");

const anyOf: Reduction = { name: "any", code: ReduceOp.ANY, result: () => "bool" };
const allOf: Reduction = { name: "all", code: ReduceOp.ALL, result: () => "bool" };
const counts: Reduction = {
  name: "countNonZero",
  code: ReduceOp.COUNT_NONZERO,
  result: () => "int64",
};

/**
 * Whether any element along the axes is not 0. NaN is not 0.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns bool; false for an empty axis.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { any, greater, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2], [3, 4]]);
 * using large = greater(x, 3);
 * using y = any(large, { axis: 1 });
 * console.log(y.toArray()); // [0, 1]
 * ```
 */
export function any(x: Tensor, options: ReduceOptions<"bool"> = {}): Tensor<"bool"> {
  return reduce(x, anyOf, options) as Tensor<"bool">;
}

/**
 * Whether all elements along the axes are not 0. NaN is not 0.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns bool; true for an empty axis.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { all, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 0], [3, 4]]);
 * using y = all(x, { axis: 0 });
 * console.log(y.toArray()); // [1, 0]
 * ```
 */
export function all(x: Tensor, options: ReduceOptions<"bool"> = {}): Tensor<"bool"> {
  return reduce(x, allOf, options) as Tensor<"bool">;
}

/**
 * How many elements along the axes are not 0. NaN is not 0.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns int64, whose elements are bigints in JavaScript.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { countNonZero, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 0], [3, 4]]);
 * using y = countNonZero(x);
 * console.log(y.get()); // 3n
 * ```
 */
export function countNonZero(x: Tensor, options: ReduceOptions<"int64"> = {}): Tensor<"int64"> {
  return reduce(x, counts, options) as Tensor<"int64">;
}
