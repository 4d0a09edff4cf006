/**
 * Running sums and products along an axis.
 */
import { type Floating, isHalf, type PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record, RESULT } from "../autograd/mod.ts";
import { sizeOf } from "../core/shape.ts";
import { dtypeCodes, native, Status } from "../ffi/mod.ts";
import { resolveIndex, Tensor } from "../tensor/mod.ts";
import { div, mul } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal, logicalAnd } from "./comparison.ts";
import { any } from "./counting.ts";
import { flip } from "./flip.ts";
import { withFloat32 } from "./halves.ts";
import {
  checkInPlace,
  checkNotQuantised,
  checkOperand,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";
import { summed, type SummedDType } from "./reduce.ts";
import { where } from "./where.ts";

type Real = Tensor<Floating>;

/** With the axis. */
const sumGradient = differentiable<number>({
  operation: "cumsum",
  saves: [],
  backward: (gradient, _, { extra }) => [sumsBehind(gradient as Real, extra)],
});

/** With the axis. */
const productGradient = differentiable<number>({
  operation: "cumprod",
  saves: ["x", RESULT],
  backward(gradient, saved, { extra }) {
    const [g, x, y] = [gradient, ...saved] as Real[];
    using weighted = mul(g, y);
    using sums = sumsBehind(weighted, extra);
    using isZero = equal(x, 0);
    using some = any(isZero);
    return [some.get() ? besideZeros(g, x, sums, isZero, extra) : div(sums, x)];
  },
});

/** The sum of each element and all behind it. */
function sumsBehind(x: Real, axis: number): Real {
  if (x.shape.length === 0) return x.clone();
  using turned = flip(x, { axis });
  cumsum(turned, { axis, out: turned });
  return flip(turned, { axis });
}

/**
 * The gradient of products of which some are 0. An element before the first 0 has part in the
 * products up to there; the first 0 in those of all others up to the next; and no other element
 * behind it in any that is not 0.
 */
function besideZeros(g: Real, x: Real, sums: Real, isZero: Tensor<"bool">, axis: number): Real {
  const { dtype } = x;
  using zero = Tensor.zeros([], dtype);
  using one = Tensor.ones([], dtype);
  using zeros = cast(isZero, dtype);
  using count = cumsum(zeros, { axis });
  using isOne = equal(count, 1);
  using isFirst = logicalAnd(isZero, isOne);
  using others = where(isFirst, one, x);
  using products = cumprod(others, { axis });
  using weighted = mul(g, products);
  using own = sumsBehind(weighted, axis);
  using ofZeros = where(isFirst, own, zero);
  using divisors = where(isZero, one, x);
  using quotients = div(sums, divisors);
  return where(isZero, ofZeros, quotients);
}

/** Options of {@linkcode cumsum} and {@linkcode cumprod}. */
export interface CumulativeOptions<R extends PlainDType> {
  /** The axis to walk along; the last when left out. Negative: from the end. */
  axis?: number;
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<R>;
}

/**
 * The sum of all elements so far along an axis. Sums are kept in float64 and rounded to
 * an element, so that errors do not add up.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `out`, which may be `x`.
 * @returns The shape of `x`; its dtype, or int64, which wraps around, for whole numbers and
 * bool.
 * @throws {RangeError} When there is no such axis.
 *
 * @example
 * ```ts
 * import { cumsum, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * using y = cumsum(x);
 * using down = cumsum(x, { axis: 0 });
 * console.log(y.toArray(), down.toArray()); // [[1, 3, 6], [4, 9, 15]] [[1, 2, 3], [5, 7, 9]]
 * ```
 */
export function cumsum<D extends PlainDType>(
  x: Tensor<D>,
  options: CumulativeOptions<SummedDType<D>> = {},
): Tensor<SummedDType<D>> {
  return scan(x, "cumsum", options.axis, options.out, false) as Tensor<SummedDType<D>>;
}

/**
 * The product of all elements so far along an axis. Products are kept in float64 and
 * rounded to an element.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `out`, which may be `x`.
 * @returns The shape of `x`; its dtype, or int64, which wraps around, for whole numbers and
 * bool.
 * @throws {RangeError} When there is no such axis.
 *
 * @example
 * ```ts
 * import { cumprod, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1, 2, 3, 4]);
 * using y = cumprod(x);
 * console.log(y.toArray()); // [1, 2, 6, 24]
 * ```
 */
export function cumprod<D extends PlainDType>(
  x: Tensor<D>,
  options: CumulativeOptions<SummedDType<D>> = {},
): Tensor<SummedDType<D>> {
  return scan(x, "cumprod", options.axis, options.out, true) as Tensor<SummedDType<D>>;
}

function scan(
  x: Tensor,
  name: string,
  axis: number | undefined,
  out: Tensor | undefined,
  multiplies: boolean,
): Tensor {
  checkOperand(name, "x", x);
  const { dtype } = x;
  checkNotQuantised(name, "x", dtype);
  const result = summed(dtype);
  const { shape } = x;
  const at = shape.length === 0 ? 0 : resolveIndex(axis ?? -1, shape.length, name, "axis");
  if (isHalf(dtype)) {
    const what = { operation: name, shape, dtype, out: out as Tensor<typeof dtype> | undefined };
    return withFloat32(what, [x], scan, name, at, undefined, multiplies);
  }
  if (result !== dtype) {
    const y = resultTensor<PlainDType>(name, out as Tensor<PlainDType>, shape, result);
    using whole = cast(x, "int64");
    return run(name, y, whole, at, out, multiplies);
  }
  if (!x.isContiguous) return withDense([x], scan, name, axis, out, multiplies);
  const tracked = isTracked(x);
  const y = resultTensor<PlainDType>(name, out as Tensor<PlainDType>, shape, result);
  checkInPlace(name, out, "x", x);
  run(name, y, x, at, out, multiplies);
  return tracked ? recordScan(y, x, at, multiplies) : y;
}

function recordScan(y: Tensor, x: Tensor, axis: number, multiplies: boolean): Tensor {
  if (!multiplies) return record(y, sumGradient, [x], { extra: axis });
  return record(y, productGradient, [x], { saved: [x, y], extra: axis });
}

/** The one call, with operands of the result's dtype that are dense. */
function run(
  name: string,
  y: Tensor,
  x: Tensor,
  axis: number,
  out: Tensor | undefined,
  multiplies: boolean,
): Tensor {
  const { shape } = x;
  const status = native().symbols.qn_scan(
    y.address,
    x.address,
    sizeOf(shape, 0, axis),
    shape.length === 0 ? 1 : shape[axis],
    sizeOf(shape, axis + 1),
    multiplies ? 1 : 0,
    dtypeCodes[x.dtype],
  );
  return status === Status.OK ? y : refuse(name, status, y, out, { x });
}
