/**
 * Native copies between ranges of memory, layouts and tensors.
 */
import { dtypeLayout } from "../core/dtype.ts";
import { formatShape, sameShape, type Shape } from "../core/shape.ts";
import { check, native, Words } from "../ffi/mod.ts";
import { repeatsElements } from "./layout.ts";
import { endedError } from "./lifetime.ts";
import { overlaps, type Tensor } from "./tensor.ts";

/** The most bytes that one native row may have. */
const maxRowBytes = 2 ** 30;

/**
 * Copies native bytes; the ranges may overlap.
 *
 * @param target Where to.
 * @param source Where from.
 * @param byteLength How many.
 * @param operation Named in an error.
 */
export function copyBytes(
  target: bigint,
  source: bigint,
  byteLength: number,
  operation: string,
): void {
  const { symbols } = native();
  if (byteLength <= maxRowBytes) {
    check(symbols.qn_copy(target, source, 1, byteLength), operation);
    return;
  }
  const down = target <= source;
  const pieces = Math.ceil(byteLength / maxRowBytes);
  for (let i = 0; i < pieces; i++) {
    // Where the ranges overlap, the bytes that are overwritten must have been copied.
    const done = (down ? i : pieces - 1 - i) * maxRowBytes;
    const bytes = Math.min(byteLength - done, maxRowBytes);
    const offset = BigInt(done);
    check(symbols.qn_copy(target + offset, source + offset, 1, bytes), operation);
  }
}

/** For each of 16 axes at most: its size, and the strides of both sides. */
const layout = new Words(3 * 16);

/**
 * Copies elements between two layouts of one shape, strides in elements; the
 * memory must not overlap.
 *
 * @param target The address of the first element that is written.
 * @param targetStrides One an axis; no element is written twice.
 * @param source The address of the first element that is read.
 * @param sourceStrides One an axis; 0 repeats an element, below 0 goes backwards.
 * @param shape The sizes of the axes, 16 at most.
 * @param itemBytes The bytes of an element.
 * @returns A native status.
 */
export function copyElements(
  target: bigint,
  targetStrides: readonly number[],
  source: bigint,
  sourceStrides: readonly number[],
  shape: Shape,
  itemBytes: number,
): number {
  for (let axis = 0; axis < shape.length; axis++) {
    layout.set(3 * axis, shape[axis]);
    layout.set(3 * axis + 1, targetStrides[axis]);
    layout.set(3 * axis + 2, sourceStrides[axis]);
  }
  const { symbols } = native();
  return symbols.qn_copy_strided(target, source, layout.array, shape.length, itemBytes);
}

/**
 * Checks that the elements of one tensor can be copied into another.
 *
 * @param target A tensor in use.
 * @param source What a caller passed.
 * @param operation Named in an error.
 * @throws {DisposedError} When the source was disposed of.
 * @throws {TypeError} When the dtypes differ, or the target shows an element more than once.
 * @throws {RangeError} When the sizes differ.
 */
export function checkCopy(target: Tensor, source: Tensor, operation: string): void {
  if (source.disposed) throw endedError(source, operation, "the source");
  if (source.dtype !== target.dtype) {
    throw new TypeError(`${operation}: ${source.dtype} cannot be copied into ${target.dtype}`);
  }
  if (source.size !== target.size) {
    throw new RangeError(
      `${operation}: ${formatShape(source.shape)} does not fill ${formatShape(target.shape)}`,
    );
  }
  checkWritable(operation, "the target", target);
}

/**
 * Checks that a tensor can be changed where it is.
 *
 * @param operation Named in the error.
 * @param name The tensor's name, for the error.
 * @param tensor The tensor.
 * @throws {TypeError} When it shows elements more than once.
 */
export function checkWritable(operation: string, name: string, tensor: Tensor): void {
  if (tensor.isContiguous) return;
  const { shape, strides } = tensor;
  if (!repeatsElements(shape, strides)) return;
  throw new TypeError(
    `${operation}: ${name} ${formatShape(shape)} with strides ${formatShape(strides)} shows ` +
      `elements more than once, so that it cannot be written to; use clone() first`,
  );
}

/**
 * Copies all elements in row-major order; the two may share memory.
 *
 * @param target Where to.
 * @param source A tensor of the same dtype and size.
 * @param operation Named in an error.
 */
export function copyTensor(target: Tensor, source: Tensor, operation: string): void {
  if (target.isContiguous && source.isContiguous) {
    copyBytes(target.address, source.address, target.byteLength, operation);
  } else if (overlaps(target, source)) {
    using apart = source.clone();
    copyTensor(target, apart, operation);
  } else if (!sameShape(target.shape, source.shape)) {
    using reshaped = source.reshape(target.shape);
    copyTensor(target, reshaped, operation);
  } else {
    const { blockBytes } = dtypeLayout(target.dtype);
    const [to, from] = [target.address, source.address];
    const status = copyElements(
      to,
      target.strides,
      from,
      source.strides,
      target.shape,
      blockBytes,
    );
    check(status, operation);
  }
}

/**
 * Fills a new tensor with copies of elements; when that fails, its caller never
 * sees it, and it is disposed of.
 *
 * @param copy The new tensor.
 * @param source A tensor of the same dtype and size.
 * @param operation Named in an error.
 * @returns The new tensor.
 */
export function fillCopy<T extends Tensor>(copy: T, source: Tensor, operation: string): T {
  try {
    copyTensor(copy, source, operation);
    return copy;
  } catch (error) {
    copy.dispose();
    throw error;
  }
}
