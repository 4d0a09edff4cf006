/**
 * First values of new tensors. A tensor that cannot be filled is disposed of:
 * its caller never sees it.
 */
import {
  byteLengthOf,
  type DataOf,
  dataView,
  type Floating,
  isFloating,
  type PlainDType,
} from "../core/dtype.ts";
import { type ElementSource, writeElement } from "../core/element.ts";
import { colsOf, rowsOf, type Shape } from "../core/shape.ts";
import { dtypeCodes, native, Status, statusError } from "../ffi/mod.ts";

/** How a random tensor is filled. */
export interface RandomOptions<D extends Floating = "float32"> {
  /** The element type; float32 when left out. The numbers are the same, rounded to it. */
  dtype?: D;
  /** An integer from 0 to 2^53 - 1; drawn at random when left out. */
  seed?: number;
  /** The mean; 0 when left out. */
  mean?: number;
  /** The standard deviation; 1 when left out. */
  deviation?: number;
}

/** What is filled: a dense tensor. */
interface Fillable extends Disposable {
  readonly shape: Shape;
  readonly address: bigint;
}

/** The bytes of an element on the way to a native call. */
const item = new BigUint64Array(1);
/** The same bytes by dtype, each made when it is first needed. */
const itemViews: Partial<Record<PlainDType, DataOf[PlainDType]>> = {};

/**
 * One element as native functions take it.
 *
 * @param dtype Its dtype.
 * @param value A value of a kind that was checked.
 * @returns An array that begins with the element's bytes, used again by the next call.
 */
export function itemOf(dtype: PlainDType, value: ElementSource): BigUint64Array<ArrayBuffer> {
  const view = itemViews[dtype] ??= dataView(dtype, item.buffer, 0, byteLengthOf(dtype, 1));
  writeElement(dtype, view, 0, value);
  return item;
}

/**
 * Writes one value into every element.
 *
 * @param tensor A dense tensor.
 * @param dtype Its dtype.
 * @param value The value of every element, of a kind that was checked.
 * @returns A native status.
 */
export function writeFill(
  tensor: { readonly shape: Shape; readonly address: bigint },
  dtype: PlainDType,
  value: ElementSource,
): number {
  const itemBytes = byteLengthOf(dtype, 1);
  const { shape } = tensor;
  return native().symbols
    .qn_fill(tensor.address, itemOf(dtype, value), rowsOf(shape), colsOf(shape), itemBytes);
}

/**
 * Fills a new tensor with one value.
 *
 * @param tensor A new tensor.
 * @param dtype Its dtype.
 * @param value The value of every element, of a kind that was checked.
 * @param operation Named in an error.
 * @returns The tensor.
 */
export function fillValue<T extends Fillable>(
  tensor: T,
  dtype: PlainDType,
  value: ElementSource,
  operation: string,
): T {
  const status = writeFill(tensor, dtype, value);
  return status === Status.OK ? tensor : refuseNew(tensor, status, operation, `value ${value}`);
}

/**
 * Checks that a value can be an element.
 *
 * @param dtype The element type.
 * @param value What a caller passed.
 * @param operation Named in the error.
 * @throws {TypeError} When it is neither a number nor what else the dtype takes.
 * @throws {RangeError} When it is no integer, and the dtype is int64.
 */
export function checkValue(dtype: PlainDType, value: unknown, operation: string): void {
  const fits = typeof value === "number" || (typeof value === "bigint" && dtype === "int64") ||
    (typeof value === "boolean" && dtype === "bool");
  if (!fits) {
    throw new TypeError(`${operation}: the value is a number, not ${typeof value}, for ${dtype}`);
  }
  if (dtype === "int64" && typeof value === "number" && !Number.isInteger(value)) {
    throw new RangeError(`${operation}: ${value} is no integer, as int64 needs`);
  }
}

/**
 * Fills a tensor with choices.
 *
 * @param tensor A new tensor of bool.
 * @param probability That an element is true, from 0 to 1.
 * @param seed An integer from 0 to 2^53 - 1; drawn when left out.
 * @returns The tensor.
 */
export function fillChoices<T extends Fillable>(
  tensor: T,
  probability: number,
  seed = crypto.getRandomValues(new Uint32Array(1))[0],
): T {
  const [low, high] = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
  const [rows, cols] = [rowsOf(tensor.shape), colsOf(tensor.shape)];
  const status = native().symbols
    .qn_random_choices(tensor.address, rows, cols, low, high, probability);
  if (status === Status.OK) return tensor;
  return refuseNew(tensor, status, "fillChoices", `probability ${probability}`);
}

/**
 * Fills a tensor with normally distributed numbers.
 *
 * @param tensor A new tensor.
 * @param dtype Its dtype, float32 or float64.
 * @param options The seed, mean and deviation; the seed was checked.
 * @returns The tensor.
 */
export function fillNormal<T extends Fillable>(
  tensor: T,
  dtype: "float32" | "float64",
  options: RandomOptions<Floating>,
): T {
  const { mean = 0, deviation = 1 } = options;
  const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
  const [low, high] = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
  const [rows, cols] = [rowsOf(tensor.shape), colsOf(tensor.shape)];
  const code = dtypeCodes[dtype];
  const status = native().symbols
    .qn_random_normal(tensor.address, rows, cols, low, high, mean, deviation, code);
  if (status === Status.OK) return tensor;
  return refuseNew(tensor, status, "Tensor.randn", `mean ${mean}, deviation ${deviation}`);
}

/**
 * Fills a tensor with the elements of another, rounded.
 *
 * @param tensor A new tensor.
 * @param dtype Its dtype.
 * @param source A dense tensor of the same shape.
 * @param sourceDtype Its dtype.
 * @param operation Named in an error.
 * @returns The tensor.
 */
export function fillRounded<T extends Fillable>(
  tensor: T,
  dtype: Floating,
  source: Fillable,
  sourceDtype: Floating,
  operation: string,
): T {
  const [rows, cols] = [rowsOf(tensor.shape), colsOf(tensor.shape)];
  const [code, sourceCode] = [dtypeCodes[dtype], dtypeCodes[sourceDtype]];
  const status = native().symbols
    .qn_cast(tensor.address, source.address, rows, cols, code, sourceCode);
  return status === Status.OK ? tensor : refuseNew(tensor, status, operation, `dtype ${dtype}`);
}

/**
 * Checks how a random tensor is to be filled, before there is one.
 *
 * @param options The seed, mean and deviation.
 * @throws {RangeError} When one of them is out of range.
 */
export function checkRandomOptions(options: RandomOptions<Floating>): void {
  const { seed = 0, mean = 0, deviation = 1, dtype = "float32" } = options;
  if (!isFloating(dtype)) {
    throw new TypeError(`Tensor.randn: dtype is ${dtype}, which holds no real numbers`);
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`Tensor.randn: a seed is an integer from 0 to 2^53 - 1, not ${seed}`);
  }
  if (!Number.isFinite(mean)) {
    throw new RangeError(`Tensor.randn: mean is a finite number, not ${mean}`);
  }
  if (!Number.isFinite(deviation) || deviation < 0) {
    throw new RangeError(`Tensor.randn: deviation is a number from 0, not ${deviation}`);
  }
}

function refuseNew(
  tensor: Fillable,
  status: number,
  operation: string,
  details: string,
): never {
  tensor[Symbol.dispose]();
  throw statusError(status, operation, details);
}
