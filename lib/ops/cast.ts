/**
 * Elements in another dtype.
 */
import { isFloating, type PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  checkApart,
  checkNotQuantised,
  checkOperand,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

const castGradient = differentiable<PlainDType>({
  operation: "cast",
  saves: [],
  backward: (gradient, _, { extra }) => [cast(gradient, extra)],
});

/**
 * The elements of a tensor in another dtype, each rounded once:
 *
 * - to a floating-point dtype: to nearest, ties to even; too large becomes infinite;
 * - to an integer: towards zero; what is out of range becomes the nearest integer that
 *   there is, NaN becomes 0;
 * - to bool: 0 for 0, and 1 for all else, NaN too.
 *
 * @param x Any dtype but the quantised, which `dequantize` widens.
 * @param dtype Any dtype but the quantised.
 * @param options Where to write the result.
 * @returns The same shape; a copy also where the dtype is that of `x`.
 * @throws {TypeError} When one of the dtypes is quantised, or none.
 *
 * @example
 * ```ts
 * import { cast, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([-1.5, 2.5, 300, NaN]);
 * using bytes = cast(x, "uint8");
 * using half = cast(x, "float16");
 * console.log(bytes.toArray(), half.toArray()); // [0, 2, 255, 0] [-1.5, 2.5, 300, NaN]
 * ```
 */
export function cast<D extends PlainDType>(
  x: Tensor,
  dtype: D,
  options: ResultOption<D> = {},
): Tensor<D> {
  checkOperand("cast", "x", x);
  checkNotQuantised("cast", "x", x.dtype);
  checkNotQuantised("cast", "the result", dtype);
  if (!x.isContiguous) return withDense([x], cast<D>, dtype, options);
  const { out } = options;
  const tracked = isFloating(dtype) && isTracked(x);
  const y = resultTensor<D>("cast", out, x.shape, dtype);
  checkApart("cast", out, "x", x);
  const status = native().symbols.qn_cast(
    y.address,
    x.address,
    rowsOf(x.shape),
    colsOf(x.shape),
    dtypeCodes[dtype],
    dtypeCodes[x.dtype],
  );
  if (status !== Status.OK) return refuse("cast", status, y, out, { x });
  return tracked ? record(y, castGradient, [x], { extra: x.dtype as PlainDType }) : y;
}
