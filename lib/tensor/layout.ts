/**
 * Where the elements of a tensor lie: a shape, and for each axis the distance
 * between neighbours, its stride, in elements.
 *
 * A tensor is *dense* when its strides are those that row-major order gives its
 * shape; an axis of size 1 and a tensor without elements have no stride that
 * could differ. Strides are never negative. Two elements share a place where an axis
 * is repeated, its stride being 0: such a tensor is read, and never written.
 */
import {
  broadcastShapes,
  checkShape,
  formatShape,
  sameShape,
  type Shape,
  sizeOf,
} from "../core/shape.ts";

/** The most axes that a tensor may have. */
const maxAxes = 16;

/**
 * Checks that a value is a shape that a tensor may have.
 *
 * @param shape The sizes of the axes.
 * @param operation Named in the error.
 * @throws {TypeError} When it is not an array.
 * @throws {RangeError} When an axis or the product of all is out of range, or there are too many.
 */
export function checkTensorShape(shape: Shape, operation: string): void {
  if (!Array.isArray(shape)) {
    throw new TypeError(`${operation}: a shape is an array of integers, not ${String(shape)}`);
  }
  if (shape.length > maxAxes) {
    throw new RangeError(
      `${operation}: a tensor has up to ${maxAxes} axes, and the shape has ${shape.length}`,
    );
  }
  checkShape(shape, operation);
}

/** Shapes of the last tensors; one a place, by a hash of the axes. */
const recentShapes: (Shape | undefined)[] = new Array(64).fill(undefined);

/**
 * A frozen copy of a shape: the one of a tensor that was made before, where it
 * has the same axes, since copying and freezing takes as long as making a tensor.
 *
 * @param shape The sizes of the axes.
 * @returns An array that nobody can change.
 */
export function keptShape(shape: Shape): Shape {
  let place = shape.length;
  for (let axis = 0; axis < shape.length; axis++) {
    place = (Math.imul(place, 31) + shape[axis]) | 0;
  }
  place &= recentShapes.length - 1;
  const recent = recentShapes[place];
  if (recent !== undefined && sameShape(recent, shape)) return recent;
  return recentShapes[place] = Object.isFrozen(shape) ? shape : Object.freeze(shape.slice());
}

/**
 * Whether strides are those of row-major order.
 *
 * @param shape The sizes of the axes.
 * @param strides One an axis.
 * @returns True when the elements lie side by side, the last axis fastest.
 */
export function isDense(shape: Shape, strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/**
 * The elements from the first to the last in memory, both included.
 *
 * @param shape The sizes of the axes.
 * @param strides One an axis.
 * @returns 0 when there is no element.
 */
export function spanOf(shape: Shape, strides: readonly number[]): number {
  let last = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] === 0) return 0;
    last += (shape[axis] - 1) * strides[axis];
  }
  return last + 1;
}

/**
 * The strides that show the same elements, in the same order, in another shape.
 *
 * Both shapes are cut into the smallest runs of axes with equal products. A run
 * can be cut anew when its axes step through memory as one axis would.
 *
 * @param shape The sizes of the axes, none of them 0.
 * @param strides One an axis.
 * @param target The other shape, of the same size.
 * @returns One stride an axis of `target`; undefined when only a copy can have that shape.
 */
export function reshapeStrides(
  shape: Shape,
  strides: readonly number[],
  target: Shape,
): number[] | undefined {
  const axes = shape.keys().filter((axis) => shape[axis] !== 1).toArray();
  const result = new Array<number>(target.length).fill(1);
  let axis = 0;
  let end = 0;
  for (let first = 0; first < axes.length;) {
    let last = first;
    let from = shape[axes[first]];
    let to = target[end++];
    while (from !== to) {
      if (to < from) {
        to *= target[end++];
      } else {
        const [outer, inner] = [axes[last], axes[++last]];
        if (strides[outer] !== strides[inner] * shape[inner]) return undefined;
        from *= shape[inner];
      }
    }
    let stride = strides[axes[last]];
    for (let i = end - 1; i >= axis; i--) {
      result[i] = stride;
      stride *= target[i];
    }
    axis = end;
    first = last + 1;
  }
  return result;
}

