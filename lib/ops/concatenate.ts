/**
 * Tensors beside each other along an axis.
 */
import type { DType, PlainDType } from "../core/dtype.ts";
import { formatShape, sameShape, type Shape, stridesOf } from "../core/shape.ts";
import { Status } from "../ffi/mod.ts";
import { copyElements, resolveIndex, type Tensor } from "../tensor/mod.ts";
import { checkApart, checkPlainOperand, refuse, resultTensor } from "./operands.ts";
import type { AlongAxisOptions } from "./table.ts";

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
  checkTensors("concatenate", tensors);
  const first = tensors[0].shape;
  const axis = resolveIndex(options.axis ?? 0, first.length, "concatenate", "axis");
  let extent = 0;
  for (const { shape } of tensors) {
    if (shape.length !== first.length || !sameShape(shape.with(axis, 0), first.with(axis, 0))) {
      throw new RangeError(
        `concatenate: ${formatShape(shape)} and ${formatShape(first)} differ in more than ` +
          `axis ${axis}`,
      );
    }
    extent += shape[axis];
  }
  return join("concatenate", tensors, first.with(axis, extent), axis, options.out);
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
  checkTensors("stack", tensors);
  const first = tensors[0].shape;
  const axis = resolveIndex(options.axis ?? 0, first.length + 1, "stack", "axis");
  const other = tensors.find(({ shape }) => !sameShape(shape, first));
  if (other !== undefined) {
    throw new RangeError(
      `stack: ${formatShape(other.shape)} is not ${formatShape(first)}, as the first tensor is`,
    );
  }
  return join("stack", tensors, first.toSpliced(axis, 0, tensors.length), axis, options.out);
}

function checkTensors(operation: string, tensors: readonly Tensor[]): void {
  if (!Array.isArray(tensors)) {
    throw new TypeError(`${operation}: the operands are an array of tensors`);
  }
  if (tensors.length === 0) throw new RangeError(`${operation}: there is no tensor to join`);
  for (let index = 0; index < tensors.length; index++) {
    const dtype = index === 0 ? undefined : tensors[0].dtype;
    checkPlainOperand(operation, `tensor ${index}`, tensors[index], dtype);
  }
}

/** Copies each tensor to its place in the result; those of a stack lack the axis. */
function join<D extends PlainDType>(
  operation: string,
  tensors: readonly Tensor<D>[],
  shape: Shape,
  axis: number,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const y = resultTensor<DType>(operation, out, shape, tensors[0].dtype) as Tensor<D>;
  for (let index = 0; index < tensors.length && out !== undefined; index++) {
    checkApart(operation, out, `tensor ${index}`, tensors[index]);
  }
  if (y.size === 0) return y;
  const itemBytes = y.byteLength / y.size;
  const isNew = shape.length > tensors[0].shape.length;
  const all = stridesOf(shape);
  const strides = isNew ? all.toSpliced(axis, 1) : all;
  const step = all[axis] * itemBytes;
  let offset = 0;
  for (const tensor of tensors) {
    const to = y.address + BigInt(offset);
    const status = copyElements(
      to,
      strides,
      tensor.address,
      tensor.strides,
      tensor.shape,
      itemBytes,
    );
    if (status !== Status.OK) return refuse(operation, status, y, out, { tensor });
    offset += step * (isNew ? 1 : tensor.shape[axis]);
  }
  return y;
}
