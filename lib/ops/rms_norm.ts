/**
 * Root mean square normalisation (Zhang and Sennrich, 2019), alone and behind a
 * residual connection.
 */
import { differentiable, isTracked, record, wants, withoutGradient } from "../autograd/mod.ts";
import { type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { noteWrite, type Tensor } from "../tensor/mod.ts";
import { add } from "./arithmetic.ts";
import { withFloat32 } from "./halves.ts";
import { normGradients, type Real } from "./norm_gradients.ts";
import {
  checkResidual,
  checkScale,
  checkSum,
  type SumOption,
  sumWithFloat32,
} from "./norm_operands.ts";
import {
  areDense,
  checkApart,
  checkFloating,
  checkInPlace,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

/** Options of {@linkcode rmsNorm}. */
export interface RmsNormOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** Added to the mean square; 1e-5 when left out. */
  epsilon?: number;
}

/** Options of {@linkcode rmsNormResidual}. */
export interface RmsNormResidualOptions<D extends Floating = "float32">
  extends RmsNormOptions<D>, SumOption<D> {
  /** `[cols]`, in the dtype of `x`; ones when left out. */
  weight?: Tensor<D>;
}

/**
 * Divides each row by its root mean square, then scales each column:
 * `x / sqrt(mean(x²) + epsilon) · weight`.
 *
 * @param x `[…, cols]`, of a floating-point dtype.
 * @param weight `[cols]`, in the dtype of `x`; undefined means ones.
 * @param options `epsilon`; `out` may be `x`.
 * @returns The normalised rows, in the shape and dtype of `x`.
 * @throws {RangeError} When `weight` does not fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { rmsNorm, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[3, 4]]);
 * using y = rmsNorm(x);
 * console.log(y.toArray());
 * ```
 */
export function rmsNorm<D extends Floating>(
  x: Tensor<D>,
  weight?: Tensor<D>,
  options: RmsNormOptions<D> = {},
): Tensor<D> {
  const { epsilon = 1e-5, out } = options;
  checkFloating("rmsNorm", "x", x);
  const { shape, dtype } = x;
  const cols = colsOf(shape);
  checkScale("rmsNorm", "weight", weight, cols, dtype);
  if (isHalf(dtype)) {
    const result = { operation: "rmsNorm", shape, dtype, out };
    return withFloat32(result, [x, weight], rmsNorm, { epsilon });
  }
  if (!areDense(x, weight)) return withDense([x, weight], rmsNorm<D>, options);
  const tracked = isTracked(x, weight);
  const y = resultTensor<D>("rmsNorm", out, shape, dtype);
  checkInPlace("rmsNorm", out, "x", x);
  checkApart("rmsNorm", out, "weight", weight);
  const status = native().symbols.qn_rms_norm(
    y.address,
    x.address,
    weight?.address ?? 0n,
    rowsOf(shape),
    cols,
    epsilon,
    dtypeCodes[dtype],
  );
  if (status !== Status.OK) {
    return refuse("rmsNorm", status, y, out, { x, weight }, { epsilon });
  }
  return tracked ? recordNorm(y, x, weight, epsilon) : y;
}

const rmsNormGradient = differentiable<number>({
  operation: "rmsNorm",
  saves: ["x", "weight"],
  backward(gradient, saved, { wants, extra: epsilon }) {
    const [x, weight] = saved as Real[];
    const norm = { operation: "rmsNorm", isCentred: false, epsilon };
    return normGradients(norm, gradient, x, weight, wants).slice(0, 2);
  },
});

function recordNorm<T extends Tensor>(
  y: T,
  x: Tensor,
  weight: Tensor | undefined,
  extra: number,
): T {
  const saved = [x, wants(x) ? weight : undefined];
  return record(y, rmsNormGradient, [x, weight], { saved, extra });
}

/**
 * {@linkcode rmsNorm} of `x + residual`, in one pass over memory.
 *
 * @param x `[…, cols]`, of a floating-point dtype.
 * @param residual In the shape and dtype of `x`.
 * @param options `weight`, `epsilon`; `sum` receives `x + residual`; `out` and `sum` may
 * each be `x` or `residual`, but not the same.
 * @returns The normalised sums, in the shape and dtype of `x`.
 * @throws {RangeError} When an operand does not fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { rmsNormResidual, Tensor } from "@quern/quern";
 *
 * using stream = Tensor.from([[1, 2]]);
 * using branch = Tensor.from([[2, 2]]);
 * using y = rmsNormResidual(branch, stream, { sum: stream });
 * console.log(stream.toArray()); // [[3, 4]]
 * ```
 */
export function rmsNormResidual<D extends Floating>(
  x: Tensor<D>,
  residual: Tensor<D>,
  options: RmsNormResidualOptions<D> = {},
): Tensor<D> {
  const { weight } = options;
  checkResidual("rmsNormResidual", x, residual);
  checkScale("rmsNormResidual", "weight", weight, colsOf(x.shape), x.dtype);
  return normaliseSum(x, residual, weight, options);
}

function normaliseSum<D extends Floating>(
  x: Tensor<D>,
  residual: Tensor<D>,
  weight: Tensor<D> | undefined,
  options: RmsNormResidualOptions<D>,
): Tensor<D> {
  const { sum, epsilon = 1e-5, out } = options;
  const { shape, dtype } = x;
  if (isHalf(dtype)) {
    checkSum("rmsNormResidual", sum, out, x, residual, weight);
    return sumWithFloat32("rmsNormResidual", [x, residual, weight], options, normaliseSum<D>);
  }
  if (!areDense(x, residual, weight)) {
    return withDense([x, residual, weight], normaliseSum<D>, options);
  }
  checkSum("rmsNormResidual", sum, out, x, residual, weight);
  if (isTracked(x, residual, weight)) return inTwoSteps(x, residual, weight, options);
  if (sum !== undefined) noteWrite(sum, "rmsNormResidual");
  const y = resultTensor<D>("rmsNormResidual", out, shape, dtype);
  checkInPlace("rmsNormResidual", out, "x", x);
  checkInPlace("rmsNormResidual", out, "residual", residual);
  checkApart("rmsNormResidual", out, "weight", weight);
  const status = native().symbols.qn_rms_norm_residual(
    y.address,
    sum?.address ?? 0n,
    x.address,
    residual.address,
    weight?.address ?? 0n,
    rowsOf(shape),
    colsOf(shape),
    epsilon,
    dtypeCodes[dtype],
  );
  if (status === Status.OK) return y;
  const operands = { x, residual, weight };
  return refuse("rmsNormResidual", status, y, out, operands, { epsilon });
}

// Made of a sum and a norm where gradients are wanted: of both, the sum's own as well.
withoutGradient("rmsNormResidual");

function inTwoSteps<D extends Floating>(
  x: Tensor<D>,
  residual: Tensor<D>,
  weight: Tensor<D> | undefined,
  { sum, epsilon, out }: RmsNormResidualOptions<D>,
): Tensor<D> {
  const stream = add<D>(x, residual, { out: sum });
  try {
    return rmsNorm(stream, weight, { epsilon, out });
  } finally {
    if (stream !== sum) stream.dispose();
  }
}
