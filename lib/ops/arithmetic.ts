/**
 * Elementwise arithmetic on two tensors, or a tensor and a number.
 */
import type { Tensor } from "../tensor/mod.ts";
import { BinaryOp } from "../ffi/symbols.ts";
import {
  type Arithmetic,
  binary,
  type Floating,
  type Operation,
  type ResultOption,
} from "./binary.ts";

const numbers = ["float32", "float64", "int32", "int64"] as const;
const floats = ["float32", "float64"] as const;

const additions: Operation = { name: "add", code: BinaryOp.ADD, dtypes: numbers };
const differences: Operation = { name: "sub", code: BinaryOp.SUBTRACT, dtypes: numbers };
const products: Operation = { name: "mul", code: BinaryOp.MULTIPLY, dtypes: numbers };
const quotients: Operation = { name: "div", code: BinaryOp.DIVIDE, dtypes: floats };
const powers: Operation = { name: "pow", code: BinaryOp.POWER, dtypes: ["float32"] };
const largest: Operation = { name: "maximum", code: BinaryOp.MAXIMUM, dtypes: numbers };
const smallest: Operation = { name: "minimum", code: BinaryOp.MINIMUM, dtypes: numbers };

/**
 * `a + b`, element by element. Shapes broadcast as NumPy's do: axes, matched from the
 * last on, are equal, or 1 in one of the two. Integers wrap around.
 *
 * @param a float32, float64, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The sum.
 * @throws {RangeError} When the shapes do not fit each other, or a number the dtype.
 * @throws {TypeError} When the dtypes differ.
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
  b: Tensor<D> | number,
  options: ResultOption<D> = {},
): Tensor<D> {
  return binary(a, b, additions, options.out) as Tensor<D>;
}

/**
 * `a - b`, element by element, as {@linkcode add}.
 *
 * @param a float32, float64, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The difference.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function sub<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<D> | number,
  options: ResultOption<D> = {},
): Tensor<D> {
  return binary(a, b, differences, options.out) as Tensor<D>;
}

/**
 * `a · b`, element by element, as {@linkcode add}.
 *
 * @param a float32, float64, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The product.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function mul<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<D> | number,
  options: ResultOption<D> = {},
): Tensor<D> {
  return binary(a, b, products, options.out) as Tensor<D>;
}

/**
 * `a / b`, element by element, as {@linkcode add}; integers are cast first.
 *
 * @param a float32 or float64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The quotient.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function div<D extends Floating>(
  a: Tensor<D>,
  b: Tensor<D> | number,
  options: ResultOption<D> = {},
): Tensor<D> {
  return binary(a, b, quotients, options.out) as Tensor<D>;
}

/**
 * `a` to the power of `b`, element by element, as {@linkcode add}; the special cases
 * are those of IEEE 754, and the error is below 0.51 units in the last place.
 *
 * @param a float32.
 * @param b float32, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The power; NaN for a negative `a` and a `b` that is no integer.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function pow(
  a: Tensor<"float32">,
  b: Tensor<"float32"> | number,
  options: ResultOption<"float32"> = {},
): Tensor<"float32"> {
  return binary(a, b, powers, options.out) as Tensor<"float32">;
}

/**
 * The larger of `a` and `b`, element by element, as {@linkcode add}; NaN where one is.
 *
 * @param a float32, float64, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The larger of the two.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function maximum<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<D> | number,
  options: ResultOption<D> = {},
): Tensor<D> {
  return binary(a, b, largest, options.out) as Tensor<D>;
}

/**
 * The smaller of `a` and `b`, element by element, as {@linkcode add}; NaN where one is.
 *
 * @param a float32, float64, int32 or int64.
 * @param b The same dtype, or a number.
 * @param options `out` may be `a` or `b`.
 * @returns The smaller of the two.
 * @throws {RangeError} When the shapes do not fit each other.
 */
export function minimum<D extends Arithmetic>(
  a: Tensor<D>,
  b: Tensor<D> | number,
  options: ResultOption<D> = {},
): Tensor<D> {
  return binary(a, b, smallest, options.out) as Tensor<D>;
}
