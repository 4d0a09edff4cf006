/**
 * Elements of a tensor by their indices along an axis.
 */
import { type DType, dtypeLayout, type PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { type Shape, withExtent } from "../core/shape.ts";
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
  replacedAxis,
  shapeAlong,
  Side,
  tableLayout,
  writeAlong,
  writeDense,
  writeSizes,
  writeTensor,
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
  const { shape } = x;
  const tracked = isTracked(x);
  const y = makeResult("gather", x, indices, replacedAxis(shape, axis, indices.shape), options.out);
  writeSizes(shape[axis], indices.size, shape, axis, indices.size);
  writeDense(Side.DENSE, shape, axis, indices.size);
  writeTensor(Side.TABLE, x, shape);
  writeAlong(shape.length, axis);
  readTable("gather", x, indices, axis, y, options.out);
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
  const tracked = isTracked(x);
  const y = makeResult(name, x, indices, shape, options.out);
  writeSizes(x.shape[axis], indices.size, shape, axis, shape[axis]);
  writeDense(Side.DENSE, shape, axis, shape[axis]);
  writeTensor(Side.TABLE, x, shape, axis);
  writeTensor(Side.INDICES, indices, shape);
  readTable(name, x, indices, axis, y, options.out);
  if (!tracked) return y;
  const extra = { axis, shape: x.shape, all: withExtent(shape, axis, x.shape[axis]) };
  return record(y, takeGradient, [x], { saved: [indices], extra });
}

function makeResult<D extends PlainDType>(
  name: string,
  x: Tensor<D>,
  indices: Indices,
  shape: Shape,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const y = resultTensor<DType>(name, out, shape, x.dtype) as Tensor<D>;
  checkApart(name, out, "x", x);
  checkApart(name, out, "indices", indices);
  return y;
}

/** Makes the native call, whose layout is written. */
function readTable<D extends PlainDType>(
  name: string,
  x: Tensor<D>,
  indices: Indices,
  axis: number,
  y: Tensor<D>,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const status = native().symbols.qn_gather(
    y.address,
    x.address,
    indices.address,
    tableLayout,
    x.shape.length,
    axis,
    dtypeLayout(x.dtype).blockBytes,
    dtypeCodes[indices.dtype],
  );
  if (status === Status.OK) return y;
  const extent = x.shape[axis];
  return refuseIndices(name, status, y, out, { x, indices }, indices, [-extent, extent]);
}
