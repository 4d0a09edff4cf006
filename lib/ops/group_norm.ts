/**
 * Group normalisation (Wu and He, 2018).
 */
import { type Floating, isHalf } from "../core/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { withFloat32 } from "./halves.ts";
import { checkScale } from "./norm_operands.ts";
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

/** Options of {@linkcode groupNorm}. */
export interface GroupNormOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** `[channels]`, in the dtype of `x`; ones when left out. */
  weight?: Tensor<D>;
  /** `[channels]`, in the dtype of `x`; zeros when left out. */
  bias?: Tensor<D>;
  /** Added to the variance; 1e-5 when left out. */
  epsilon?: number;
}

/**
 * Normalises each group of channels of each image by the mean and the variance of
 * the group: `(x - mean) / sqrt(variance + epsilon) · weight + bias`, with one weight
 * and one bias a channel. One group is layer norm over an image, as many groups as
 * channels instance norm.
 *
 * @param x `[images, channels, …]`, of a floating-point dtype.
 * @param groups How many groups of equal size the channels are.
 * @param options `weight`, `bias`, `epsilon`; `out` may be `x`.
 * @returns The normalised images, in the shape and dtype of `x`.
 * @throws {RangeError} When the groups do not divide the channels, an operand does not
 * fit, or epsilon is negative.
 *
 * @example
 * ```ts
 * import { groupNorm, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[[1, 3], [1, 3], [5, 7], [5, 7]]]);
 * using y = groupNorm(x, 2, { epsilon: 0 });
 * console.log(y.toArray()); // [[[-1, 1], [-1, 1], [-1, 1], [-1, 1]]]
 * ```
 */
export function groupNorm<D extends Floating>(
  x: Tensor<D>,
  groups: number,
  options: GroupNormOptions<D> = {},
): Tensor<D> {
  const { weight, bias, epsilon = 1e-5, out } = options;
  checkFloating("groupNorm", "x", x);
  checkGroups(x.shape, groups);
  checkScale("groupNorm", "weight", weight, x.shape[1], x.dtype);
  checkScale("groupNorm", "bias", bias, x.shape[1], x.dtype);
  return normalise(x, weight, bias, groups, epsilon, out);
}

function checkGroups(shape: Shape, groups: number): void {
  if (shape.length < 2) {
    throw new RangeError(
      `groupNorm: x ${formatShape(shape)} has no channels, expected [images, channels, …]`,
    );
  }
  if (!Number.isInteger(groups) || groups < 1 || shape[1] % groups !== 0) {
    throw new RangeError(
      `groupNorm: ${groups} groups do not divide the ${shape[1]} channels of x ` +
        formatShape(shape),
    );
  }
  if (sizeOf(shape, 2) >= 2 ** 32) {
    throw new RangeError(
      `groupNorm: a channel of x ${formatShape(shape)} has 2^32 elements or more`,
    );
  }
}

function normalise<D extends Floating>(
  x: Tensor<D>,
  weight: Tensor<D> | undefined,
  bias: Tensor<D> | undefined,
  groups: number,
  epsilon: number,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const { shape, dtype } = x;
  if (isHalf(dtype)) {
    const result = { operation: "groupNorm", shape, dtype, out };
    return withFloat32(result, [x, weight, bias], normalise, groups, epsilon, undefined);
  }
  if (!areDense(x, weight, bias)) {
    return withDense([x, weight, bias], normalise<D>, groups, epsilon, out);
  }
  const y = resultTensor<D>("groupNorm", out, shape, dtype);
  checkInPlace("groupNorm", out, "x", x);
  checkApart("groupNorm", out, "weight", weight);
  checkApart("groupNorm", out, "bias", bias);
  const status = native().symbols.qn_group_norm(
    y.address,
    x.address,
    weight?.address ?? 0n,
    bias?.address ?? 0n,
    shape[0],
    shape[1],
    sizeOf(shape, 2),
    groups,
    epsilon,
    dtypeCodes[dtype],
  );
  if (status === Status.OK) return y;
  return refuse("groupNorm", status, y, out, { x, weight, bias }, { groups, epsilon });
}
