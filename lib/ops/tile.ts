/**
 * Elements, or whole tensors, again and again.
 */
import type { DType, PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { formatShape, type Shape, stridesOf, withExtent } from "../core/shape.ts";
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

/** The axes of the elements that are copied, none of size 1, so that there are not too many. */
interface Walk {
  readonly all: number[];
  /** The strides of the operand. */
  readonly steps: number[];
  readonly once: number[];
}

/** Adds how often an axis is repeated, along which the operand stands still. */
function addCount({ all, steps, once }: Walk, count: number): void {
  if (count === 1) return;
  all.push(count);
  steps.push(0);
  once.push(1);
}

function addExtent({ all, steps, once }: Walk, extent: number, step: number): void {
  if (extent === 1) return;
  all.push(extent);
  steps.push(step);
  once.push(extent);
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
  const lacking = rank - x.shape.length;
  const uncounted = rank - counts.length;
  const { shape, strides } = x;
  const result = new Array<number>(rank);
  const walk: Walk = { all: [], steps: [], once: [] };
  for (let axis = 0; axis < rank; axis++) {
    const count = axis < uncounted ? 1 : counts[axis - uncounted];
    const extent = axis < lacking ? 1 : shape[axis - lacking];
    result[axis] = extent * count;
    addCount(walk, count);
    addExtent(walk, extent, strides[axis - lacking]);
  }
  return repeated("tile", x, result, walk, options.out);
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
  const { shape, strides } = x;
  const walk: Walk = { all: [], steps: [], once: [] };
  for (let index = 0; index < shape.length; index++) {
    addExtent(walk, shape[index], strides[index]);
    if (index === axis) addCount(walk, count);
  }
  return repeated("repeat", x, withExtent(shape, axis, shape[axis] * count), walk, options.out);
}

function checkCounts(operation: string, counts: readonly number[]): void {
  if (Array.isArray(counts) && counts.every((count) => Number.isInteger(count) && count >= 0)) {
    return;
  }
  throw new RangeError(`${operation}: ${JSON.stringify(counts)} are not integers from 0`);
}

/** Copies elements along axes that may be more than the result has. */
function repeated<D extends PlainDType>(
  operation: keyof typeof gradients,
  x: Tensor<D>,
  result: Shape,
  { all, steps, once }: Walk,
  out: Tensor<D> | undefined,
): Tensor<D> {
  if (all.length > 16) {
    throw new RangeError(
      `${operation}: ${formatShape(x.shape)} has too many axes to repeat; reshape() it first`,
    );
  }
  const tracked = isTracked(x);
  const y = resultTensor<DType>(operation, out, result, x.dtype) as Tensor<D>;
  checkApart(operation, out, "x", x);
  if (y.size !== 0) {
    const itemBytes = y.byteLength / y.size;
    const status = copyElements(y.address, stridesOf(all), x.address, steps, all, itemBytes);
    if (status !== Status.OK) return refuse(operation, status, y, out, { x });
  }
  return tracked ? record(y, gradients[operation], [x], { extra: { x: x.shape, all, once } }) : y;
}