/**
 * A shape with its open axis worked out.
 *
 * @param target The shape that is asked for; one axis may be -1.
 * @param shape The shape that there is.
 * @param operation Named in an error.
 * @returns A shape with as many elements.
 * @throws {RangeError} When it is not a shape, or the sizes differ.
 */
export function resolveShape(target: Shape, shape: Shape, operation: string): Shape {
  const size = sizeOf(shape);
  const open = Array.isArray(target) ? target.indexOf(-1) : -1;
  const fixed = open < 0 ? target : target.toSpliced(open, 1);
  checkTensorShape(fixed, operation);
  const known = sizeOf(fixed);
  if (open < 0 ? known !== size : known === 0 || size % known !== 0) {
    throw new RangeError(
      `${operation}: ${formatShape(shape)} has ${size} elements and cannot become ` +
        formatShape(target),
    );
  }
  if (open < 0) return target;
  const resolved = target.with(open, size / known);
  checkTensorShape(resolved, operation);
  return resolved;
}

/**
 * A position on an axis, or an axis among several.
 *
 * @param index Counted from the end when negative.
 * @param extent How many there are.
 * @param operation Named in the error.
 * @param what What is counted, for the error.
 * @returns The index counted from the start.
 * @throws {RangeError} When there is no such one.
 */
export function resolveIndex(
  index: number,
  extent: number,
  operation: string,
  what: "axis" | "index",
): number {
  const position = index < 0 ? index + extent : index;
  if (!Number.isInteger(index) || position < 0 || position >= extent) {
    const whole = what === "axis" ? `${extent} axes` : `an axis of ${extent}`;
    throw new RangeError(`${operation}: ${what} ${index} is out of range for ${whole}`);
  }
  return position;
}

/**
 * Where an element lies.
 *
 * @param indices One an axis; negative ones count from the end.
 * @param shape The sizes of the axes.
 * @param strides One an axis; row-major when left out.
 * @param operation Named in an error.
 * @returns Elements from the first one.
 * @throws {RangeError} When an index is out of range, or their number is not that of the axes.
 */
export function positionOf(
  indices: readonly number[],
  shape: Shape,
  strides: readonly number[] | undefined,
  operation: string,
): number {
  if (indices.length !== shape.length) {
    throw new RangeError(
      `${operation}: ${formatShape(shape)} takes ${shape.length} indices, not ${indices.length}`,
    );
  }
  let position = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const index = resolveIndex(indices[axis], shape[axis], operation, "index");
    position = strides === undefined
      ? position * shape[axis] + index
      : position + index * strides[axis];
  }
  return position;
}

/**
 * Part of an axis, cut off at its ends as `Array.prototype.slice` does.
 *
 * @param start The first index; negative ones count from the end.
 * @param end The index after the last; the axis' size when left out.
 * @param extent The size of the axis.
 * @param operation Named in an error.
 * @returns The first index, and the one after the last, which is not below it.
 * @throws {RangeError} When one of them is not an integer.
 */
export function resolveRange(
  start: number,
  end: number | undefined,
  extent: number,
  operation: string,
): [first: number, last: number] {
  const stop = end ?? extent;
  if (!Number.isInteger(start) || !Number.isInteger(stop)) {
    throw new RangeError(`${operation}: ${start} and ${stop} are not both integers`);
  }
  const clamp = (i: number) => Math.min(Math.max(i < 0 ? i + extent : i, 0), extent);
  const first = clamp(start);
  return [first, Math.max(first, clamp(stop))];
}

/**
 * The order of axes that a caller asked for.
 *
 * @param axes The axes of the tensor in the order of the result; none reverses them.
 * @param rank How many the tensor has.
 * @param operation Named in an error.
 * @returns One axis of the tensor for each of the result.
 * @throws {RangeError} When each axis is not named exactly once.
 */
export function resolveAxes(axes: readonly number[], rank: number, operation: string): number[] {
  const order = new Array<number>(rank);
  if (axes.length === 0) {
    for (let place = 0; place < rank; place++) order[place] = rank - 1 - place;
    return order;
  }
  let named = 0;
  for (let place = 0; place < axes.length; place++) {
    order[place] = resolveIndex(axes[place], rank, operation, "axis");
    named |= 1 << order[place];
  }
  if (axes.length !== rank || named !== 2 ** rank - 1) {
    throw new RangeError(
      `${operation}: axes ${formatShape(axes)} do not name each of ${rank} axes once`,
    );
  }
  return order;
}

