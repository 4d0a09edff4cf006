/**
 * The loss of a classifier, and so of a language model.
 */
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { div } from "./arithmetic.ts";
import { notEqual } from "./comparison.ts";
import { countNonZero } from "./counting.ts";
import { withFloat32 } from "./halves.ts";
import {
  areDense,
  checkApart,
  checkFloating,
  checkOperand,
  checkShapeIs,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";
import { sum } from "./sums.ts";

/** Options of {@linkcode crossEntropy}. */
export interface CrossEntropyOptions<D extends Floating> extends ResultOption<D> {
  /**
   * What becomes of the losses: their mean over the targets that are not ignored, which
   * is also what is meant when left out; their sum; or nothing, each stays.
   */
  reduction?: "mean" | "sum" | "none";
  /** Targets of this value have no loss; -100 when left out. */
  ignoreIndex?: number;
  /** The part of a target that is spread over all classes, from 0 to 1; 0 when left out. */
  labelSmoothing?: number;
}

/**
 * The cross-entropy of rows of logits and their targets: the negative log likelihood
 * `log(sum(exp(logits))) - logits[target]`, where a part of `logits[target]` may be the mean
 * of the logits instead (`labelSmoothing`).
 *
 * @param logits `[…, classes]`, of a floating-point dtype.
 * @param targets `[…]`, int32, each from 0 to classes - 1, or `ignoreIndex`.
 * @param options `reduction`, `ignoreIndex`, `labelSmoothing`, `out`.
 * @returns `[]`, or `[…]` with the reduction "none", in the dtype of the logits; the mean of
 * no loss is NaN.
 * @throws {RangeError} When a target is out of range, the shapes do not fit, or the
 * smoothing is not from 0 to 1.
 * @throws {TypeError} When there is no such reduction.
 *
 * @example
 * ```ts
 * import { crossEntropy, Tensor } from "@quern/quern";
 *
 * using logits = Tensor.from([[0, 0], [0, Math.log(3)]]);
 * using targets = Tensor.from([1, 1], "int32");
 * using loss = crossEntropy(logits, targets);
 * using losses = crossEntropy(logits, targets, { reduction: "none" });
 * console.log(loss.get(), losses.toArray()); // 0.4904… [0.6931…, 0.2876…]
 * ```
 */
export function crossEntropy<D extends Floating>(
  logits: Tensor<D>,
  targets: Tensor<"int32">,
  options: CrossEntropyOptions<D> = {},
): Tensor<D> {
  const { reduction = "mean", ignoreIndex = -100, labelSmoothing = 0, out } = options;
  checkFloating("crossEntropy", "logits", logits);
  checkOperand("crossEntropy", "targets", targets, "int32");
  checkOptions(reduction, ignoreIndex, labelSmoothing);
  const shape = logits.shape.slice(0, -1);
  checkShapeIs("crossEntropy", "targets", targets, shape);
  const { dtype } = logits;
  if (isHalf(dtype)) {
    const result = {
      operation: "crossEntropy",
      shape: reduction === "none" ? shape : [],
      dtype,
      out,
    };
    const rest = { reduction, ignoreIndex, labelSmoothing };
    return withFloat32(result, [logits, targets], crossEntropy, rest);
  }
  if (!areDense(logits, targets)) return withDense([logits, targets], crossEntropy<D>, options);
  if (reduction === "none") return eachLoss(logits, targets, ignoreIndex, labelSmoothing, out);
  return reduced(logits, targets, options);
}

/** JavaScript's callers may pass anything. */
function checkOptions(reduction: string, ignoreIndex: number, labelSmoothing: number): void {
  if (reduction !== "mean" && reduction !== "sum" && reduction !== "none") {
    throw new TypeError(
      `crossEntropy: reduction is ${JSON.stringify(reduction)}, expected "mean", "sum" or "none"`,
    );
  }
  if ((ignoreIndex | 0) !== ignoreIndex) {
    throw new RangeError(`crossEntropy: ignoreIndex is ${ignoreIndex}, expected an int32`);
  }
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new RangeError(`crossEntropy: labelSmoothing is ${labelSmoothing}, expected 0 to 1`);
  }
}

function eachLoss<D extends Floating>(
  logits: Tensor<D>,
  targets: Tensor<"int32">,
  ignoreIndex: number,
  labelSmoothing: number,
  out?: Tensor<D>,
): Tensor<D> {
  const tracked = isTracked(logits);
  const y = resultTensor<D>("crossEntropy", out, targets.shape, logits.dtype);
  checkApart("crossEntropy", out, "logits", logits);
  checkApart("crossEntropy", out, "targets", targets);
  const status = native().symbols.qn_cross_entropy(
    y.address,
    logits.address,
    targets.address,
    rowsOf(logits.shape),
    colsOf(logits.shape),
    labelSmoothing,
    ignoreIndex,
    dtypeCodes[logits.dtype],
  );
  if (status !== Status.OK) return refuse("crossEntropy", status, y, out, { logits, targets });
  return tracked ? recordLosses(y, logits, targets, ignoreIndex, labelSmoothing) : y;
}

/** What a call notes for its gradient. */
interface LossCall {
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
}

const lossGradient = differentiable<LossCall>({
  operation: "crossEntropy",
  saves: ["logits", "targets"],
  backward: (gradient, [logits, targets], { extra }) => [
    logitsGradient(gradient as Tensor<Floating>, logits as Tensor<Floating>, targets, extra),
  ],
});

function recordLosses<T extends Tensor>(
  y: T,
  logits: Tensor,
  targets: Tensor,
  ignoreIndex: number,
  labelSmoothing: number,
): T {
  const extra = { ignoreIndex, labelSmoothing };
  return record(y, lossGradient, [logits], { saved: [logits, targets], extra });
}

/** The probabilities less what the targets are, times each row's gradient; 0 where ignored. */
function logitsGradient(
  g: Tensor<Floating>,
  logits: Tensor<Floating>,
  targets: Tensor,
  { ignoreIndex, labelSmoothing }: LossCall,
): Tensor<Floating> {
  const { dtype, shape } = logits;
  using weights = g.contiguous();
  const x = Tensor.empty(shape, dtype);
  const status = native().symbols.qn_cross_entropy_gradient(
    x.address,
    weights.address,
    logits.address,
    targets.address,
    rowsOf(shape),
    colsOf(shape),
    labelSmoothing,
    ignoreIndex,
    dtypeCodes[dtype],
  );
  return status === Status.OK
    ? x
    : refuse("crossEntropy", status, x, undefined, { logits, targets });
}

/** The sum of the losses, divided by their number if the mean is wanted. */
function reduced<D extends Floating>(
  logits: Tensor<D>,
  targets: Tensor<"int32">,
  options: CrossEntropyOptions<D>,
): Tensor<D> {
  const { reduction = "mean", ignoreIndex = -100, labelSmoothing = 0, out } = options;
  const y = resultTensor<D>("crossEntropy", out, [], logits.dtype);
  try {
    checkApart("crossEntropy", out, "logits", logits);
    checkApart("crossEntropy", out, "targets", targets);
    using losses = eachLoss(logits, targets, ignoreIndex, labelSmoothing);
    sum<Floating>(losses, { out: y as Tensor<Floating> });
    if (reduction === "sum") return y;
    using counted = notEqual(targets, ignoreIndex);
    using count = countNonZero(counted);
    div(y, Number(count.get()), { out: y });
    return y;
  } catch (error) {
    if (y !== out) y.dispose();
    throw error;
  }
}
