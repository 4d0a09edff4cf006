/**
 * Elementwise arithmetic on two tensors, or a tensor and a number.
 */
import type { DType } from "../core/dtype.ts";
import { BinaryOp } from "../ffi/symbols.ts";
import { Tensor } from "../tensor/mod.ts";
import {
  type Arithmetic,
  binary,
  type BinaryRule,
  type Floating,
  floats,
  numbers,
  type Operation,
  operation,
  type Promoted,
} from "./binary.ts";
import { cast } from "./cast.ts";
import { equal, greater, less } from "./comparison.ts";
import { log } from "./exponential.ts";
import type { ResultOption } from "./operands.ts";
import { where } from "./where.ts";

type Real = Tensor<Floating>;

/** The gradients of `a + b`. */
export const sumRule: BinaryRule = {
  first: { needs: "", of: ({ g }) => g },
  second: { needs: "", of: ({ g }) => g },
};

/** The gradients of `a - b`. */
export const differenceRule: BinaryRule = {
  first: { needs: "", of: ({ g }) => g },
  second: { needs: "", of: ({ g }) => of(products, g, -1) },
};

/** The gradients of `a · b`. */
export const productRule: BinaryRule = {
  first: { needs: "b", of: ({ g, b }) => of(products, g, b) },
  second: { needs: "a", of: ({ g, a }) => of(products, g, a) },
};

/** The gradients of `a / b`. */
export const quotientRule: BinaryRule = {
  first: { needs: "b", of: ({ g, b }) => of(quotients, g, b) },
  second: {
    needs: "by",
    of: ({ g, b, y }) => {
      using slope = of(quotients, y, b);
      using steep = of(products, g, slope);
      return of(products, steep, -1);
    },
  },
};

/** The gradients of `a ** b`; that of `b` is 0 where the power is, as in PyTorch. */
const powerRule: BinaryRule = {
  first: {
    needs: "ab",
    of: ({ g, a, b }) => {
      using exponent = typeof b === "number" ? undefined : of(differences, b, 1);
      using power = of(powers, a, exponent ?? b as number - 1);
      using slope = of(products, power, b);
      return of(products, g, slope);
    },
  },
  second: {
    needs: "ay",
    of: ({ g, a, y }) => {
      using isZero = equal(y, 0);
      using zero = Tensor.zeros([], y.dtype);
      using logarithm = log(a);
      using slope = of(products, y, logarithm);
      using finite = where(isZero, zero, slope);
      return of(products, g, finite);
    },
  },
};

/** The gradients of a choice; of two equal operands each gets half, as in PyTorch. */
function choiceRule(choice: typeof greater): BinaryRule {
  const share = (g: Real, own: Real | number, other: Real | number): Real => {
    // The second operand is a tensor where it wants a gradient.
    using chosen = choice(own as Real, other);
    using even = equal(own as Real, other);
    using weight = cast(chosen, g.dtype);
    using half = cast(even, g.dtype);
    using halved = of(products, half, 0.5);
    using part = of(additions, weight, halved);
    return of(products, g, part);
  };
  return {
    first: { needs: "ab", of: ({ g, a, b }) => share(g, a, b) },
    second: { needs: "ab", of: ({ g, a, b }) => share(g, b, a) },
  };
}

/** The gradients of `a + scalar · b`. */
export const scaledSumRule: BinaryRule = {
  first: { needs: "", of: ({ g }) => g },
  second: { needs: "", of: ({ g, scalar }) => of(products, g, scalar) },
};

const additions = operation("add", BinaryOp.ADD, numbers, sumRule);
const differences = operation("sub", BinaryOp.SUBTRACT, numbers, differenceRule);
const products = operation("mul", BinaryOp.MULTIPLY, numbers, productRule);
const quotients = operation("div", BinaryOp.DIVIDE, floats, quotientRule);
const powers = operation("pow", BinaryOp.POWER, floats, powerRule);
const largest = operation("maximum", BinaryOp.MAXIMUM, numbers, choiceRule(greater));
const smallest = operation("minimum", BinaryOp.MINIMUM, numbers, choiceRule(less));

function of(operation: Operation, a: Tensor, b: Tensor | number): Real {
  return binary(a, b, operation, undefined) as Real;
}

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
