/**
 * Tensors beside each other along an axis.
 */
import type { DType, PlainDType } from "../core/dtype.ts";
import { differentiable, isAnyTracked, record } from "../autograd/mod.ts";
import {
  formatShape,
  sameElsewhere,
  sameShape,
  type Shape,
  sizeOf,
  stridesOf,
  withExtent,
} from "../core/shape.ts";
import { native, Status, Words } from "../ffi/mod.ts";
import { copyElements, resolveIndex, type Tensor } from "../tensor/mod.ts";
import { checkApart, checkOperand, checkPlainOperand, refuse, resultTensor } from "./operands.ts";
import type { AlongAxisOptions } from "./table.ts";

/** With the axis. */
const stackGradient = differentiable<number>({
  operation: "stack",
  saves: [],
  backward: (gradient, _, { wants, extra: axis }) =>
    wants.map((wanted, index) => {
      if (!wanted) return undefined;
      using part = gradient.slice(index, index + 1, { axis });
      return part.squeeze(axis);
    }),
});

/** An axis, and where each operand begins and ends along it. */
interface Places {
  readonly axis: number;
  readonly bounds: readonly number[];
}

const concatenateGradient = differentiable<Places>({
  operation: "concatenate",
  saves: [],
  backward: (gradient, _, { wants, extra: { axis, bounds } }) =>
    wants.map((wanted, index) =>
      wanted ? gradient.slice(bounds[index], bounds[index + 1], { axis }) : undefined
    ),
});

function recordConcatenation<T extends Tensor>(y: T, tensors: readonly T[], axis: number): T {
  const bounds = [0];
  for (const { shape } of tensors) bounds.push(bounds[bounds.length - 1] + shape[axis]);
  return record(y, concatenateGradient, tensors, { extra: { axis, bounds } });
}

/**
 * Tensors one behind the other along an axis that they have.
 *
 * @param tensors One or more of the same dtype, any but the quantised, whose shapes differ in
 *   that axis alone.
 * @param options The axis, and where to write the result, apart from the operands.
 * @returns Their shape, the axis being the sum of theirs.
 * @throws {RangeError} When the shapes differ elsewhere, or there is no tensor.
 * @throws {TypeError} When the dtypes differ.
 *
 * @example
 * ```ts
 * import { concatenate, Tensor } from "@quern/quern";
 *
 * using a = Tensor.from([[1, 2], [3, 4]]);
 * using b = Tensor.from([[5], [6]]);
 * using y = concatenate([a, b], { axis: 1 });
 * console.log(y.toArray()); // [[1, 2, 5], [3, 4, 6]]
 * ```
 */
export function concatenate<D extends PlainDType>(
  tensors: readonly Tensor<D>[],
  options: AlongAxisOptions<D> = {},
): Tensor<D> {
  const itemBytes = checkTensors("concatenate", tensors);
  const first = tensors[0].shape;
  const axis = resolveIndex(options.axis ?? 0, first.length, "concatenate", "axis");
  let extent = 0;
  for (let index = 0; index < tensors.length; index++) {
    const { shape } = tensors[index];
    if (!sameElsewhere(shape, first, axis)) {
      throw new RangeError(
        `concatenate: ${formatShape(shape)} and ${formatShape(first)} differ in more than ` +
          `axis ${axis}`,
      );
    }
    extent += shape[axis];
  }
  const shape = withExtent(first, axis, extent);
  const tracked = isAnyTracked(tensors);
  const y = join("concatenate", tensors, shape, axis, itemBytes, options.out);
  return tracked ? recordConcatenation(y, tensors, axis) : y;
}

/**
 * Tensors one behind the other along a new axis.
 *
 * @param tensors One or more of the same dtype, any but the quantised, and the same shape.
 * @param options The axis in the result, and where to write that, apart from the operands.
 * @returns Their shape with one more axis, as long as there are tensors.
 * @throws {RangeError} When the shapes differ, or there is no tensor.
 * @throws {TypeError} When the dtypes differ.
 *
 * @example
 * ```ts
 * import { stack, Tensor } from "@quern/quern";
 *
 * using a = Tensor.from([1, 2]);
 * using b = Tensor.from([3, 4]);
 * using y = stack([a, b], { axis: -1 });
 * console.log(y.toArray()); // [[1, 3], [2, 4]]
 * ```
 */
