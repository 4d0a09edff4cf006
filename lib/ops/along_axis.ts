/**
 * Operations over one axis, whose kernels know rows only: any other axis than the last
 * is brought there by a view, which is made dense, and the result is copied back.
 */
import type { DType, Floating } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { resolveIndex, type Tensor } from "../tensor/mod.ts";
import { checkInPlace, checkResult } from "./operands.ts";

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
 * What reductions take to go over rows, of which a scalar is one.
 *
 * @param shape The operand's.
 * @returns Options that keep the axis.
 */
export function lastAxis(shape: Shape): { axis: number | undefined; keepDims: true } {
  return { axis: shape.length === 0 ? undefined : -1, keepDims: true };
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
  if (out !== undefined) checkResult(operation, out, x.shape, x.dtype);
  checkInPlace(operation, out, "x", x);
  const axes = exchangedAxes(x.shape.length, axis < 0 ? axis + x.shape.length : axis);
  using turned = x.transpose(...axes);
  using rows = run(turned, options);
  using back = rows.transpose(...axes);
  return out === undefined ? back.clone() : out.copyFrom(back);
}

/**
 * Writes the result of an operation over another axis than the last.
 *
 * @param x The operand.
 * @param y The result, in the shape of `x`; it may share any memory with `x`.
 * @param axis One that exists, counted from the start.
 * @param run The operation over the last axis of a view, giving a new tensor.
 * @param rest What to pass to it besides.
 */
export function writeAlongAxis<D extends DType, A extends unknown[]>(
  x: Tensor<D>,
  y: Tensor,
  axis: number,
  run: (x: Tensor<D>, ...rest: A) => Tensor,
  ...rest: A
): void {
  const axes = exchangedAxes(x.shape.length, axis);
  using turned = x.transpose(...axes);
  using rows = run(turned, ...rest);
  using place = y.transpose(...axes);
  place.copyFrom(rows);
}

/**
 * The order of axes in which one and the last are exchanged.
 *
 * @param rank How many axes there are.
 * @param axis The one, counted from the start.
 * @returns What `transpose` takes, there and back.
 */
export function exchangedAxes(rank: number, axis: number): number[] {
  const axes = Array.from({ length: rank }, (_, index) => index);
  [axes[axis], axes[rank - 1]] = [rank - 1, axis];
  return axes;
}
