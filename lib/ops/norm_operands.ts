/**
 * What the normalisations check of the operands that they share.
 */
import type { Floating } from "../core/dtype.ts";
import { Tensor } from "../tensor/mod.ts";
import { cast } from "./cast.ts";
import { withFloat32 } from "./halves.ts";
import {
  checkApart,
  checkFloating,
  checkInPlace,
  checkOperand,
  checkResult,
  checkShapeIs,
  type ResultOption,
} from "./operands.ts";

/** The option of an operation that adds a residual first. */
export interface SumOption<D extends Floating = "float32"> {
  /**
   * Where to write the sum of the operand and the residual, which may be either of
   * them; it is not kept when left out.
   */
  sum?: Tensor<D>;
}

/** Checks a weight or a bias of one number a column, in a dtype; undefined means none. */
export function checkScale(
  operation: string,
  name: string,
  tensor: Tensor | undefined,
  cols: number,
  dtype: Floating,
): void {
  if (tensor === undefined) return;
  checkOperand(operation, name, tensor, dtype);
  if (tensor.shape.length !== 1 || tensor.shape[0] !== cols) {
    checkShapeIs(operation, name, tensor, [cols]);
  }
}

/** Checks the two operands that are added. */
export function checkResidual(operation: string, x: Tensor, residual: Tensor): void {
  checkFloating(operation, "x", x);
  checkOperand(operation, "residual", residual, x.dtype);
  checkShapeIs(operation, "residual", residual, x.shape);
}

/** Checks where the sum goes; undefined means nowhere. */
export function checkSum(
  operation: string,
  sum: Tensor | undefined,
  out: Tensor | undefined,
  x: Tensor,
  residual: Tensor,
  weight: Tensor | undefined,
  bias?: Tensor,
): void {
  if (sum === undefined) return;
  checkResult(operation, sum, x.shape, x.dtype, "sum");
  checkInPlace(operation, sum, "x", x, "sum");
  checkInPlace(operation, sum, "residual", residual, "sum");
  checkApart(operation, sum, "weight", weight, "sum");
  checkApart(operation, sum, "bias", bias, "sum");
  checkApart(operation, sum, "out", out, "sum");
}

/** What a normalisation with a residual takes besides its operands. */
interface SumOptions<D extends Floating> extends ResultOption<D>, SumOption<D> {
  epsilon?: number;
}

/**
 * Runs a normalisation with a residual on halves, as {@linkcode withFloat32}: the sum is
 * rounded too where it is kept. What is normalised is the sum before that.
 *
 * @param operation Named in an error.
 * @param operands What is added, and what the sum is scaled and shifted by; checked.
 * @param options Those of the operation, checked.
 * @param run The operation.
 * @returns `out`, or a new tensor.
 */
export function sumWithFloat32<D extends Floating, T extends (Tensor<D> | undefined)[]>(
  operation: string,
  operands: readonly [x: Tensor<D>, ...T],
  options: SumOptions<D>,
  run: (...args: [Tensor<D>, ...T, SumOptions<D>]) => Tensor<D>,
): Tensor<D> {
  const { epsilon, sum, out } = options;
  const { shape, dtype } = operands[0];
  using wideSum = sum === undefined ? undefined : Tensor.empty(shape, "float32");
  const result = { operation, shape, dtype, out };
  const wide = { epsilon, sum: wideSum as Tensor<D> | undefined };
  const y = withFloat32<D, [Tensor<D>, ...T], [SumOptions<D>]>(result, operands, run, wide);
  if (sum !== undefined && wideSum !== undefined) cast(wideSum, dtype, { out: sum });
  return y;
}
