/**
 * How the gradients of views lead back to what they are views of. Each function takes what
 * the view was made with, and gives the way back: a view again where that is enough, else a
 * tensor of zeros with the gradient in the view's place.
 */
import { isPlain } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { makeFull } from "./make.ts";
import { sumTo } from "./sum_to.ts";
import type { Tensor } from "./tensor.ts";
import type { ViewGradient } from "./trace.ts";

/** The gradient as it is, of copies. */
export const sameGradient: ViewGradient = (gradient) => gradient;

/**
 * Of `reshape`, `squeeze` and `unsqueeze`.
 *
 * @param shape What was reshaped.
 * @returns The way back.
 */
export function reshapeGradient(shape: Shape): ViewGradient {
  return (gradient) => gradient.reshape(shape);
}

/**
 * Of `transpose`.
 *
 * @param order The axes of the view.
 * @returns The way back.
 */
export function transposeGradient(order: readonly number[]): ViewGradient {
  const back = order.map((_, axis) => order.indexOf(axis));
  return (gradient) => gradient.transpose(...back);
}

/**
 * Of `slice`.
 *
 * @param shape What was cut.
 * @param first The first index.
 * @param last The index after the last.
 * @param axis Along which.
 * @returns The way back.
 */
export function sliceGradient(
  shape: Shape,
  first: number,
  last: number,
  axis: number,
): ViewGradient {
  return (gradient) => placed(gradient, shape, (all) => all.slice(first, last, { axis }));
}

/**
 * Of `diagonal`.
 *
 * @param shape What it is the diagonal of.
 * @param place Its offset and axes.
 * @returns The way back.
 */
export function diagonalGradient(
  shape: Shape,
  ...place: [offset: number, rows: number, cols: number]
): ViewGradient {
  return (gradient) => placed(gradient, shape, (all) => all.diagonal(...place));
}

/**
 * Of `broadcastTo`.
 *
 * @param shape What was repeated.
 * @returns The way back.
 */
export function broadcastGradient(shape: Shape): ViewGradient {
  return (gradient) => sumTo(gradient, shape);
}

/** Zeros with the gradient where a view shows them. */
function placed(gradient: Tensor, shape: Shape, viewOf: (all: Tensor) => Tensor): Tensor {
  const { dtype } = gradient;
  if (!isPlain(dtype)) throw new TypeError(`A gradient of ${dtype} cannot be`);
  const all = makeFull("backward", shape, 0, dtype);
  try {
    using place = viewOf(all);
    place.copyFrom(gradient);
    return all;
  } catch (error) {
    all.dispose();
    throw error;
  }
}
