/**
 * Tensors with something around them.
 */
import type { DType, Floating, PlainDType } from "../core/dtype.ts";
import type { ElementSource } from "../core/element.ts";
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { formatShape, type Shape, withExtent } from "../core/shape.ts";
import { native, PadMode, Status, Words } from "../ffi/mod.ts";
import { checkValue, itemOf, Tensor } from "../tensor/mod.ts";
import { wideGradient } from "./halves.ts";
import { checkApart, checkPlainOperand, refuse, resultTensor, withDense } from "./operands.ts";
import { slicesAdded } from "./scatter_add.ts";

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

/** What a call notes for its gradient. */
interface Padded {
  /** The operand's shape. */
  readonly shape: Shape;
  /** What was added to each axis. */
  readonly widths: readonly PadWidth[];
  readonly mode: Padding;
}

const padGradient = differentiable<Padded>({
  operation: "pad",
  saves: [],
  backward: (gradient, _, { extra }) => [
    extra.mode === "constant"
      ? inside(gradient, extra)
      : wideGradient(extra.shape, [gradient], (g) => folded(g, extra)),
  ],
});

/** What lies inside of the padding. */
function inside(gradient: Tensor, { shape, widths }: Padded): Tensor {
  let part = gradient.detach();
  widths.forEach(([before], axis) => {
    using whole = part;
    part = whole.slice(before, before + shape[axis], { axis });
  });
  return part;
}

/** The padding added to the elements that it repeats, axis by axis. */
function folded(gradient: Tensor<Floating>, { shape, widths, mode }: Padded): Tensor {
  let sum = gradient.detach();
  widths.forEach((width, axis) => {
    if (width[0] + width[1] === 0) return;
    using whole = sum;
    using own = Tensor.arange(0, shape[axis], 1, "int64");
    using places = pad(own, width, { mode });
    sum = slicesAdded(withExtent(whole.shape, axis, shape[axis]), places, whole, axis);
  });
  return sum;
}

function recordPad<T extends Tensor>(
  y: T,
  x: Tensor,
  widths: number | PadWidth | readonly PadWidth[],
  mode: Padding,
): T {
  const { shape } = x;
  const all = shape.map((_, axis): PadWidth => {
    if (typeof widths === "number") return [widths, widths];
    const [before, behind] = isPair(widths) ? widths : widths[axis];
    return [before, behind];
  });
  return record(y, padGradient, [x], { extra: { shape, widths: all, mode } });
}

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
  if (!x.isContiguous) return withDense([x], pad<D>, widths, options);
  const shape = writeLayout(x.shape, widths, mode);
  const tracked = isTracked(x);
  const y = resultTensor<DType>("pad", out, shape, x.dtype) as Tensor<D>;
  checkApart("pad", out, "x", x);
  const item = itemOf(x.dtype, value);
  const status = native().symbols
    .qn_pad(y.address, x.address, layout.array, shape.length, item, itemBytes, modes[mode]);
  if (status !== Status.OK) return refuse("pad", status, y, out, { x });
  return tracked ? recordPad(y, x, widths, mode) : y;
}

/** Writes the widths of each axis; returns the shape of the result. */
function writeLayout(
  shape: Shape,
  widths: number | PadWidth | readonly PadWidth[],
  mode: Padding,
): Shape {
  if (typeof widths !== "number") checkWidths(shape, widths);
  const one = typeof widths === "number" ? widths : undefined;
  const pair = typeof widths !== "number" && isPair(widths) ? widths : undefined;
  const padded = new Array<number>(shape.length);
  for (let axis = 0; axis < shape.length; axis++) {
    const own = pair ?? (widths as readonly PadWidth[])[axis];
    const before = one ?? own[0];
    const behind = one ?? own[1];
    if (!isWidth(before) || !isWidth(behind)) throw misfit(shape, widths);
    if (mode !== "constant" && shape[axis] === 0 && before + behind > 0) {
      throw new RangeError(`pad: axis ${axis} of ${formatShape(shape)} has nothing to repeat`);
    }
    layout.set(3 * axis, shape[axis]);
    layout.set(3 * axis + 1, before);
    layout.set(3 * axis + 2, behind);
    padded[axis] = shape[axis] + before + behind;
  }
  return padded;
}

/** Checks that there are two widths for each axis, or for all together. */
function checkWidths(shape: Shape, widths: PadWidth | readonly PadWidth[]): void {
  if (!Array.isArray(widths)) throw misfit(shape, widths);
  if (isPair(widths)) return;
  const fits = widths.every((pair) => Array.isArray(pair) && pair.length === 2);
  if (widths.length !== shape.length || !fits) throw misfit(shape, widths);
}

function isWidth(width: number): boolean {
  return Number.isInteger(width) && width >= 0;
}

function misfit(shape: Shape, widths: unknown): RangeError {
  return new RangeError(
    `pad: widths ${JSON.stringify(widths)} do not fit ${formatShape(shape)}: integers from 0, ` +
      `one for all sides, [before, behind], or that for each axis`,
  );
}

function isPair(widths: PadWidth | readonly PadWidth[]): widths is PadWidth {
  return widths.length === 2 && typeof widths[0] === "number";
}
