/**
 * The triangles of matrices.
 */
import type { DType, PlainDType } from "../core/dtype.ts";
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { formatShape, sizeOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { checkInPlace, checkPlainOperand, refuse, resultTensor, withDense } from "./operands.ts";

/** Which part of a matrix is kept. */
export interface TriangleOptions<D extends DType> {
  /** The diagonal at which the triangle ends: 0, the main one, when left out; above it from 1 on. */
  diagonal?: number;
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<D>;
}

const gradients = { tril: triangleGradient("tril"), triu: triangleGradient("triu") };

/** With the diagonal. */
function triangleGradient(operation: "tril" | "triu") {
  return differentiable<number>({
    operation,
    saves: [],
    backward: (gradient, _, { extra: diagonal }) => [
      triangle(gradient as Tensor<PlainDType>, operation, { diagonal }),
    ],
  });
}

/**
 * The lower triangle of matrices, 0 above it.
 *
 * @param x `[…, rows, cols]`, any dtype but the quantised.
 * @param options The last diagonal that is kept; `out` may be `x`.
 * @returns The shape of `x`.
 * @throws {RangeError} When `x` is no matrix, or the diagonal no integer.
 *
 * @example
 * ```ts
 * import { Tensor, tril } from "@quern/quern";
 *
 * using x = Tensor.ones([2, 3]);
 * using y = tril(x);
 * console.log(y.toArray()); // [[1, 0, 0], [1, 1, 0]]
 * ```
 */
export function tril<D extends PlainDType>(
  x: Tensor<D>,
  options: TriangleOptions<D> = {},
): Tensor<D> {
  return triangle(x, "tril", options);
}

/**
 * The upper triangle of matrices, 0 below it.
 *
 * @param x `[…, rows, cols]`, any dtype but the quantised.
 * @param options The first diagonal that is kept; `out` may be `x`.
 * @returns The shape of `x`.
 * @throws {RangeError} When `x` is no matrix, or the diagonal no integer.
 */
export function triu<D extends PlainDType>(
  x: Tensor<D>,
  options: TriangleOptions<D> = {},
): Tensor<D> {
  return triangle(x, "triu", options);
}

function triangle<D extends PlainDType>(
  x: Tensor<D>,
  name: "tril" | "triu",
  options: TriangleOptions<D>,
): Tensor<D> {
  const itemBytes = checkPlainOperand(name, "x", x);
  const { diagonal = 0, out } = options;
  if (x.shape.length < 2) {
    throw new RangeError(`${name}: x ${formatShape(x.shape)} is not […, rows, cols]`);
  }
  if (!Number.isInteger(diagonal)) {
    throw new RangeError(`${name}: the diagonal is an integer, not ${diagonal}`);
  }
  if (!x.isContiguous) return withDense([x], triangle<D>, name, options);
  const tracked = isTracked(x);
  const y = resultTensor<DType>(name, out, x.shape, x.dtype) as Tensor<D>;
  checkInPlace(name, out, "x", x);
  const rank = x.shape.length;
  // A diagonal further out than the matrix has the same triangle as one just outside.
  const limit = 2 ** 31 - 1;
  const status = native().symbols.qn_triangle(
    y.address,
    x.address,
    sizeOf(x.shape, 0, rank - 2),
    x.shape[rank - 2],
    x.shape[rank - 1],
    Math.min(Math.max(diagonal, -limit), limit),
    name === "triu" ? 1 : 0,
    itemBytes,
  );
  if (status !== Status.OK) return refuse(name, status, y, out, { x });
  return tracked ? record(y, gradients[name], [x], { extra: diagonal }) : y;
}
