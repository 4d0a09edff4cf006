/**
 * Layer normalisation (Ba, Kiros and Hinton, 2016), alone and behind a residual
 * connection.
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

/** Options of {@linkcode layerNorm}. */
export interface LayerNormOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** `[cols]`, in the dtype of `x`; ones when left out. */
  weight?: Tensor<D>;
  /** `[cols]`, in the dtype of `x`; zeros when left out. */
  bias?: Tensor<D>;
  /** Added to the variance; 1e-5 when left out. */
  epsilon?: number;
}

/** Options of {@linkcode layerNormResidual}. */
export interface LayerNormResidualOptions<D extends Floating = "float32">
  extends LayerNormOptions<D>, SumOption<D> {}

/**
 * Takes the mean off each row and divides it by its standard deviation, then scales
 * and shifts each column: `(x - mean) / sqrt(variance + epsilon) · weight + bias`.
 * Mean and variance are exact enough for any row: one of a single value becomes the
 * bias, and an offset a billion times the spread costs no digits of what float32
 * still tells apart.
 *
 * @param x `[…, cols]`, of a floating-point dtype.
 * @param options `weight`, `bias`, `epsilon`; `out` may be `x`.
 * @returns The normalised rows, in the shape and dtype of `x`; NaN in a row with a NaN or
 * an infinity.
 * @throws {RangeError} When `weight` or `bias` does not fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { layerNorm, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 3], [-5, 5]]);
 * using y = layerNorm(x, { epsilon: 0 });
 * console.log(y.toArray()); // [[-1, 1], [-1, 1]]
 * ```
 */
export function layerNorm<D extends Floating>(
  x: Tensor<D>,
  options: LayerNormOptions<D> = {},
): Tensor<D> {
  const { weight, bias, epsilon = 1e-5, out } = options;
  checkFloating("layerNorm", "x", x);
  return normalise(x, weight, bias, epsilon, out);
}

function normalise<D extends Floating>(
  x: Tensor<D>,
  weight: Tensor<D> | undefined,
  bias: Tensor<D> | undefined,
  epsilon: number,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const { shape, dtype } = x;
  checkColumns("layerNorm", x, weight, bias);
  if (isHalf(dtype)) {
    const result = { operation: "layerNorm", shape, dtype, out };
    return withFloat32(result, [x, weight, bias], normalise, epsilon, undefined);
  }
  if (!areDense(x, weight, bias)) {
    return withDense([x, weight, bias], normalise<D>, epsilon, out);
  }
  const tracked = isTracked(x, weight, bias);
  const y = resultTensor<D>("layerNorm", out, shape, dtype);
  checkInPlace("layerNorm", out, "x", x);
  checkApart("layerNorm", out, "weight", weight);
  checkApart("layerNorm", out, "bias", bias);
  const status = native().symbols.qn_layer_norm(
    y.address,
    x.address,
    weight?.address ?? 0n,
    bias?.address ?? 0n,
    rowsOf(shape),
    colsOf(shape),
    epsilon,
    dtypeCodes[dtype],
  );
  if (status !== Status.OK) {
    return refuse("layerNorm", status, y, out, { x, weight, bias }, { epsilon });
  }
  return tracked ? recordNorm(y, x, weight, bias, epsilon) : y;
}

const layerNormGradient = differentiable<number>({
  operation: "layerNorm",
  saves: ["x", "weight"],
  backward(gradient, saved, { wants, extra: epsilon }) {
    const [x, weight] = saved as Real[];
    const norm = { operation: "layerNorm", isCentred: true, epsilon };
    return normGradients(norm, gradient, x, weight, wants);
  },
});

function recordNorm<T extends Tensor>(
  y: T,
  x: Tensor,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
  extra: number,
): T {
  const needsX = wants(x) || wants(weight);
  const saved = [needsX ? x : undefined, wants(x) ? weight : undefined];
  return record(y, layerNormGradient, [x, weight, bias], { saved, extra });
}

