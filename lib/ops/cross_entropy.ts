/**
 * The loss of a language model.
 */
import { type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
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

/**
 * The negative log likelihood of one target a row:
 * `log(sum(exp(logits))) - logits[target]`.
 *
 * @param logits `[…, classes]`, of a floating-point dtype.
 * @param targets `[…]`, int32, each from 0 to classes - 1.
 * @param options Where to write the losses.
 * @returns `[…]`, in the dtype of the logits.
 * @throws {RangeError} When a target is out of range or the shapes do not fit.
 *
 * @example
 * ```ts
 * import { crossEntropy, Tensor } from "@quern/quern";
 *
 * using logits = Tensor.from([[0, 0]]);
 * using targets = Tensor.from([1], "int32");
 * using loss = crossEntropy(logits, targets);
 * console.log(loss.toArray()); // [0.6931…]
 * ```
 */
export function crossEntropy<D extends Floating>(
  logits: Tensor<D>,
  targets: Tensor<"int32">,
  options: ResultOption<D> = {},
): Tensor<D> {
  checkFloating("crossEntropy", "logits", logits);
  checkOperand("crossEntropy", "targets", targets, "int32");
  const shape = logits.shape.slice(0, -1);
  checkShapeIs("crossEntropy", "targets", targets, shape);
  const { dtype } = logits;
  const { out } = options;
  if (isHalf(dtype)) {
    const result = { operation: "crossEntropy", shape, dtype, out };
    return withFloat32(result, [logits, targets], (logits, ids) => crossEntropy(logits, ids));
  }
  if (!areDense(logits, targets)) return withDense([logits, targets], crossEntropy<D>, options);
  const y = resultTensor<D>("crossEntropy", out, shape, dtype);
  checkApart("crossEntropy", out, "logits", logits);
  checkApart("crossEntropy", out, "targets", targets);
  const status = native().symbols.qn_cross_entropy(
    y.address,
    logits.address,
    targets.address,
    rowsOf(logits.shape),
    colsOf(logits.shape),
    dtypeCodes[dtype],
  );
  if (status === Status.OK) return y;
  return refuse("crossEntropy", status, y, out, { logits, targets });
}
