/**
 * Elementwise arithmetic on two tensors, or a tensor and a number.
 */
import type { DType } from "../core/dtype.ts";
import type { Tensor } from "../tensor/mod.ts";
import { BinaryOp } from "../ffi/symbols.ts";
import {
  type Arithmetic,
  binary,
  type Floating,
  floats,
  numbers,
  type Operation,
  type Promoted,
} from "./binary.ts";
import type { ResultOption } from "./operands.ts";

const additions: Operation = { name: "add", code: BinaryOp.ADD, dtypes: numbers };
const differences: Operation = { name: "sub", code: BinaryOp.SUBTRACT, dtypes: numbers };
const products: Operation = { name: "mul", code: BinaryOp.MULTIPLY, dtypes: numbers };
const quotients: Operation = { name: "div", code: BinaryOp.DIVIDE, dtypes: floats };
const powers: Operation = { name: "pow", code: BinaryOp.POWER, dtypes: floats };
const largest: Operation = { name: "maximum", code: BinaryOp.MAXIMUM, dtypes: numbers };
const smallest: Operation = { name: "minimum", code: BinaryOp.MINIMUM, dtypes: numbers };

/**
 * `a + b`, element by element. Shapes broadcast as NumPy's do: axes, matched from the
 * last on, are equal, or 1 in one of the two. Integers wrap around. Two floating-point
 * dtypes make the wider, both halves float32; a number takes the dtype of `a`.
 *
 * @param a A floating-point dtype, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The sum.
 * @throws {RangeError} When the shapes do not fit each other, or a number the dtype.
 * @throws {TypeError} When the dtypes differ, and are not both floating-point.
 *
 * @example
 * ```ts
 * import { add, Tensor } from "@quern/quern";
 *
 * using rows = Tensor.from([[1, 2], [3, 4]]);
 * using bias = Tensor.from([10, 20]);
 * using sum = add(rows, bias);
 * console.log(sum.toArray()); // [[11, 22], [13, 24]]
 * ```
 */
export function add<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | number,
  options?: ResultOption<D>,
): Tensor<D>;
/** The same of two floating-point dtypes, in the wider; in float32 of the two halves. */
export function add<A extends Floating, B extends Floating>(
  a: Tensor<A>,
  b: Tensor<B>,
  options?: ResultOption<Promoted<A, B>>,
): Tensor<Promoted<A, B>>;
export function add(a: Tensor, b: Tensor | number, options: ResultOption<DType> = {}): Tensor {
  return binary(a, b, additions, options.out);
}

/**
 * `a - b`, element by element, as {@linkcode add}.
 *
 * @param a A floating-point dtype, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The difference.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function sub<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | number,
  options?: ResultOption<D>,
): Tensor<D>;
/** The same of two floating-point dtypes, in the wider; in float32 of the two halves. */
export function sub<A extends Floating, B extends Floating>(
  a: Tensor<A>,
  b: Tensor<B>,
  options?: ResultOption<Promoted<A, B>>,
): Tensor<Promoted<A, B>>;
export function sub(a: Tensor, b: Tensor | number, options: ResultOption<DType> = {}): Tensor {
  return binary(a, b, differences, options.out);
}

/**
 * `a · b`, element by element, as {@linkcode add}.
 *
 * @param a A floating-point dtype, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The product.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function mul<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | number,
  options?: ResultOption<D>,
): Tensor<D>;
/** The same of two floating-point dtypes, in the wider; in float32 of the two halves. */
export function mul<A extends Floating, B extends Floating>(
  a: Tensor<A>,
  b: Tensor<B>,
  options?: ResultOption<Promoted<A, B>>,
): Tensor<Promoted<A, B>>;
export function mul(a: Tensor, b: Tensor | number, options: ResultOption<DType> = {}): Tensor {
  return binary(a, b, products, options.out);
}

/**
 * `a / b`, element by element, as {@linkcode add}; integers are cast first.
 *
 * @param a A floating-point dtype.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The quotient.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function div<D extends Floating>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | number,
  options?: ResultOption<D>,
): Tensor<D>;
/** The same of two floating-point dtypes, in the wider; in float32 of the two halves. */
export function div<A extends Floating, B extends Floating>(
  a: Tensor<A>,
  b: Tensor<B>,
  options?: ResultOption<Promoted<A, B>>,
): Tensor<Promoted<A, B>>;
export function div(a: Tensor, b: Tensor | number, options: ResultOption<DType> = {}): Tensor {
  return binary(a, b, quotients, options.out);
}

/**
 * `a` to the power of `b`, element by element, as {@linkcode add}; the special cases
 * are those of IEEE 754, and the error is below 0.51 units in the last place.
 *
 * @param a A floating-point dtype.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The power; NaN for a negative `a` and a `b` that is no integer.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function pow<D extends Floating>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | number,
  options?: ResultOption<D>,
): Tensor<D>;
/** The same of two floating-point dtypes, in the wider; in float32 of the two halves. */
export function pow<A extends Floating, B extends Floating>(
  a: Tensor<A>,
  b: Tensor<B>,
  options?: ResultOption<Promoted<A, B>>,
): Tensor<Promoted<A, B>>;
export function pow(a: Tensor, b: Tensor | number, options: ResultOption<DType> = {}): Tensor {
  return binary(a, b, powers, options.out);
}

/**
 * The larger of `a` and `b`, element by element, as {@linkcode add}; NaN where one is.
 *
 * @param a A floating-point dtype, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The larger of the two.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function maximum<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | number,
  options?: ResultOption<D>,
): Tensor<D>;
/** The same of two floating-point dtypes, in the wider; in float32 of the two halves. */
export function maximum<A extends Floating, B extends Floating>(
  a: Tensor<A>,
  b: Tensor<B>,
  options?: ResultOption<Promoted<A, B>>,
): Tensor<Promoted<A, B>>;
export function maximum(a: Tensor, b: Tensor | number, options: ResultOption<DType> = {}): Tensor {
  return binary(a, b, largest, options.out);
}

/**
 * The smaller of `a` and `b`, element by element, as {@linkcode add}; NaN where one is.
 *
 * @param a A floating-point dtype, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The smaller of the two.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function minimum<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<NoInfer<D>> | number,
  options?: ResultOption<D>,
): Tensor<D>;
/** The same of two floating-point dtypes, in the wider; in float32 of the two halves. */
export function minimum<A extends Floating, B extends Floating>(
  a: Tensor<A>,
  b: Tensor<B>,
  options?: ResultOption<Promoted<A, B>>,
): Tensor<Promoted<A, B>>;
export function minimum(a: Tensor, b: Tensor | number, options: ResultOption<DType> = {}): Tensor {
  return binary(a, b, smallest, options.out);
}