function checkColumns(
  operation: string,
  x: Tensor<Floating>,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
): void {
  const cols = colsOf(x.shape);
  checkScale(operation, "weight", weight, cols, x.dtype);
  checkScale(operation, "bias", bias, cols, x.dtype);
}

/**
 * {@linkcode layerNorm} of `x + residual`, in one pass over memory.
 *
 * @param x `[…, cols]`, of a floating-point dtype.
 * @param residual In the shape and dtype of `x`.
 * @param options `weight`, `bias`, `epsilon`; `sum` receives `x + residual`; `out` and
 * `sum` may each be `x` or `residual`, but not the same.
 * @returns The normalised sums, in the shape and dtype of `x`.
 * @throws {RangeError} When an operand does not fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { layerNormResidual, Tensor } from "@quern/quern";
 *
 * using stream = Tensor.from([[1, 2]]);
 * using branch = Tensor.from([[0, 1]]);
 * using y = layerNormResidual(branch, stream, { sum: stream, epsilon: 0 });
 * console.log(stream.toArray(), y.toArray()); // [[1, 3]] [[-1, 1]]
 * ```
 */
export function layerNormResidual<D extends Floating>(
  x: Tensor<D>,
  residual: Tensor<D>,
  options: LayerNormResidualOptions<D> = {},
): Tensor<D> {
  const { weight, bias } = options;
  checkResidual("layerNormResidual", x, residual);
  checkColumns("layerNormResidual", x, weight, bias);
  return normaliseSum(x, residual, weight, bias, options);
}

function normaliseSum<D extends Floating>(
  x: Tensor<D>,
  residual: Tensor<D>,
  weight: Tensor<D> | undefined,
  bias: Tensor<D> | undefined,
  options: LayerNormResidualOptions<D>,
): Tensor<D> {
  const { sum, epsilon = 1e-5, out } = options;
  const { shape, dtype } = x;
  if (isHalf(dtype)) {
    checkSum("layerNormResidual", sum, out, x, residual, weight, bias);
    const operands = [x, residual, weight, bias] as const;
    return sumWithFloat32("layerNormResidual", operands, options, normaliseSum<D>);
  }
  if (!areDense(x, residual) || !areDense(weight, bias)) {
    return withDense([x, residual, weight, bias], normaliseSum<D>, options);
  }
  checkSum("layerNormResidual", sum, out, x, residual, weight, bias);
  if (isTracked(x, residual, weight, bias)) {
    return inTwoSteps(x, residual, weight, bias, options);
  }
  if (sum !== undefined) noteWrite(sum, "layerNormResidual");
  const y = resultTensor<D>("layerNormResidual", out, shape, dtype);
  checkInPlace("layerNormResidual", out, "x", x);
  checkInPlace("layerNormResidual", out, "residual", residual);
  checkApart("layerNormResidual", out, "weight", weight);
  checkApart("layerNormResidual", out, "bias", bias);
  const status = native().symbols.qn_layer_norm_residual(
    y.address,
    sum?.address ?? 0n,
    x.address,
    residual.address,
    weight?.address ?? 0n,
    bias?.address ?? 0n,
    rowsOf(shape),
    colsOf(shape),
    epsilon,
    dtypeCodes[dtype],
  );
  if (status === Status.OK) return y;
  const operands = { x, residual, weight, bias };
  return refuse("layerNormResidual", status, y, out, operands, { epsilon });
}

// Made of a sum and a norm where gradients are wanted: of both, the sum's own as well.
withoutGradient("layerNormResidual");

function inTwoSteps<D extends Floating>(
  x: Tensor<D>,
  residual: Tensor<D>,
  weight: Tensor<D> | undefined,
  bias: Tensor<D> | undefined,
  { sum, epsilon, out }: LayerNormResidualOptions<D>,
): Tensor<D> {
  const stream = add<D>(x, residual, { out: sum });
  try {
    return layerNorm(stream, { weight, bias, epsilon, out });
  } finally {
    if (stream !== sum) stream.dispose();
  }
}
