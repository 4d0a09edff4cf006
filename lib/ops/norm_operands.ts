/**
 * What the normalisations check of the operands that they share.
 */
import type { Tensor } from "../tensor/mod.ts";
import { checkApart, checkInPlace, checkOperand, checkShapeIs, resultTensor } from "./operands.ts";

/** The option of an operation that adds a residual first. */
export interface SumOption {
  /**
   * Where to write the sum of the operand and the residual, which may be either of
   * them; it is not kept when left out.
   */
  sum?: Tensor<"float32">;
}

/** Checks a weight or a bias of one number a column; undefined means none. */
export function checkScale(
  operation: string,
  name: string,
  tensor: Tensor<"float32"> | undefined,
  cols: number,
): void {
  if (tensor === undefined) return;
  checkOperand(operation, name, tensor, "float32");
  if (tensor.shape.length !== 1 || tensor.shape[0] !== cols) {
    checkShapeIs(operation, name, tensor, [cols]);
  }
}

/** Checks the two operands that are added. */
export function checkResidual(
  operation: string,
  x: Tensor<"float32">,
  residual: Tensor<"float32">,
): void {
  checkOperand(operation, "x", x, "float32");
  checkOperand(operation, "residual", residual, "float32");
  checkShapeIs(operation, "residual", residual, x.shape);
}

/** Checks where the sum goes; undefined means nowhere. */
export function checkSum(
  operation: string,
  sum: Tensor<"float32"> | undefined,
  out: Tensor<"float32"> | undefined,
  x: Tensor<"float32">,
  residual: Tensor<"float32">,
  weight: Tensor<"float32"> | undefined,
  bias?: Tensor<"float32">,
): void {
  if (sum === undefined) return;
  resultTensor(operation, sum, x.shape, "float32", "sum");
  checkInPlace(operation, sum, "x", x, "sum");
  checkInPlace(operation, sum, "residual", residual, "sum");
  checkApart(operation, sum, "weight", weight, "sum");
  checkApart(operation, sum, "bias", bias, "sum");
  checkApart(operation, sum, "out", out, "sum");
}