export function stack<D extends PlainDType>(
  tensors: readonly Tensor<D>[],
  options: AlongAxisOptions<D> = {},
): Tensor<D> {
  const itemBytes = checkTensors("stack", tensors);
  const first = tensors[0].shape;
  const axis = resolveIndex(options.axis ?? 0, first.length + 1, "stack", "axis");
  for (let index = 1; index < tensors.length; index++) {
    const { shape } = tensors[index];
    if (sameShape(shape, first)) continue;
    throw new RangeError(
      `stack: ${formatShape(shape)} is not ${formatShape(first)}, as the first tensor is`,
    );
  }
  const shape = new Array<number>(first.length + 1);
  for (let index = 0; index < shape.length; index++) {
    if (index === axis) shape[index] = tensors.length;
    else shape[index] = first[index < axis ? index : index - 1];
  }
  const tracked = isAnyTracked(tensors);
  const y = join("stack", tensors, shape, axis, itemBytes, options.out);
  return tracked ? record(y, stackGradient, tensors, { extra: axis }) : y;
}

const firstNames = ["tensor 0", "tensor 1", "tensor 2", "tensor 3"];

/** The first names are not made anew for each call. */
function nameOf(index: number): string {
  return firstNames[index] ?? `tensor ${index}`;
}

/** Returns the bytes of an element. */
function checkTensors(operation: string, tensors: readonly Tensor[]): number {
  if (!Array.isArray(tensors)) {
    throw new TypeError(`${operation}: the operands are an array of tensors`);
  }
  if (tensors.length === 0) throw new RangeError(`${operation}: there is no tensor to join`);
  const itemBytes = checkPlainOperand(operation, nameOf(0), tensors[0]);
  for (let index = 1; index < tensors.length; index++) {
    checkOperand(operation, nameOf(index), tensors[index], tensors[0].dtype);
  }
  return itemBytes;
}

/** Parts that are joined without an array of their own. */
const fewParts = 16;
const parts = new Words(2 * fewParts);

/** Copies each tensor to its place in the result; those of a stack lack the axis. */
function join<D extends PlainDType>(
  operation: string,
  tensors: readonly Tensor<D>[],
  shape: Shape,
  axis: number,
  itemBytes: number,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const y = resultTensor<DType>(operation, out, shape, tensors[0].dtype) as Tensor<D>;
  let dense = true;
  for (let index = 0; index < tensors.length; index++) {
    if (out !== undefined) checkApart(operation, out, nameOf(index), tensors[index]);
    dense &&= tensors[index].isContiguous;
  }
  if (y.size === 0) return y;
  if (!dense) return joinStrided(operation, tensors, y, axis, itemBytes, out);
  const rows = sizeOf(shape, 0, axis);
  const { array } = tensors.length <= fewParts ? parts : new Words(2 * tensors.length);
  for (let index = 0; index < tensors.length; index++) {
    const tensor = tensors[index];
    array[2 * index] = tensor.address;
    array[2 * index + 1] = BigInt(tensor.byteLength / rows);
  }
  const status = native().symbols.qn_concatenate(y.address, array, tensors.length, rows);
  return status === Status.OK ? y : refuse(operation, status, y, out, { tensor: tensors[0] });
}

/** The same of tensors some of which are not dense: one call for each. */
function joinStrided<D extends PlainDType>(
  operation: string,
  tensors: readonly Tensor<D>[],
  y: Tensor<D>,
  axis: number,
  itemBytes: number,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const isNew = y.shape.length > tensors[0].shape.length;
  const strides = stridesOf(y.shape);
  const step = strides[axis] * itemBytes;
  if (isNew) strides.splice(axis, 1);
  let to = y.address;
  for (const tensor of tensors) {
    const { address, shape } = tensor;
    const status = copyElements(to, strides, address, tensor.strides, shape, itemBytes);
    if (status !== Status.OK) return refuse(operation, status, y, out, { tensor });
    to += BigInt(step * (isNew ? 1 : shape[axis]));
  }
  return y;
}
