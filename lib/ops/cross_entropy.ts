/**
 * The loss of a language model.
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkApart,
  checkOperand,
  checkShapeIs,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * The negative log likelihood of one target a row:
 * `log(sum(exp(logits))) - logits[target]`.
 *
 * @param logits `[…, classes]`, float32.
 * @param targets `[…]`, int32, each from 0 to classes - 1.
 * @param options Where to write the losses.
 * @returns `[…]`, float32.
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
export function crossEntropy(
  logits: Tensor<"float32">,
  targets: Tensor<"int32">,
  options: OutOption = {},
): Tensor<"float32"> {
  checkOperand("crossEntropy", "logits", logits, "float32");
  checkOperand("crossEntropy", "targets", targets, "int32");
  const shape = logits.shape.slice(0, -1);
  checkShapeIs("crossEntropy", "targets", targets, shape);
  if (!areDense(logits, targets)) return withDense([logits, targets], crossEntropy, options);
  const { out } = options;
  const y = resultTensor("crossEntropy", out, shape);
  checkApart("crossEntropy", out, "logits", logits);
  checkApart("crossEntropy", out, "targets", targets);
  const status = native().symbols.qn_cross_entropy_f32(
    y.address,
    logits.address,
    targets.address,
    rowsOf(logits.shape),
    colsOf(logits.shape),
  );
  if (status === Status.OK) return y;
  return refuse("crossEntropy", status, y, out, { logits, targets });
}