/**
 * Whether a tensor shows elements more than once.
 *
 * @param shape The sizes of the axes.
 * @param strides One an axis.
 * @returns True when an axis repeats what it shows.
 */
export function repeatsElements(shape: Shape, strides: readonly number[]): boolean {
  return shape.some((extent, axis) => extent > 1 && strides[axis] === 0);
}

/** Sizes and strides of a view. */
export interface ViewLayout {
  /** The sizes of the axes. */
  readonly shape: number[];
  /** One an axis, in elements. */
  readonly strides: number[];
}

/**
 * The strides that repeat a tensor's elements to fill a larger shape, as NumPy broadcasts.
 *
 * @param target The shape that is asked for.
 * @param shape The tensor's shape.
 * @param strides One an axis.
 * @param operation Named in an error.
 * @returns One stride an axis of the larger shape.
 * @throws {RangeError} When the shape does not broadcast to it.
 */
export function broadcastStrides(
  target: Shape,
  shape: Shape,
  strides: readonly number[],
  operation: string,
): number[] {
  checkTensorShape(target, operation);
  const together = broadcastShapes(shape, target);
  if (together === undefined || !sameShape(together, target)) {
    throw new RangeError(
      `${operation}: ${formatShape(shape)} does not broadcast to ${formatShape(target)}; ` +
        `axes, matched from the last on, are equal, or 1 in the tensor`,
    );
  }
  const lead = target.length - shape.length;
  return target.map((extent, axis) => {
    return axis < lead || shape[axis - lead] !== extent ? 0 : strides[axis - lead];
  });
}

/**
 * Axes without those of size 1.
 *
 * @param layout The sizes and strides.
 * @param axes Which axes to leave out; all of size 1 when left out.
 * @param operation Named in an error.
 * @returns The axes that are left.
 * @throws {RangeError} When one that is named has another size.
 */
export function squeezeAxes(
  { shape, strides }: ViewLayout,
  axes: readonly number[] | undefined,
  operation: string,
): ViewLayout {
  const named = axes?.map((axis) => resolveIndex(axis, shape.length, operation, "axis"));
  const other = named?.find((axis) => shape[axis] !== 1);
  if (other !== undefined) {
    throw new RangeError(
      `${operation}: axis ${other} of ${formatShape(shape)} has ${shape[other]} elements, not 1`,
    );
  }
  const keeps = (_: number, axis: number) =>
    named === undefined ? shape[axis] !== 1 : !named.includes(axis);
  return { shape: shape.filter(keeps), strides: strides.filter(keeps) };
}

/**
 * The layout of a diagonal: two axes are left out, and one that walks along both at once
 * comes last.
 *
 * @param layout The sizes and strides.
 * @param offset How far right of the main diagonal; left of it when negative.
 * @param axes The rows and the columns.
 * @param operation Named in an error.
 * @returns The layout, and the elements before its first.
 * @throws {RangeError} When the axes are not two of the tensor's, or the offset is no integer.
 */
export function diagonalLayout(
  { shape, strides }: ViewLayout,
  offset: number,
  axes: readonly [rows: number, cols: number],
  operation: string,
): ViewLayout & { readonly start: number } {
  const [rows, cols] = axes.map((axis) => resolveIndex(axis, shape.length, operation, "axis"));
  if (rows === cols) {
    throw new RangeError(`${operation}: a diagonal is of two axes, not of axis ${rows} alone`);
  }
  if (!Number.isSafeInteger(offset)) {
    throw new RangeError(`${operation}: the offset is an integer, not ${offset}`);
  }
  const down = Math.max(-offset, 0);
  const right = Math.max(offset, 0);
  const extent = Math.max(Math.min(shape[rows] - down, shape[cols] - right), 0);
  const others = (_: number, axis: number) => axis !== rows && axis !== cols;
  return {
    shape: [...shape.filter(others), extent],
    strides: [...strides.filter(others), strides[rows] + strides[cols]],
    start: extent === 0 ? 0 : down * strides[rows] + right * strides[cols],
  };
}
