/**
 * Sums over axes, and what is made of them: means, variances, products.
 */
import { differentiable, RESULT } from "../autograd/mod.ts";
import type { Floating, PlainDType } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { ReduceOp } from "../ffi/symbols.ts";
import { Tensor } from "../tensor/mod.ts";
import { div, mul, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal } from "./comparison.ts";
import { any } from "./counting.ts";
import {
  real,
  type RealDType,
  reduce,
  type ReducedCall,
  type ReduceOptions,
  type Reduction,
  reductionGradient,
  sameAxes,
  spread,
  summed,
  type SummedDType,
} from "./reduce.ts";
import { where } from "./where.ts";

type Real = Tensor<Floating>;

const sumGradient = differentiable<ReducedCall>({
  operation: "sum",
  saves: [],
  backward: (gradient, _, { extra }) => [spread(gradient, extra)],
});

const meanGradient = differentiable<ReducedCall>({
  operation: "mean",
  saves: [],
  backward(gradient, _, { extra }) {
    const count = sizeOf(extra.shape) / sizeOf(extra.kept);
    using part = mul(gradient as Tensor<Floating>, 1 / count);
    return [spread(part, extra)];
  },
});

/** The product of the others: the quotient by the element, but where there is a 0. */
const productGradient = reductionGradient("prod", ["x", RESULT], (g, call, x, y) => {
  using isZero = equal(x, 0);
  using some = any(isZero);
  using others = some.get() ? productOfOthers(x, isZero, call) : div(y, x);
  return mul(others, g);
});

/** Beside one 0 it is 0, at the 0 the product of the rest, with another 0 it is 0 everywhere. */
function productOfOthers(x: Real, isZero: Tensor<"bool">, call: ReducedCall): Real {
  const { dtype } = x;
  using one = Tensor.ones([], dtype);
  using rest = where(isZero, one, x);
  using product = prod(rest, sameAxes(call));
  using quotient = div(product, rest);
  using zeros = cast(isZero, dtype);
  using count = sum(zeros, sameAxes(call));
  using countOfOthers = sub(count, zeros);
  using isFree = equal(countOfOthers, 0);
  using zero = Tensor.zeros([], dtype);
  return where(isFree, quotient, zero);
}

const varianceGradient = reductionGradient("variance", ["x"], (g, call, x) => {
  return timesDistances(g, x, call, 2);
});

/** The slope where all elements are equal is 0, as in PyTorch. */
const deviationGradient = reductionGradient("std", ["x", RESULT], (g, call, x, y) => {
  using isFlat = equal(y, 0);
  using zero = Tensor.zeros([], g.dtype);
  using slope = div(g, y);
  using finite = where(isFlat, zero, slope);
  return timesDistances(finite, x, call, 1);
});

/** `g · factor · (x - mean) / (count - ddof)`. */
function timesDistances(g: Real, x: Real, call: ReducedCall, factor: number): Real {
  const count = sizeOf(call.shape) / sizeOf(call.kept);
  using center = mean(x, sameAxes(call));
  using distances = sub(x, center);
  using part = mul(g, factor / Math.max(count - call.parameter, 0));
  return mul(distances, part);
}

const sums: Reduction = {
  name: "sum",
  code: ReduceOp.SUM,
  result: summed,
  gradient: sumGradient,
};
const products: Reduction = {
  name: "prod",
  code: ReduceOp.PRODUCT,
  result: summed,
  gradient: productGradient,
};
const means: Reduction = {
  name: "mean",
  code: ReduceOp.MEAN,
  result: real,
  gradient: meanGradient,
};
const variances: Reduction = {
  name: "variance",
  code: ReduceOp.VARIANCE,
  result: real,
  gradient: varianceGradient,
};
const deviations: Reduction = {
  name: "std",
  code: ReduceOp.DEVIATION,
  result: real,
  gradient: deviationGradient,
};

