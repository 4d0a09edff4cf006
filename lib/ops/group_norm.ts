/**
 * Group normalisation (Wu and He, 2018).
 */
import { differentiable, isTracked, record, wants } from "../autograd/mod.ts";
import { type Floating, isHalf } from "../core/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { sumTo, type Tensor } from "../tensor/mod.ts";
import { mul } from "./arithmetic.ts";
import { withFloat32 } from "./halves.ts";
import { normGradients, type Real } from "./norm_gradients.ts";
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
  const tracked = isTracked(x, weight, bias);
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
  if (status !== Status.OK) {
    return refuse("groupNorm", status, y, out, { x, weight, bias }, { groups, epsilon });
  }
  return tracked ? recordNorm(y, x, weight, bias, { groups, epsilon }) : y;
}

/** What a call notes for its gradient. */
interface GroupCall {
  readonly groups: number;
  readonly epsilon: number;
}

const groupNormGradient = differentiable<GroupCall>({
  operation: "groupNorm",
  saves: ["x", "weight"],
  backward(gradient, saved, { wants, extra }) {
    const [g, x, weight] = [gradient, ...saved] as Real[];
    const { groups, epsilon } = extra;
    using normalised = wants[1] ? groupNorm(x, groups, { epsilon }) : undefined;
    return [
      wants[0] ? imagesGradient(g, x, weight, extra) : undefined,
      wants[1] ? channelSums(g, normalised) : undefined,
      wants[2] ? channelSums(g) : undefined,
    ];
  },
});

function recordNorm<T extends Tensor>(
  y: T,
  x: Tensor,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
  extra: GroupCall,
): T {
  const needsX = wants(x) || wants(weight);
  const saved = [needsX ? x : undefined, wants(x) ? weight : undefined];
  return record(y, groupNormGradient, [x, weight, bias], { saved, extra });
}

/** The gradient of the images: each group of an image is a row. */
function imagesGradient(
  g: Real,
  x: Real,
  weight: Real | undefined,
  { groups, epsilon }: GroupCall,
): Tensor | undefined {
  const { shape } = x;
  const rowShape = [shape[0] * groups, shape[1] / groups * sizeOf(shape, 2)];
  using channels = weight?.reshape(channelShape(shape));
  using scaled = channels === undefined ? g.detach() : mul(g, channels);
  using gRows = scaled.reshape(rowShape);
  using xRows = x.reshape(rowShape);
  const norm = { operation: "groupNorm", isCentred: true, epsilon };
  const [own] = normGradients(norm, gRows, xRows, undefined, [true, false, false]);
  using rows = own;
  return rows?.reshape(shape);
}

/** Sums over all axes but the channels, of the gradient or its product with the images. */
function channelSums(g: Real, normalised?: Real): Real {
  using products = normalised === undefined ? g.detach() : mul(g, normalised);
  // An axis in front makes the sum a new tensor in any case.
  using images = products.unsqueeze(0);
  using sums = sumTo(images, channelShape(g.shape));
  return sums.reshape([g.shape[1]]);
}

/** The shape in which one number a channel is broadcast to images. */
function channelShape(shape: Shape): number[] {
  return shape.slice(1).map((size, axis) => axis === 0 ? size : 1);
}
