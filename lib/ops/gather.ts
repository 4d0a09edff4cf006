/**
 * Elements of a tensor by their indices along an axis.
 */
import { type DType, dtypeLayout, type PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { type Shape, stridesOf, withExtent } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { sumTo, type Tensor } from "../tensor/mod.ts";
import { wideGradient } from "./halves.ts";
import { checkApart, checkPlainOperand, dtypeCodes, resultTensor, withDense } from "./operands.ts";
import { elementsAdded, slicesAdded } from "./scatter_add.ts";
import {
  type AlongAxisOptions,
  checkIndices,
  type Indices,
  refuseIndices,
  repeatedStrides,
  replacedAxis,
  shapeAlong,
  stridesAlong,
  type TableStrides,
  writeTableLayout,
} from "./table.ts";

/** What a call notes for its gradient. */
interface Taken {
  readonly axis: number;
  /** The operand's shape. */
  readonly shape: Shape;
  /** The same broadcast to the indices. */
  readonly all: Shape;
}

const gatherGradient = differentiable<Taken>({
  operation: "gather",
  saves: ["indices"],
  backward: (gradient, [indices], { extra: { axis, shape } }) => [
    wideGradient(shape, [gradient], (g) => slicesAdded(shape, indices as Indices, g, axis)),
  ],
});

const takeGradient = differentiable<Taken>({
  operation: "takeAlongAxis",
  saves: ["indices"],
  backward: (gradient, [indices], { extra: { axis, shape, all } }) => [
    wideGradient(shape, [gradient], (g) => {
      const whole = elementsAdded(all, indices as Indices, g, axis);
      const sum = sumTo(whole, shape);
      if (sum !== whole) whole.dispose();
      return sum;
    }),
  ],
});

/**
 * Whole slices of a tensor along an axis: `take` of NumPy, `index_select` of PyTorch.
 *
 * @param x Any dtype but the quantised.
 * @param indices int32 or int64, of any shape; negative ones count from the end.
 * @param options The axis, and where to write the result, apart from the operands.
 * @returns The shape of `x` with that of the indices in place of the axis.
 * @throws {RangeError} When an index is out of range; nothing is written then.
 *
 * @example
 * ```ts
 * import { gather, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * using last = Tensor.from([-1, 0], "int32");
 * using y = gather(x, last, { axis: 1 });
 * console.log(y.toArray()); // [[3, 1], [6, 4]]
 * ```
 */
export function gather<D extends PlainDType>(
  x: Tensor<D>,
  indices: Indices,
  options: AlongAxisOptions<D> = {},
): Tensor<D> {
  checkPlainOperand("gather", "x", x);
  const axis = checkIndices("gather", x, indices, options.axis ?? 0);
  if (!indices.isContiguous) return withDense([x, indices], gather<D>, options);
  const { shape, strides } = x;
  const result = replacedAxis(shape, axis, indices.shape);
  const walked = withExtent(shape, axis, indices.size);
  const along = stridesAlong(shape.length, axis);
  const all = { dense: stridesOf(walked), table: strides, indices: along };
  const tracked = isTracked(x);
  const y = readTable("gather", x, indices, axis, result, walked, all, options.out);
  if (!tracked) return y;
  return record(y, gatherGradient, [x], { saved: [indices], extra: { axis, shape, all: shape } });
}

/**
 * One element for each index, along an axis: `take_along_axis` of NumPy, `gather` of PyTorch.
 * `y[i][j] = x[i][indices[i][j]]` for axis 1 of two.
 *
 * @param x Any dtype but the quantised.
 * @param indices int32 or int64, with as many axes as `x`, which are broadcast to each other but
 *   for the axis; negative ones count from the end.
 * @param options The axis, and where to write the result, apart from the operands.
 * @returns The shape of the indices.
 * @throws {RangeError} When an index is out of range, or the shapes do not fit each other.
 *
 * @example
 * ```ts
 * import { takeAlongAxis, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * using best = Tensor.from([[2], [0]], "int32");
 * using y = takeAlongAxis(x, best, { axis: 1 });
 * console.log(y.toArray()); // [[3], [4]]
 * ```
 */
export function takeAlongAxis<D extends PlainDType>(
  x: Tensor<D>,
  indices: Indices,
  options: AlongAxisOptions<D> = {},
): Tensor<D> {
  const name = "takeAlongAxis";
  checkPlainOperand(name, "x", x);
  const axis = checkIndices(name, x, indices, options.axis ?? 0);
  const shape = shapeAlong(name, x, indices, axis);
  if (!indices.isContiguous) return withDense([x, indices], takeAlongAxis<D>, options);
  // The table is walked by the indices along the axis, however many of them there are.
  const whole = withExtent(shape, axis, x.shape[axis]);
  const table = repeatedStrides(x, whole);
  const all = { dense: stridesOf(shape), table, indices: repeatedStrides(indices, shape) };
  const tracked = isTracked(x);
  const y = readTable(name, x, indices, axis, shape, shape, all, options.out);
  if (!tracked) return y;
  const extra = { axis, shape: x.shape, all: whole };
  return record(y, takeGradient, [x], { saved: [indices], extra });
}

/** Makes the result and the native call; `walked` is the result's shape, axis for axis of `x`. */
function readTable<D extends PlainDType>(
  name: string,
  x: Tensor<D>,
  indices: Indices,
  axis: number,
  shape: Shape,
  walked: Shape,
  strides: TableStrides,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const y = resultTensor<DType>(name, out, shape, x.dtype) as Tensor<D>;
  checkApart(name, out, "x", x);
  checkApart(name, out, "indices", indices);
  const extent = x.shape[axis];
  const itemBytes = dtypeLayout(x.dtype).blockBytes;
  const status = native().symbols.qn_gather(
    y.address,
    x.address,
    indices.address,
    writeTableLayout(extent, indices.size, walked, strides),
    walked.length,
    axis,
    itemBytes,
    dtypeCodes[indices.dtype],
  );
  if (status === Status.OK) return y;
  return refuseIndices(name, status, y, out, { x, indices }, indices, [-extent, extent]);
}