/** Options of {@linkcode variance} and {@linkcode std}. */
export interface VarianceOptions<R extends PlainDType> extends ReduceOptions<R> {
  /**
   * What is taken off the number of elements before dividing by it ("delta degrees of
   * freedom"): 0, the default as in NumPy, for the variance of the elements themselves; 1,
   * the default of PyTorch, for that of what they were drawn from.
   */
  ddof?: number;
}

/**
 * The sum over axes. float16, bfloat16 and float32 are added in float32 and float64, and
 * rounded once: the error does not grow with the number of elements.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`; int64, which wraps around, for whole numbers and bool. 0 for
 * an empty axis.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { sum, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * using all = sum(x);
 * using columns = sum(x, { axis: 0 });
 * using rows = sum(x, { axis: -1, keepDims: true });
 * console.log(all.get(), columns.toArray(), rows.toArray()); // 21 [5, 7, 9] [[6], [15]]
 * ```
 */
export function sum<D extends PlainDType>(
  x: Tensor<D>,
  options: ReduceOptions<SummedDType<D>> = {},
): Tensor<SummedDType<D>> {
  return reduce(x, sums, options) as Tensor<SummedDType<D>>;
}

/**
 * The product over axes. float16, bfloat16 and float32 are multiplied in float64.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`; int64, which wraps around, for whole numbers and bool. 1 for
 * an empty axis.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { prod, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * using y = prod(x, { axis: 1 });
 * console.log(y.toArray()); // [6, 120]
 * ```
 */
export function prod<D extends PlainDType>(
  x: Tensor<D>,
  options: ReduceOptions<SummedDType<D>> = {},
): Tensor<SummedDType<D>> {
  return reduce(x, products, options) as Tensor<SummedDType<D>>;
}

/**
 * The mean over axes.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`; float64, as in NumPy, for whole numbers and bool. NaN for an
 * empty axis.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { mean, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * using y = mean(x, { axis: 0 });
 * console.log(y.toArray()); // [2.5, 3.5, 4.5]
 * ```
 */
export function mean<D extends PlainDType>(
  x: Tensor<D>,
  options: ReduceOptions<RealDType<D>> = {},
): Tensor<RealDType<D>> {
  return reduce(x, means, options) as Tensor<RealDType<D>>;
}

/**
 * The variance over axes: the sum of squared distances from the mean, divided by the
 * number of elements less `ddof`. Exact enough for elements far from 0: distances are
 * taken from an element or the mean, never squares from squares.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `ddof`, `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`; float64, as in NumPy, for whole numbers and bool. NaN where the
 * divisor is 0 and the elements are one or none.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { Tensor, variance } from "@quern/quern";
 *
 * using x = Tensor.from([1, 2, 3, 4]);
 * using population = variance(x);
 * using sample = variance(x, { ddof: 1 });
 * console.log(population.get(), sample.get()); // 1.25 1.6666666269302368
 * ```
 */
export function variance<D extends PlainDType>(
  x: Tensor<D>,
  options: VarianceOptions<RealDType<D>> = {},
): Tensor<RealDType<D>> {
  const ddof = checkFreedom("variance", options.ddof);
  return reduce(x, variances, options, ddof) as Tensor<RealDType<D>>;
}

/**
 * The standard deviation over axes: the square root of {@linkcode variance}.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `ddof`, `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`; float64, as in NumPy, for whole numbers and bool.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { std, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 3], [5, 5]]);
 * using y = std(x, { axis: 1 });
 * console.log(y.toArray()); // [1, 0]
 * ```
 */
export function std<D extends PlainDType>(
  x: Tensor<D>,
  options: VarianceOptions<RealDType<D>> = {},
): Tensor<RealDType<D>> {
  const ddof = checkFreedom("std", options.ddof);
  return reduce(x, deviations, options, ddof) as Tensor<RealDType<D>>;
}

function checkFreedom(name: string, ddof = 0): number {
  if (Number.isFinite(ddof)) return ddof;
  throw new RangeError(`${name}: ddof is ${ddof}, expected a finite number`);
}
