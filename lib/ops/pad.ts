/**
 * Tensors with something around them.
 */
import type { DType, PlainDType } from "../core/dtype.ts";
import type { ElementSource } from "../core/element.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import { native, PadMode, Status, Words } from "../ffi/mod.ts";
import { checkValue, itemOf, type Tensor } from "../tensor/mod.ts";
import { checkApart, checkPlainOperand, refuse, resultTensor, withDense } from "./operands.ts";

/** What is outside of the tensor: a value, or its own elements. */
export type Padding = "constant" | "edge" | "reflect" | "wrap";

/** Elements added before and behind an axis. */
export type PadWidth = readonly [before: number, behind: number];

/** How a tensor is padded. */
export interface PadOptions<D extends DType> {
  /**
   * `constant` (when left out): `value`; `edge`: the nearest element; `reflect`: the elements
   * mirrored at the first and the last, which are not repeated; `wrap`: those from the other end.
   */
  mode?: Padding;
  /** The value of `constant`; 0 when left out. */
  value?: ElementSource;
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<D>;
}

const modes: Readonly<Record<Padding, PadMode>> = {
  constant: PadMode.CONSTANT,
  edge: PadMode.EDGE,
  reflect: PadMode.REFLECT,
  wrap: PadMode.WRAP,
};

/** For each of 16 axes at most: its size, and what is added before and behind. */
const layout = new Words(3 * 16);

/**
 * A tensor with elements around it, as `numpy.pad` has them.
 *
 * @param x Any dtype but the quantised.
 * @param widths How many elements: one number for all sides; before and behind, for all axes; or
 *   before and behind for each axis.
 * @param options What they are, and where to write the result, apart from `x`.
 * @returns The shape of `x` with what is added.
 * @throws {RangeError} When a width is no integer from 0, or an empty axis has nothing to repeat.
 * @throws {TypeError} When there is no such mode.
 *
 * @example
 * ```ts
 * import { pad, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2], [3, 4]]);
 * using y = pad(x, [[0, 1], [2, 0]]);
 * console.log(y.toArray()); // [[0, 0, 1, 2], [0, 0, 3, 4], [0, 0, 0, 0]]
 * ```
 */
export function pad<D extends PlainDType>(
  x: Tensor<D>,
  widths: number | PadWidth | readonly PadWidth[],
  options: PadOptions<D> = {},
): Tensor<D> {
  const itemBytes = checkPlainOperand("pad", "x", x);
  const { mode = "constant", value = 0, out } = options;
  if (!Object.hasOwn(modes, mode)) {
    throw new TypeError(`pad: mode is ${Object.keys(modes).join(", ")}, not "${mode}"`);
  }
  checkValue(x.dtype, value, "pad");
  const pairs = pairsOf(widths, x.shape);
  const empty = x.shape.findIndex((extent, axis) => {
    return mode !== "constant" && extent === 0 && pairs[axis][0] + pairs[axis][1] > 0;
  });
  if (empty >= 0) {
    throw new RangeError(`pad: axis ${empty} of ${formatShape(x.shape)} has nothing to repeat`);
  }
  if (!x.isContiguous) return withDense([x], pad<D>, widths, options);
  const shape = x.shape.map((extent, axis) => extent + pairs[axis][0] + pairs[axis][1]);
  const y = resultTensor<DType>("pad", out, shape, x.dtype) as Tensor<D>;
  checkApart("pad", out, "x", x);
  pairs.forEach(([before, behind], axis) => {
    layout.set(3 * axis, x.shape[axis]);
    layout.set(3 * axis + 1, before);
    layout.set(3 * axis + 2, behind);
  });
  const item = itemOf(x.dtype, value);
  const status = native().symbols
    .qn_pad(y.address, x.address, layout.array, shape.length, item, itemBytes, modes[mode]);
  return status === Status.OK ? y : refuse("pad", status, y, out, { x });
}

/** Widths for each axis. */
function pairsOf(
  widths: number | PadWidth | readonly PadWidth[],
  shape: Shape,
): readonly PadWidth[] {
  const pairs = typeof widths === "number"
    ? shape.map((): PadWidth => [widths, widths])
    : isPair(widths)
    ? shape.map(() => widths)
    : widths;
  const fits = (width: number) => Number.isInteger(width) && width >= 0;
  if (
    !Array.isArray(pairs) || pairs.length !== shape.length || !pairs.every((pair) => {
      return Array.isArray(pair) && pair.length === 2 && pair.every(fits);
    })
  ) {
    throw new RangeError(
      `pad: widths ${JSON.stringify(widths)} do not fit ${formatShape(shape)}: integers from 0, ` +
        `one for all sides, [before, behind], or that for each axis`,
    );
  }
  return pairs;
}

function isPair(widths: PadWidth | readonly PadWidth[]): widths is PadWidth {
  return Array.isArray(widths) && widths.length === 2 && typeof widths[0] === "number";
}
