/**
 * First values of new tensors. A tensor that cannot be filled is disposed of:
 * its caller never sees it.
 */
import { colsOf, type Shape, sizeOf } from "../core/shape.ts";
import { native, Status, statusError } from "../ffi/mod.ts";

/** How a random tensor is filled. */
export interface RandomOptions {
  /** An integer from 0 to 2^53 - 1; drawn at random when left out. */
  seed?: number;
  /** The mean; 0 when left out. */
  mean?: number;
  /** The standard deviation; 1 when left out. */
  deviation?: number;
}

/** What is filled: a dense float32 tensor. */
interface Fillable extends Disposable {
  readonly shape: Shape;
  readonly address: bigint;
}

/**
 * Fills a tensor with one value.
 *
 * @param tensor A new tensor.
 * @param value The value of every element.
 * @param operation Named in an error.
 * @returns The tensor.
 */
export function fillValue<T extends Fillable>(tensor: T, value: number, operation: string): T {
  const [rows, cols] = grid(tensor.shape);
  const status = native().symbols.qn_fill_f32(tensor.address, rows, cols, value);
  return finish(tensor, status, operation, `value ${value}`);
}

/**
 * Fills a tensor with normally distributed numbers.
 *
 * @param tensor A new tensor.
 * @param options The seed, mean and deviation; the seed was checked.
 * @returns The tensor.
 */
export function fillNormal<T extends Fillable>(tensor: T, options: RandomOptions): T {
  const { mean = 0, deviation = 1 } = options;
  const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
  const [low, high] = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
  const [rows, cols] = grid(tensor.shape);
  const status = native().symbols
    .qn_random_normal_f32(tensor.address, rows, cols, low, high, mean, deviation);
  return finish(tensor, status, "Tensor.randn", `mean ${mean}, deviation ${deviation}`);
}

/**
 * Checks how a random tensor is to be filled, before there is one.
 *
 * @param options The seed, mean and deviation.
 * @throws {RangeError} When one of them is out of range.
 */
export function checkRandomOptions(options: RandomOptions): void {
  const { seed = 0, mean = 0, deviation = 1 } = options;
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

function finish<T extends Fillable>(
  tensor: T,
  status: number,
  operation: string,
  details: string,
): T {
  if (status === Status.OK) return tensor;
  tensor[Symbol.dispose]();
  throw statusError(status, operation, details);
}

/** Rows and columns, as native functions take a shape. */
function grid(shape: Shape): [rows: number, cols: number] {
  const cols = colsOf(shape);
  return [cols === 0 ? 0 : sizeOf(shape) / cols, cols];
}
