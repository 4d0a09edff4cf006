/**
 * Operations over one axis, whose kernels know rows only: any other axis than the last
 * is brought there by a view, which is made dense, and the result is copied back.
 */
import type { Floating } from "../core/dtype.ts";
import { resolveIndex, type Tensor } from "../tensor/mod.ts";
import { checkInPlace, resultTensor } from "./operands.ts";

/**
 * Whether an axis is the last, or the only one that a scalar is taken to have.
 *
 * @param operation Named in the error.
 * @param x The operand.
 * @param axis Counted from the end when negative.
 * @returns Whether the kernel can be called as it is.
 * @throws {RangeError} When there is no such axis.
 */
export function isLastAxis(operation: string, x: Tensor, axis: number): boolean {
  if (axis === -1) return true;
  const { length } = x.shape;
  return resolveIndex(axis, length, operation, "axis") === length - 1;
}

/**
 * Runs an operation over another axis than the last.
 *
 * @param operation Named in errors.
 * @param x The operand, checked.
 * @param axis One that exists.
 * @param out What the caller passed.
 * @param run The operation over the last axis, giving a new tensor.
 * @param options What to pass to it.
 * @returns The result, in the shape and dtype of `x`.
 */
export function alongAxis<D extends Floating, O>(
  operation: string,
  x: Tensor<D>,
  axis: number,
  out: Tensor<D> | undefined,
  run: (x: Tensor<D>, options: O) => Tensor<D>,
  options: O,
): Tensor<D> {
  const y = resultTensor<D>(operation, out, x.shape, x.dtype);
  const held: Tensor[] = y === out ? [] : [y];
  try {
    checkInPlace(operation, out, "x", x);
    const axes = x.shape.map((_, index) => index);
    const last = axes.length - 1;
    const from = axis < 0 ? axis + axes.length : axis;
    [axes[from], axes[last]] = [last, from];
    using turned = x.transpose(...axes);
    using rows = run(turned, options);
    using place = y.transpose(...axes);
    place.copyFrom(rows);
    held.length = 0;
    return y;
  } finally {
    for (const tensor of held) tensor.dispose();
  }
}
