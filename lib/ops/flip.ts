/**
 * Elements in another order along axes: backwards, or moved on.
 */
import type { DType, PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { formatShape, type Shape, stridesOf } from "../core/shape.ts";
import { Status } from "../ffi/mod.ts";
import { copyElements, resolveIndex, type Tensor } from "../tensor/mod.ts";
import { checkApart, checkPlainOperand, refuse, resultTensor } from "./operands.ts";

/** How an operation along one axis or several gives its result. */
export interface AlongAxesOptions<D extends DType> {
  /** The axis, or several; negative ones count from the end. */
  axis?: number | readonly number[];
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<D>;
}

/** With the axes. */
const flipGradient = differentiable<number | readonly number[] | undefined>({
  operation: "flip",
  saves: [],
  backward: (gradient, _, { extra }) => [flip(gradient as Tensor<PlainDType>, { axis: extra })],
});

/** How far along which axes. */
interface Rolled {
  readonly axis: readonly number[];
  readonly shifts: readonly number[];
}

const rollGradient = differentiable<Rolled>({
  operation: "roll",
  saves: [],
  backward(gradient, _, { extra: { axis, shifts } }) {
    return [roll(gradient as Tensor<PlainDType>, shifts.map((shift) => -shift), { axis })];
  },
});

/**
 * The elements backwards.
 *
 * @param x Any dtype but the quantised.
 * @param options The axes, all of them when left out, and where to write the result, apart
 *   from `x`.
 * @returns The shape of `x`.
 * @throws {RangeError} When there is no such axis.
 *
 * @example
 * ```ts
 * import { flip, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2], [3, 4]]);
 * using y = flip(x, { axis: 1 });
 * console.log(y.toArray()); // [[2, 1], [4, 3]]
 * ```
 */
export function flip<D extends PlainDType>(
  x: Tensor<D>,
  options: AlongAxesOptions<D> = {},
): Tensor<D> {
  const itemBytes = checkPlainOperand("flip", "x", x);
  const { axis } = options;
  const flipped = axis === undefined ? -1 : axisBits("flip", x.shape, axis);
  const tracked = isTracked(x);
  const y = resultTensor<DType>("flip", options.out, x.shape, x.dtype) as Tensor<D>;
  checkApart("flip", options.out, "x", x);
  const status = y.size === 0 ? Status.OK : copyFlipped(y, x, flipped, itemBytes);
  if (status !== Status.OK) return refuse("flip", status, y, options.out, { x });
  return tracked ? recordFlip(y, x, axis) : y;
}

/** The axes are copied, since the caller's array may change. */
function recordFlip<T extends Tensor>(y: T, x: T, axis: number | readonly number[] | undefined): T {
  return record(y, flipGradient, [x], { extra: typeof axis === "object" ? [...axis] : axis });
}

/** The native call: a walk through `x` that begins at the ends. */
function copyFlipped(y: Tensor, x: Tensor, flipped: number, itemBytes: number): number {
  const strides = x.strides;
  let first = 0;
  for (let axis = 0; axis < strides.length; axis++) {
    if ((flipped >> axis & 1) === 0) continue;
    first += (x.shape[axis] - 1) * strides[axis];
    strides[axis] = -strides[axis];
  }
  const from = x.address + BigInt(first * itemBytes);
  return copyElements(y.address, stridesOf(x.shape), from, strides, x.shape, itemBytes);
}

/**
 * The elements moved on along axes; those that leave at one end come in at the other.
 *
 * @param x Any dtype but the quantised.
 * @param shift How far, towards the end, or towards the start when negative; one number, or one
 *   for each axis.
 * @param options The axes, the first when left out, and where to write the result, apart
 *   from `x`.
 * @returns The shape of `x`.
 * @throws {RangeError} When there is no such axis, or a shift is no integer.
 *
 * @example
 * ```ts
 * import { roll, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1, 2, 3, 4]);
 * using y = roll(x, 1);
 * console.log(y.toArray()); // [4, 1, 2, 3]
 * ```
 */
export function roll<D extends PlainDType>(
  x: Tensor<D>,
  shift: number | readonly number[],
  options: AlongAxesOptions<D> = {},
): Tensor<D> {
  const itemBytes = checkPlainOperand("roll", "x", x);
  const axes = axesOf("roll", x.shape, options.axis ?? 0);
  const shifts = typeof shift === "number" ? axes.map(() => shift) : shift;
  if (!Array.isArray(shifts) || shifts.length !== axes.length || !shifts.every(Number.isInteger)) {
    throw new RangeError(
      `roll: shift ${JSON.stringify(shift)} is not an integer for each of axes ` +
        formatShape(axes),
    );
  }
  const { out } = options;
  const tracked = isTracked(x);
  const y = resultTensor<DType>("roll", out, x.shape, x.dtype) as Tensor<D>;
  checkApart("roll", out, "x", x);
  const status = y.size === 0 ? Status.OK : copyPieces(y, x, axes, shifts, itemBytes);
  if (status !== Status.OK) return refuse("roll", status, y, out, { x });
  return tracked ? record(y, rollGradient, [x], { extra: { axis: axes, shifts: [...shifts] } }) : y;
}

/** Each axis that is rolled cuts x in two: what stays before its end, and what leaves. */
function copyPieces(
  y: Tensor,
  x: Tensor,
  axes: readonly number[],
  shifts: readonly number[],
  itemBytes: number,
): number {
  const strides = stridesOf(x.shape);
  const steps = x.strides;
  const shape = x.shape.slice();
  for (let piece = 0; piece < 1 << axes.length; piece++) {
    let [from, to, size] = [0, 0, 1];
    for (let index = 0; index < axes.length; index++) {
      const axis = axes[index];
      const extent = x.shape[axis];
      const shift = ((shifts[index] % extent) + extent) % extent;
      const leaves = (piece >> index & 1) === 1;
      shape[axis] = leaves ? shift : extent - shift;
      if (leaves) from += (extent - shift) * steps[axis];
      else to += shift * strides[axis];
      size *= shape[axis];
    }
    if (size === 0) continue;
    const target = y.address + BigInt(to * itemBytes);
    const source = x.address + BigInt(from * itemBytes);
    const status = copyElements(target, strides, source, steps, shape, itemBytes);
    if (status !== Status.OK) return status;
  }
  return Status.OK;
}

/** A bit for each axis. */
function axisBits(operation: string, shape: Shape, axis: number | readonly number[]): number {
  if (typeof axis === "number") return 1 << resolveIndex(axis, shape.length, operation, "axis");
  return axesOf(operation, shape, axis).reduce((bits, one) => bits | 1 << one, 0);
}

function axesOf(operation: string, shape: Shape, axis: number | readonly number[]): number[] {
  const given = typeof axis === "number" ? [axis] : axis;
  const axes = given.map((one) => resolveIndex(one, shape.length, operation, "axis"));
  if (new Set(axes).size === axes.length) return axes;
  throw new RangeError(`${operation}: axes ${formatShape(given)} name an axis twice`);
}
