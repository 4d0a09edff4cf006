/**
 * Vector norms, and the logarithm of a sum of exponentials, over axes.
 */
import type { PlainDType } from "../core/dtype.ts";
import { ReduceOp } from "../ffi/symbols.ts";
import type { Tensor } from "../tensor/mod.ts";
import { real, type RealDType, reduce, type ReduceOptions, type Reduction } from "./reduce.ts";

const norms = {
  zero: { name: "norm", code: ReduceOp.NORM_0, result: real },
  one: { name: "norm", code: ReduceOp.NORM_1, result: real },
  two: { name: "norm", code: ReduceOp.NORM_2, result: real },
  power: { name: "norm", code: ReduceOp.NORM_P, result: real },
  largest: { name: "norm", code: ReduceOp.LARGEST_SIZE, result: real },
  smallest: {
    name: "norm",
    code: ReduceOp.SMALLEST_SIZE,
    result: real,
    needsElements: true,
  },
} as const satisfies Record<string, Reduction>;
const logSums: Reduction = { name: "logSumExp", code: ReduceOp.LOG_SUM_EXP, result: real };

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
