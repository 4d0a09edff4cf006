/**
 * Elements, or whole tensors, again and again.
 */
import type { DType, PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { formatShape, type Shape, stridesOf } from "../core/shape.ts";
import { Status } from "../ffi/mod.ts";
import { copyElements, resolveIndex, sumTo, type Tensor } from "../tensor/mod.ts";
import {
  checkApart,
  checkPlainOperand,
  refuse,
  type ResultOption,
  resultTensor,
} from "./operands.ts";
import type { AlongAxisOptions } from "./table.ts";

/** The result's axes with those along which elements are repeated by themselves. */
interface Repeated {
  /** The operand's shape. */
  readonly x: Shape;
  /** The sizes of all axes. */
  readonly all: Shape;
  /** The same with 1 for those of repetitions. */
  readonly once: Shape;
}

const gradients = {
  tile: repeatedGradient("tile"),
  repeat: repeatedGradient("repeat"),
};

/** Sums over the repetitions. */
function repeatedGradient(operation: string) {
  return differentiable<Repeated>({
    operation,
    saves: [],
    backward(gradient, _, { extra: { x, all, once } }) {
      using wide = gradient.reshape(all);
      const sum = sumTo(wide, once);
      try {
        return [sum.reshape(x)];
      } finally {
        if (sum !== wide) sum.dispose();
      }
    },
  });
}

function recordRepeated<T extends Tensor>(
  y: T,
  operation: keyof typeof gradients,
  x: Tensor,
  shape: Shape,
  isCount: (axis: number) => boolean,
): T {
  // What is 1 is left out, so that there are not too many axes.
  const axes = [...shape.keys()].filter((axis) => shape[axis] !== 1);
  const all = axes.map((axis) => shape[axis]);
  const once = axes.map((axis) => isCount(axis) ? 1 : shape[axis]);
  return record(y, gradients[operation], [x], { extra: { x: x.shape, all, once } });
}

/**
 * A tensor again and again along its axes, as `numpy.tile` has it.
 *
 * @param x Any dtype but the quantised.
 * @param counts How often along each of the last axes; more counts than axes make new axes.
 * @param options Where to write the result, apart from `x`.
 * @returns The shape of `x`, each axis times its count.
 * @throws {RangeError} When a count is no integer from 0.
 *
 * @example
 * ```ts
 * import { Tensor, tile } from "@quern/quern";
 *
 * using x = Tensor.from([1, 2]);
 * using y = tile(x, [2, 2]);
 * console.log(y.toArray()); // [[1, 2, 1, 2], [1, 2, 1, 2]]
 * ```
 */
export function tile<D extends PlainDType>(
  x: Tensor<D>,
  counts: readonly number[],
  options: ResultOption<D> = {},
): Tensor<D> {
  checkPlainOperand("tile", "x", x);
  checkCounts("tile", counts);
  const rank = Math.max(x.shape.length, counts.length);
  const times = [...new Array<number>(rank - counts.length).fill(1), ...counts];
  const lead = new Array<number>(rank - x.shape.length);
  const extents = [...lead.fill(1), ...x.shape];
  const steps = [...lead.fill(0), ...x.strides];
  // Each axis is two: how often, which stands still in x, and where.
  const shape = times.flatMap((count, axis) => [count, extents[axis]]);
  const strides = steps.flatMap((step) => [0, step]);
  const result = extents.map((extent, axis) => extent * times[axis]);
  const tracked = isTracked(x);
  const y = repeated("tile", x, result, shape, strides, options.out);
  return tracked ? recordRepeated(y, "tile", x, shape, (axis) => axis % 2 === 0) : y;
}

/**
 * Each slice along an axis several times in a row, as `numpy.repeat` has it.
 *
 * @param x Any dtype but the quantised.
 * @param count How often.
 * @param options The axis, and where to write the result, apart from `x`.
 * @returns The shape of `x`, the axis times the count.
 * @throws {RangeError} When the count is no integer from 0, or there is no such axis.
 *
 * @example
 * ```ts
 * import { repeat, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([1, 2]);
 * using y = repeat(x, 2);
 * console.log(y.toArray()); // [1, 1, 2, 2]
 * ```
 */
export function repeat<D extends PlainDType>(
  x: Tensor<D>,
  count: number,
  options: AlongAxisOptions<D> = {},
): Tensor<D> {
  checkPlainOperand("repeat", "x", x);
  checkCounts("repeat", [count]);
  const axis = resolveIndex(options.axis ?? 0, x.shape.length, "repeat", "axis");
  const shape = x.shape.toSpliced(axis + 1, 0, count);
  const strides = x.strides.toSpliced(axis + 1, 0, 0);
  const result = x.shape.with(axis, x.shape[axis] * count);
  const tracked = isTracked(x);
  const y = repeated("repeat", x, result, shape, strides, options.out);
  return tracked ? recordRepeated(y, "repeat", x, shape, (other) => other === axis + 1) : y;
}

function checkCounts(operation: string, counts: readonly number[]): void {
  if (Array.isArray(counts) && counts.every((count) => Number.isInteger(count) && count >= 0)) {
    return;
  }
  throw new RangeError(`${operation}: ${JSON.stringify(counts)} are not integers from 0`);
}

/** Copies elements in a shape that has more axes than the result; those of size 1 are left out. */
function repeated<D extends PlainDType>(
  operation: string,
  x: Tensor<D>,
  result: Shape,
  shape: Shape,
  strides: readonly number[],
  out: Tensor<D> | undefined,
): Tensor<D> {
  const axes = [...shape.keys()].filter((axis) => shape[axis] !== 1);
  if (axes.length > 16) {
    throw new RangeError(
      `${operation}: ${formatShape(x.shape)} has too many axes to repeat; reshape() it first`,
    );
  }
  const y = resultTensor<DType>(operation, out, result, x.dtype) as Tensor<D>;
  checkApart(operation, out, "x", x);
  if (y.size === 0) return y;
  const walked = axes.map((axis) => shape[axis]);
  const steps = axes.map((axis) => strides[axis]);
  const itemBytes = y.byteLength / y.size;
  const status = copyElements(y.address, stridesOf(walked), x.address, steps, walked, itemBytes);
  return status === Status.OK ? y : refuse(operation, status, y, out, { x });
}
