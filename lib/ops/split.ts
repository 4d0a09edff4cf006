/**
 * Parts of a tensor along an axis.
 */
import { withoutGradient } from "../autograd/mod.ts";
import type { DType } from "../core/dtype.ts";
import { formatShape } from "../core/shape.ts";
import { resolveIndex, type Tensor } from "../tensor/mod.ts";
import { checkOperand } from "./operands.ts";
import type { AxisOption } from "./table.ts";

// Its views are recorded each by itself.
withoutGradient("split");

/**
 * Parts of a tensor along an axis, without a copy.
 *
 * @param x A tensor.
 * @param parts How many parts of one size, or the size of each.
 * @param options The axis.
 * @returns Views, each to be disposed of by itself.
 * @throws {RangeError} When the parts do not make the axis.
 *
 * @example
 * ```ts
 * import { split, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * const [left, right] = split(x, [2, 1], { axis: 1 });
 * console.log(left.toArray(), right.toArray()); // [[1, 2], [4, 5]] [[3], [6]]
 * left.dispose();
 * right.dispose();
 * ```
 */
export function split<D extends DType>(
  x: Tensor<D>,
  parts: number | readonly number[],
  options: AxisOption = {},
): Tensor<D>[] {
  checkOperand("split", "x", x);
  const axis = resolveIndex(options.axis ?? 0, x.shape.length, "split", "axis");
  const sizes = partSizes(x, parts, axis);
  const views: Tensor<D>[] = [];
  try {
    let start = 0;
    for (const size of sizes) {
      views.push(x.slice(start, start + size, { axis }));
      start += size;
    }
    return views;
  } catch (error) {
    for (const view of views) view.dispose();
    throw error;
  }
}

function partSizes(x: Tensor, parts: number | readonly number[], axis: number): readonly number[] {
  const extent = x.shape[axis];
  const where = `axis ${axis} of ${formatShape(x.shape)}`;
  if (typeof parts === "number") {
    if (!Number.isInteger(parts) || parts < 1 || extent % parts !== 0) {
      throw new RangeError(`split: ${where} is not ${parts} parts of one size`);
    }
    return new Array<number>(parts).fill(extent / parts);
  }
  const fits = parts.every((size) => Number.isInteger(size) && size >= 0);
  if (!fits || parts.reduce((sum, size) => sum + size, 0) !== extent) {
    throw new RangeError(`split: sizes ${formatShape(parts)} do not make ${where}`);
  }
  return parts;
}
