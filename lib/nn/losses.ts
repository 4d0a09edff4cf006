/**
 * Losses that are sums over elements. That of a classifier is `crossEntropy`, an operation.
 */
import { differentiable, isTracked, record, unrecorded } from "../autograd/mod.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import {
  abs,
  addInPlace,
  exp,
  type Floating,
  log1p,
  mean,
  mul,
  mulInPlace,
  negative,
  relu,
  sigmoid,
  square,
  sub,
  subInPlace,
  sum,
} from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** Options of the losses. */
export interface LossOptions {
  /** What becomes of the elements' losses; their mean when left out. */
  reduction?: "mean" | "sum" | "none";
}

/**
 * The square of the distance to what is wanted.
 *
 * @param prediction Any shape and floating-point dtype.
 * @param target The same shape and dtype.
 * @param options Whether the mean, the sum or each square is wanted.
 * @returns `[]`, or the shape of the operands without reduction.
 * @throws {RangeError} When the shapes differ.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { meanSquaredError } from "@quern/quern/nn";
 *
 * using prediction = Tensor.from([1, 2]);
 * using target = Tensor.from([1, 4]);
 * using loss = meanSquaredError(prediction, target);
 * console.log(loss.get()); // 2
 * ```
 */
export function meanSquaredError<D extends Floating>(
  prediction: Tensor<D>,
  target: Tensor<D>,
  options: LossOptions = {},
): Tensor<D> {
  checkPair("meanSquaredError", prediction, target, options);
  using distance = sub<D, D>(prediction, target) as Tensor as Tensor<D>;
  return reduced(square(distance), options);
}

/**
 * The cross-entropy of logits of independent yes and no: `-log(sigmoid(x))` where the target
 * is 1, `-log(1 - sigmoid(x))` where it is 0, and shares of both between; without overflow.
 *
 * @param logits Any shape, float32 or float64.
 * @param targets The same shape and dtype, from 0 to 1.
 * @param options Whether the mean, the sum or each loss is wanted.
 * @returns `[]`, or the shape of the operands without reduction.
 * @throws {RangeError} When the shapes differ.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { binaryCrossEntropy } from "@quern/quern/nn";
 *
 * using logits = Tensor.from([0, 0]);
 * using targets = Tensor.from([0, 1]);
 * using loss = binaryCrossEntropy(logits, targets);
 * console.log(loss.get()); // 0.6931…
 * ```
 */
export function binaryCrossEntropy<D extends Floating>(
  logits: Tensor<D>,
  targets: Tensor<D>,
  options: LossOptions = {},
): Tensor<D> {
  checkPair("binaryCrossEntropy", logits, targets, options);
  const tracked = isTracked(logits, targets);
  const losses = unrecorded(lossOf<D>, logits, targets);
  if (tracked) {
    const operands = [logits, targets];
    record(losses, lossGradient, operands, { saved: operands });
  }
  return reduced(losses, options);
}

/** `max(x, 0) - x · target + log(1 + exp(-|x|))` */
function lossOf<D extends Floating>(x: Tensor<D>, target: Tensor<D>): Tensor<D> {
  const size = abs<Floating>(x as Tensor<Floating>) as Tensor<Floating>;
  using far = negative<Floating>(size, { out: size });
  exp(far, { out: far });
  log1p(far, { out: far });
  using product = mul(x as Tensor<Floating>, target as Tensor<Floating>);
  const y = relu(x);
  addInPlace<Floating>(y as Tensor<Floating>, far);
  subInPlace<Floating>(y as Tensor<Floating>, product as Tensor<Floating>);
  return y;
}

const lossGradient = differentiable({
  operation: "binaryCrossEntropy",
  saves: ["logits", "targets"],
  backward(gradient, saved, { wants }) {
    const [g, x, target] = [gradient, ...saved] as Tensor<Floating>[];
    return [
      wants[0] ? logitsGradient(g, x, target) : undefined,
      wants[1] ? targetsGradient(g, x) : undefined,
    ];
  },
});

function logitsGradient(
  g: Tensor<Floating>,
  x: Tensor<Floating>,
  target: Tensor<Floating>,
): Tensor<Floating> {
  const slope = sigmoid(x);
  subInPlace(slope, target);
  return mulInPlace(slope, g);
}

function targetsGradient(g: Tensor<Floating>, x: Tensor<Floating>): Tensor<Floating> {
  const slope = negative(x);
  return mulInPlace(slope, g);
}

function reduced<D extends Floating>(losses: Tensor<D>, { reduction }: LossOptions): Tensor<D> {
  if (reduction === "none") return losses;
  using all = losses as Tensor as Tensor<Floating>;
  return (reduction === "sum" ? sum(all) : mean(all)) as Tensor as Tensor<D>;
}

function checkPair(loss: string, a: Tensor, b: Tensor, { reduction }: LossOptions): void {
  if (reduction !== undefined && !["mean", "sum", "none"].includes(reduction)) {
    throw new TypeError(
      `${loss}: reduction is ${JSON.stringify(reduction)}, expected "mean", "sum" or "none"`,
    );
  }
  if (a.dtype !== b.dtype) {
    throw new TypeError(`${loss}: the operands are ${a.dtype} and ${b.dtype}, expected the same`);
  }
  if (sameShape(a.shape, b.shape)) return;
  throw new RangeError(
    `${loss}: the operands are ${formatShape(a.shape)} and ${formatShape(b.shape)}, expected the ` +
      `same shape`,
  );
}
