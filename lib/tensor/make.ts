/**
 * New tensors: what is behind `Tensor.empty` and its kin. Everything that a caller
 * passed is checked before memory is rented.
 */
import { byteLengthOf, type DType, type Floating, isHalf, type PlainDType } from "../core/dtype.ts";
import type { ElementSource } from "../core/element.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { dtypeCodes, native, Status, statusError } from "../ffi/mod.ts";
import { pool } from "../memory/mod.ts";
import {
  checkRandomOptions,
  checkValue,
  fillNormal,
  fillRounded,
  fillValue,
  type RandomOptions,
} from "./fill.ts";
import { copyElements } from "./copy.ts";
import { checkTensorShape } from "./layout.ts";
import { flatten, inferShape, type Source } from "./nested.ts";
import { checkPlain } from "./part.ts";
import { firstElements, Tensor } from "./tensor.ts";

/**
 * A tensor of unspecified contents.
 *
 * @param operation Named in an error.
 * @param shape The sizes of the axes.
 * @param dtype The element type.
 * @returns A new tensor.
 */
export function make<D extends DType>(operation: string, shape: Shape, dtype: D): Tensor<D> {
  checkTensorShape(shape, operation);
  const bytes = byteLengthOf(dtype, sizeOf(shape));
  return new Tensor<D>(pool.acquire(bytes === 0 ? 1 : bytes), 0, shape, dtype);
}

/**
 * A tensor of one value.
 *
 * @param operation Named in an error.
 * @param shape The sizes of the axes.
 * @param value The value of every element.
 * @param dtype The element type; float32 when left out.
 * @returns A new tensor.
 */
export function makeFull<D extends PlainDType>(
  operation: string,
  shape: Shape,
  value: ElementSource,
  dtype?: D,
): Tensor<D> {
  const type: PlainDType = dtype ?? "float32";
  checkPlain(type, operation);
  checkValue(type, value, operation);
  return fillValue(make(operation, shape, type as D), type, value, operation);
}

/**
 * A tensor of normally distributed numbers.
 *
 * @param shape The sizes of the axes.
 * @param options The dtype, seed, mean and deviation.
 * @returns A new tensor.
 */
export function makeNormal<D extends Floating = "float32">(
  shape: Shape,
  options: RandomOptions<D>,
): Tensor<D> {
  checkRandomOptions(options);
  const dtype: Floating = options.dtype ?? "float32";
  if (!isHalf(dtype)) return fillNormal(make("Tensor.randn", shape, dtype as D), dtype, options);
  using wide = fillNormal(make("Tensor.randn", shape, "float32"), "float32", options);
  return fillRounded(
    make("Tensor.randn", shape, dtype as D),
    dtype,
    wide,
    "float32",
    "Tensor.randn",
  );
}

/**
 * A tensor of given values.
 *
 * @param values Nested arrays, or a typed array.
 * @param dtype The element type; float32 when left out.
 * @returns A new tensor.
 */
export function makeFrom<D extends PlainDType>(values: Source, dtype?: D): Tensor<D> {
  const type: PlainDType = dtype ?? "float32";
  checkPlain(type, "Tensor.from");
  const tensor = make("Tensor.from", inferShape(values, type, "Tensor.from"), type);
  flatten(values, type, firstElements(tensor));
  return tensor as Tensor<PlainDType> as Tensor<D>;
}

/** The dtypes that sequences have. */
export type SequenceDType = Exclude<PlainDType, "bool">;

/** What integers a dtype holds; those that JavaScript's numbers hold, for int64. */
const integerRanges: Partial<Record<SequenceDType, readonly [least: number, most: number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 53), 2 ** 53],
  uint8: [0, 255],
};

/**
 * The numbers from `start`, `step` apart, before `stop`.
 *
 * @param start The first.
 * @param stop What the last comes before.
 * @param step The distance.
 * @param dtype The element type.
 * @returns A new vector.
 * @throws {RangeError} When a number is not finite, or not one of the dtype.
 */
export function makeArange<D extends SequenceDType>(
  start: number,
  stop: number,
  step: number,
  dtype?: D,
): Tensor<D> {
  const operation = "Tensor.arange";
  checkFinite(operation, { start, stop, step });
  if (step === 0) throw new RangeError(`${operation}: the step is not 0`);
  const count = Math.max(Math.ceil((stop - start) / step), 0);
  return makeSequence(operation, start, step, start + (count - 1) * step, count, dtype);
}

/**
 * Numbers at equal distances.
 *
 * @param start The first.
 * @param stop The last.
 * @param count How many.
 * @param dtype A floating-point dtype.
 * @returns A new vector.
 * @throws {RangeError} When a number is not finite, or the count is no size.
 */
export function makeLinspace<D extends SequenceDType>(
  start: number,
  stop: number,
  count: number,
  dtype?: D,
): Tensor<D> {
  const operation = "Tensor.linspace";
  checkFinite(operation, { start, stop });
  if (dtype !== undefined && Object.hasOwn(integerRanges, dtype)) {
    throw new TypeError(`${operation}: the dtype is a floating-point one, not ${dtype}`);
  }
  const step = count > 1 ? (stop - start) / (count - 1) : 0;
  return makeSequence(operation, start, step, count > 1 ? stop : start, count, dtype);
}

function checkFinite(operation: string, numbers: Record<string, number>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isFinite(value)) continue;
    throw new RangeError(`${operation}: ${name} is a finite number, not ${value}`);
  }
}

function makeSequence<D extends SequenceDType>(
  operation: string,
  start: number,
  step: number,
  last: number,
  count: number,
  dtype?: D,
): Tensor<D> {
  const type: SequenceDType = dtype ?? "float32";
  checkPlain(type, operation);
  if ((type as DType) === "bool") throw new TypeError(`${operation}: the dtype is not "bool"`);
  const range = integerRanges[type];
  if (range !== undefined && count > 0) {
    for (const value of [start, step, last]) {
      const fits = value === step || (value >= range[0] && value <= range[1]);
      if (Number.isInteger(value) && fits) continue;
      throw new RangeError(`${operation}: ${value} is not an integer that ${type} holds`);
    }
  }
  const tensor = make(operation, [count], type as D);
  const status = native().symbols
    .qn_sequence(tensor.address, BigInt(count), start, step, last, dtypeCodes[type]);
  if (status === Status.OK) return tensor;
  tensor.dispose();
  throw statusError(status, operation, `start ${start}, step ${step}, count ${count}`);
}

/**
 * A matrix with 1 on its diagonal.
 *
 * @param rows How many rows.
 * @param cols How many columns.
 * @param dtype The element type.
 * @returns A new tensor.
 */
export function makeEye<D extends PlainDType>(
  rows: number,
  cols: number,
  dtype?: D,
): Tensor<D> {
  const operation = "Tensor.eye";
  const matrix = makeFull(operation, [rows, cols], 0, dtype);
  try {
    using one = makeFull(operation, [1], 1, matrix.dtype);
    const itemBytes = byteLengthOf(matrix.dtype, 1);
    const shape = [Math.min(rows, cols)];
    const status = copyElements(matrix.address, [cols + 1], one.address, [0], shape, itemBytes);
    if (status === Status.OK) return matrix;
    throw statusError(status, operation, `${rows} rows, ${cols} columns`);
  } catch (error) {
    matrix.dispose();
    throw error;
  }
}
