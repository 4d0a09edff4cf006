/**
 * Vector norms, and the logarithm of a sum of exponentials, over axes.
 */
import { RESULT } from "../autograd/mod.ts";
import type { Floating, PlainDType } from "../core/dtype.ts";
import { ReduceOp } from "../ffi/symbols.ts";
import { Tensor } from "../tensor/mod.ts";
import { div, mul, pow, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal, notEqual } from "./comparison.ts";
import { exp } from "./exponential.ts";
import { abs, sign } from "./powers.ts";
import {
  real,
  type RealDType,
  reduce,
  type ReducedCall,
  type ReduceOptions,
  type Reduction,
  reductionGradient,
  sameAxes,
} from "./reduce.ts";
import { sum } from "./sums.ts";
import { where } from "./where.ts";

type Real = Tensor<Floating>;

/** That of the norm is the slope of each size, 0 at 0, with the sign of the element. */
const gradient = reductionGradient("norm", ["x", RESULT], (g, call, x, y) => {
  const { shape, parameter } = call;
  if (parameter === 0) return Tensor.zeros(shape, g.dtype);
  if (parameter === 2) return alongElements(g, x, y);
  using signs = sign(x);
  if (parameter === 1) return mul(signs, g);
  using sizes = abs(x);
  using slope = Number.isFinite(parameter)
    ? slopeOfPower(sizes, y, parameter)
    : shareOfExtreme(sizes, y, call);
  using turned = mul(slope, signs);
  return mul(turned, g);
});

/** `g · x / norm`, which is 0 where the norm is. */
function alongElements(g: Real, x: Real, norm: Real): Real {
  using isNothing = equal(norm, 0);
  using zero = Tensor.zeros([], g.dtype);
  using slope = div(g, norm);
  using finite = where(isNothing, zero, slope);
  return mul(x, finite);
}

/** `(|x| / norm)^(p - 1)`: a ratio has no power that is too large. */
function slopeOfPower(sizes: Real, norm: Real, p: number): Real {
  using ratio = div(sizes, norm);
  using power = pow(ratio, p - 1);
  using zero = Tensor.zeros([], sizes.dtype);
  using isSloped = notEqual(sizes, 0);
  return where(isSloped, power, zero);
}

/** All elements that are as large have an equal share, as in PyTorch. */
function shareOfExtreme(sizes: Real, norm: Real, call: ReducedCall): Real {
  using isExtreme = equal(sizes, norm);
  using extremes = cast(isExtreme, sizes.dtype);
  using count = sum(extremes, sameAxes(call));
  return div(extremes, count);
}

/** The softmax. Where all elements are -Infinity it is 0. */
const logSumGradient = reductionGradient("logSumExp", ["x", RESULT], (g, _, x, y) => {
  using isNothing = equal(y, -Infinity);
  using zero = Tensor.zeros([], y.dtype);
  using reference = where(isNothing, zero, y);
  using difference = sub(x, reference);
  using share = exp(difference);
  return mul(share, g);
});

const norms = {
  zero: { name: "norm", code: ReduceOp.NORM_0, result: real, gradient },
  one: { name: "norm", code: ReduceOp.NORM_1, result: real, gradient },
  two: { name: "norm", code: ReduceOp.NORM_2, result: real, gradient },
  power: { name: "norm", code: ReduceOp.NORM_P, result: real, gradient },
  largest: { name: "norm", code: ReduceOp.LARGEST_SIZE, result: real, gradient },
  smallest: {
    name: "norm",
    code: ReduceOp.SMALLEST_SIZE,
    result: real,
    needsElements: true,
    gradient,
  },
} as const satisfies Record<string, Reduction>;
const logSums: Reduction = {
  name: "logSumExp",
  code: ReduceOp.LOG_SUM_EXP,
  result: real,
  gradient: logSumGradient,
};

/** Options of {@linkcode norm}. */
export interface NormOptions<R extends PlainDType> extends ReduceOptions<R> {
  /**
   * The order p of `(sum |x|^p)^(1/p)`, above 0; 2 when left out. Infinity for the largest
   * `|x|`, -Infinity for the smallest, 0 for how many are not 0.
   */
  ord?: number;
}

/**
 * The norm of the elements along axes, as one vector however many axes go. Squares that
 * float32 cannot hold are added in float64: nothing overflows that the result can hold.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `ord`, `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`; float64 for whole numbers and bool. 0 for an empty axis.
 * @throws {RangeError} When `ord` is NaN or a finite number below 0, or is -Infinity and an
 * axis that goes is empty; when there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { norm, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[3, -4], [0, 1]]);
 * using lengths = norm(x, { axis: 1 });
 * using largest = norm(x, { ord: Infinity });
 * console.log(lengths.toArray(), largest.get()); // [5, 1] 4
 * ```
 */
export function norm<D extends PlainDType>(
  x: Tensor<D>,
  options: NormOptions<RealDType<D>> = {},
): Tensor<RealDType<D>> {
  const { ord = 2 } = options;
  return reduce(x, ofOrder(ord), options, ord) as Tensor<RealDType<D>>;
}

function ofOrder(ord: number): Reduction {
  switch (ord) {
    case 0:
      return norms.zero;
    case 1:
      return norms.one;
    case 2:
      return norms.two;
    case Infinity:
      return norms.largest;
    case -Infinity:
      return norms.smallest;
    default:
      if (ord > 0) return norms.power;
      throw new RangeError(
        `norm: ord is ${ord}, expected a number above 0, or 0, Infinity or -Infinity`,
      );
  }
}

/**
 * `log(sum(exp(x)))` over axes, with the maximum taken off first.
 *
 * @param x Any dtype but the quantised; any strides.
 * @param options `axis`, `keepDims`, `out`.
 * @returns The dtype of `x`; float64 for whole numbers and bool. -Infinity for an empty axis.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 *
 * @example
 * ```ts
 * import { logSumExp, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[0, 0], [1000, 1000]]);
 * using y = logSumExp(x, { axis: 1 });
 * console.log(y.toArray()); // [0.6931…, 1000.6931…]
 * ```
 */
export function logSumExp<D extends PlainDType>(
  x: Tensor<D>,
  options: ReduceOptions<RealDType<D>> = {},
): Tensor<RealDType<D>> {
  return reduce(x, logSums, options) as Tensor<RealDType<D>>;
}
