/**
 * What the functions of one element share: they differ in their name and in the
 * function alone, and are declared by family (exponential, trigonometric, power,
 * rounding, activation).
 */
import { type Floating, isHalf } from "../core/dtype.ts";
import { type Differentiable, differentiable, isTracked, record, RESULT } from "../autograd/mod.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status, type UnaryOp } from "../ffi/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { withFloat32 } from "./halves.ts";
import {
  areDense,
  checkFloating,
  checkInPlace,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

/**
 * Declares how a function of one element is differentiated.
 *
 * @param operation The name of the exported function.
 * @param value What the slope is computed from: the operand, `"x"`, or {@linkcode RESULT}.
 * @param of The gradient of the operand, of that of the result and the value.
 * @returns What {@linkcode unary} takes.
 */
export function unaryGradient(
  operation: string,
  value: "x" | typeof RESULT,
  of: (g: Tensor<Floating>, value: Tensor<Floating>) => Tensor<Floating>,
): Differentiable {
  return differentiable({
    operation,
    saves: [value],
    backward: (g, [value]) => [of(g as Tensor<Floating>, value as Tensor<Floating>)],
  });
}

/**
 * Applies a function to each element.
 *
 * @param x Any shape and floating-point dtype.
 * @param operation Named in an error.
 * @param op Which function.
 * @param options `out` may be `x`.
 * @param gradient How it is differentiated; left out where the result has no gradient.
 * @returns The values, in the same shape and dtype.
 * @throws {TypeError} When `x` is not of such a dtype, or `out` is of another.
 * @throws {RangeError} When `out` has another shape, or shares a part of `x`.
 */
export function unary<D extends Floating>(
  x: Tensor<D>,
  operation: string,
  op: UnaryOp,
  options: ResultOption<D>,
  gradient?: Differentiable,
): Tensor<D> {
  checkFloating(operation, "x", x);
  const { shape, dtype } = x;
  const { out } = options;
  if (isHalf(dtype)) {
    const result = { operation, shape, dtype, out };
    return withFloat32(result, [x], unary, operation, op, {}, gradient);
  }
  if (!areDense(x)) return withDense([x], unary<D>, operation, op, options, gradient);
  const tracked = gradient !== undefined && isTracked(x);
  const y = resultTensor<D>(operation, out, shape, dtype);
  checkInPlace(operation, out, "x", x);
  const status = native().symbols
    .qn_unary(y.address, x.address, rowsOf(shape), colsOf(shape), op, dtypeCodes[dtype]);
  if (status !== Status.OK) return refuse(operation, status, y, out, { x });
  return tracked ? recordUnary(y, gradient, x) : y;
}

/** Apart, since a closure that captures costs each call of the function around it. */
function recordUnary<T extends Tensor>(y: T, gradient: Differentiable, x: Tensor): T {
  const saved = gradient.saves.map((name) => name === RESULT ? y : x);
  return record(y, gradient, [x], { saved });
}

/** The functions whose slope is a kernel of its own. */
export type SlopeOp = typeof UnaryOp.SILU | typeof UnaryOp.GELU_ERF | typeof UnaryOp.GELU_TANH;

/**
 * A gradient times the slope of a function: what the functions' gradient is.
 *
 * @param g The gradient of the values, of any strides.
 * @param x What the function was applied to, dense, of float32 or float64.
 * @param operation Named in an error.
 * @param op Which function.
 * @param into `g` where it may be overwritten; it is disposed of where an error is thrown.
 * @returns That, or a new tensor in the shape and dtype of `x`.
 */
export function timesSlope(
  g: Tensor<Floating>,
  x: Tensor<Floating>,
  operation: string,
  op: SlopeOp,
  into?: Tensor<Floating>,
): Tensor<Floating> {
  const { shape, dtype } = x;
  using dense = g.contiguous();
  const y = into ?? Tensor.empty(shape, dtype);
  const status = native().symbols.qn_unary_gradient(
    y.address,
    dense.address,
    x.address,
    rowsOf(shape),
    colsOf(shape),
    op,
    dtypeCodes[dtype],
  );
  return status === Status.OK ? y : refuse(operation, status, y, undefined, { x });
}
