/**
 * Shapes: arrays of non-negative integers, row-major, the last axis contiguous.
 */

/** The largest extent of an axis, and of all axes before the last together. */
const maxExtent = 2 ** 32 - 1;

/** The sizes of a tensor's axes, the slowest-varying first. An empty shape is a scalar. */
export type Shape = readonly number[];

/**
 * The number of elements of a shape, or of some of its axes alone.
 *
 * @param shape The sizes of the axes.
 * @param first The first axis that counts.
 * @param end The axis after the last that counts.
 * @returns Their product; 1 for a scalar, or for no axis.
 */
export function sizeOf(shape: Shape, first = 0, end = shape.length): number {
  let size = 1;
  for (let axis = first; axis < end; axis++) size *= shape[axis];
  return size;
}

/**
 * A shape with another size at one axis.
 *
 * @param shape The sizes of the axes.
 * @param axis Which.
 * @param extent Its size.
 * @returns A new array.
 */
export function withExtent(shape: Shape, axis: number, extent: number): number[] {
  const other = new Array<number>(shape.length);
  for (let index = 0; index < shape.length; index++) {
    other[index] = index === axis ? extent : shape[index];
  }
  return other;
}

/**
 * Checks that a value is a usable shape.
 *
 * @param shape The sizes of the axes.
 * @param operation Named in the error.
 * @throws {RangeError} When an axis is not an integer from 0 to 2^32 - 1, or the size is not exact.
 */
export function checkShape(shape: Shape, operation: string): void {
  for (let axis = 0; axis < shape.length; axis++) {
    const extent = shape[axis];
    if (!Number.isInteger(extent) || extent < 0 || extent > maxExtent) {
      throw new RangeError(
        `${operation}: shape ${formatShape(shape)} is not made of integers from 0 to 2^32 - 1`,
      );
    }
  }
  if (rowsOf(shape) > maxExtent) {
    throw new RangeError(`${operation}: shape ${formatShape(shape)} has 2^32 rows or more`);
  }
  if (!Number.isSafeInteger(sizeOf(shape) * 8)) {
    throw new RangeError(`${operation}: shape ${formatShape(shape)} has too many elements`);
  }
}

/**
 * The elements between neighbours along each axis of a dense tensor.
 *
 * @param shape The sizes of the axes.
 * @returns One stride an axis, in elements.
 */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/**
 * The extent of the last axis; 1 for a scalar.
 *
 * @param shape The sizes of the axes.
 * @returns The number of columns when the tensor is seen as rows.
 */
export function colsOf(shape: Shape): number {
  return shape.length === 0 ? 1 : shape[shape.length - 1];
}

/**
 * The product of all axes before the last; 1 for a scalar or a vector.
 *
 * @param shape The sizes of the axes.
 * @returns The number of rows when the tensor is seen as rows.
 */
export function rowsOf(shape: Shape): number {
  return sizeOf(shape, 0, shape.length - 1);
}

/**
 * Whether two shapes are the same.
 *
 * @param a A shape.
 * @param b Another.
 * @returns True when they have the same axes.
 */
export function sameShape(a: Shape, b: Shape): boolean {
  // Tensors of one shape have one array, in general.
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) {
    if (a[axis] !== b[axis]) return false;
  }
  return true;
}

/**
 * Whether two shapes are the same but for one axis.
 *
 * @param a A shape.
 * @param b Another.
 * @param axis Where they may differ.
 * @returns True when they have as many axes, and the same sizes elsewhere.
 */
export function sameElsewhere(a: Shape, b: Shape, axis: number): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    if (index !== axis && a[index] !== b[index]) return false;
  }
  return true;
}

/**
 * A shape as people write it.
 *
 * @param shape The sizes of the axes.
 * @returns For example `[32, 512]`.
 */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/**
 * The shape of an elementwise result, as NumPy broadcasts: axes are matched from
 * the last on; those that one shape lacks, or has as 1, are repeated to fit the other.
 *
 * @param a A shape.
 * @param b Another.
 * @returns The shape of both together, which may be one of them; undefined when two axes differ
 *   and neither is 1.
 */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const longer = a.length >= b.length ? a : b;
  const shorter = longer === a ? b : a;
  const lead = longer.length - shorter.length;
  let shape: number[] | undefined;
  for (let axis = 0; axis < shorter.length; axis++) {
    const one = longer[lead + axis];
    const other = shorter[axis];
    if (one === other || other === 1) continue;
    if (one !== 1) return undefined;
    shape ??= longer.slice();
    shape[lead + axis] = other;
  }
  return shape ?? longer;
}
