/**
 * What the operations on two elements share: shapes that broadcast as NumPy's do,
 * operands of any strides, a number in place of the second, and results in place.
 *
 * The native function takes a layout: for each axis its size and how far each operand
 * steps along it, 0 where it repeats an element. So no operand is ever copied, but
 * one that is not contiguous and shares memory with the result.
 */
import { type DType, type Floating, isHalf, isPlain, type PlainDType } from "../core/dtype.ts";
import { broadcastShapes, formatShape, sameShape, type Shape } from "../core/shape.ts";
import { native, Status, Words } from "../ffi/mod.ts";
import { BinaryOp } from "../ffi/symbols.ts";
import { checkWritable, overlaps, type Tensor } from "../tensor/mod.ts";
import { cast } from "./cast.ts";
import { type Promoted, promotedDType, withDType, withFloat32 } from "./halves.ts";
import {
  checkInPlace,
  checkOperand,
  dtypeCodes,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/** The dtypes that arithmetic takes. */
export type Arithmetic = Floating | "int32" | "int64";
/** The dtypes that comparisons take. */
export type Comparable = Arithmetic | "uint8" | "bool";

/** The dtypes that the second operand of a comparison may have besides that of the first. */
export type Partner<D extends DType> = D extends Floating ? Floating : D;

export type { Floating, Promoted };

/** An operation, as its errors and the native library know it. */
export interface Operation {
  /** The name of the exported function. */
  readonly name: string;
  /** The native code. */
  readonly code: BinaryOp;
  /** The dtypes that it takes. */
  readonly dtypes: readonly DType[];
  /** The dtype of the result; that of the operands when left out. */
  readonly result?: PlainDType;
}

/** The dtypes of arithmetic and of what real numbers alone have. */
export const floats: readonly Floating[] = ["float32", "float64", "float16", "bfloat16"];
/** The dtypes of arithmetic. */
export const numbers: readonly Arithmetic[] = [...floats, "int32", "int64"];

/** For each of 16 axes at most: its size, and the strides of up to three operands. */
const layout = new Words(4 * 16);

/**
 * Writes the layout of an elementwise call.
 *
 * @param shape The result's shape, that all operands broadcast to.
 * @param operands Tensors of any strides.
 * @returns The layout, used again by the next call.
 */
export function writeLayout(
  shape: Shape,
  operands: readonly Tensor[],
): BigUint64Array<ArrayBuffer> {
  const values = 1 + operands.length;
  for (let axis = 0; axis < shape.length; axis++) layout.set(axis * values, shape[axis]);
  for (let index = 0; index < operands.length; index++) {
    writeStrides(operands[index], shape, values, index + 1);
  }
  return layout.array;
}

/** The strides of an operand at the last axes of the result; 0 where it repeats an element. */
function writeStrides(operand: Tensor, result: Shape, values: number, at: number): void {
  const { shape } = operand;
  const strides = operand.isContiguous ? undefined : operand.strides;
  const lead = result.length - shape.length;
  let dense = 1;
  for (let axis = result.length - 1; axis >= 0; axis--) {
    const own = axis - lead;
    const extent = own < 0 ? 1 : shape[own];
    const stride = strides === undefined || own < 0 ? dense : strides[own];
    layout.set(axis * values + at, extent === 1 ? 0 : stride);
    dense *= extent;
  }
}

/**
 * Writes the layout of contiguous operands that all have the result's shape: one axis.
 *
 * @param size The number of elements.
 * @param operands How many.
 * @returns The layout, used again by the next call.
 */
export function writeDenseLayout(size: number, operands: number): BigUint64Array<ArrayBuffer> {
  layout.set(0, size);
  for (let index = 1; index <= operands; index++) layout.set(index, 1);
  return layout.array;
}

/**
 * The shape that two operands have together.
 *
 * @param operation Named in the error.
 * @param a An operand's shape.
 * @param b Another's.
 * @returns The broadcast shape.
 * @throws {RangeError} When they do not fit each other.
 */
export function broadcast(operation: string, a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a;
  const shape = broadcastShapes(a, b);
  if (shape !== undefined) return shape;
  throw new RangeError(
    `${operation}: ${formatShape(a)} and ${formatShape(b)} cannot be broadcast together; ` +
      `axes, matched from the last on, are equal or 1`,
  );
}

/**
 * Whether an operand must be copied, since the result overwrites it in another order.
 *
 * @param out What the caller passed.
 * @param operand The operand.
 * @returns True for operands that share memory with `out` and are not contiguous.
 */
export function mustCopy(out: Tensor | undefined, operand: Tensor): boolean {
  return out !== undefined && !operand.isContiguous && overlaps(out, operand);
}

function checkDType(operation: Operation, tensor: Tensor): void {
  if (operation.dtypes.includes(tensor.dtype)) return;
  const names = operation.dtypes.join(", ");
  throw new TypeError(
    `${operation.name}: the first operand is ${tensor.dtype}, expected ${names}; use cast() first`,
  );
}

/**
 * Applies an operation to two operands.
 *
 * @param a A tensor.
 * @param b Another of its dtype, or floating-point as it is, or a number.
 * @param operation Which.
 * @param out Where to write the result.
 * @param scalar What `b` is multiplied by, for `AddScaled` alone.
 * @returns `out`, or a new tensor.
 */
export function binary(
  a: Tensor,
  b: Tensor | number,
  operation: Operation,
  out: Tensor | undefined,
  scalar = 0,
): Tensor {
  const { name, code, result } = operation;
  checkOperand(name, "the first operand", a);
  checkDType(operation, a);
  if (typeof b === "number") return withNumber(a, b, operation, out);
  checkOperand(name, "the second operand", b);
  const shape = broadcast(name, a.shape, b.shape);
  if (a.dtype !== b.dtype || isHalf(a.dtype)) return converted(a, b, operation, shape, out, scalar);
  const y = resultTensor<DType>(name, out, shape, result ?? a.dtype);
  if (mustCopy(out, a) || mustCopy(out, b)) {
    return withDense([a, b], binary, operation, out, scalar);
  }
  checkInPlace(name, out, "the first operand", a);
  checkInPlace(name, out, "the second operand", b);
  const dense = a.isContiguous && b.isContiguous && sameShape(a.shape, shape) &&
    sameShape(b.shape, shape);
  const axes = dense ? writeDenseLayout(y.size, 2) : writeLayout(shape, [a, b]);
  const rank = dense ? 1 : shape.length;
  const status = native().symbols
    .qn_binary(y.address, a.address, b.address, axes, rank, scalar, code, dtypeCodes[a.dtype]);
  return status === Status.OK ? y : refuse(name, status, y, out, { a, b });
}

/** The operation on halves, or on operands of different dtypes. */
function converted(
  a: Tensor,
  b: Tensor,
  operation: Operation,
  shape: Shape,
  out: Tensor | undefined,
  scalar: number,
): Tensor {
  const { name } = operation;
  const dtype = isPlain(a.dtype) && isPlain(b.dtype) ? promotedDType(a.dtype, b.dtype) : undefined;
  if (dtype === undefined) {
    throw new TypeError(`${name}: the second operand is ${b.dtype}, expected ${a.dtype}`);
  }
  const result = {
    operation: name,
    shape,
    dtype: operation.result ?? dtype,
    out: out as Tensor<PlainDType> | undefined,
  };
  const computed = dtype === "float64" ? dtype : "float32";
  return withDType(computed, result, [a, b], binary, operation, undefined, scalar);
}

function withNumber(a: Tensor, b: number, operation: Operation, out: Tensor | undefined): Tensor {
  const { name, code, result } = operation;
  if (isHalf(a.dtype)) {
    const wanted = {
      operation: name,
      shape: a.shape,
      dtype: result ?? a.dtype,
      out: out as Tensor<PlainDType> | undefined,
    };
    return withFloat32(wanted, [a], withNumber, b, operation, undefined);
  }
  const y = resultTensor<DType>(name, out, a.shape, result ?? a.dtype);
  if (mustCopy(out, a)) {
    return withDense([a], withNumber, b, operation, out);
  }
  checkInPlace(name, out, "the first operand", a);
  const dense = a.isContiguous;
  const axes = dense ? writeDenseLayout(a.size, 2) : writeLayout(a.shape, [a, a]);
  const rank = dense ? 1 : a.shape.length;
  const status = native().symbols
    .qn_binary(y.address, a.address, 0n, axes, rank, b, code, dtypeCodes[a.dtype]);
  if (status === Status.OK) return y;
  return refuse(name, status, y, out, { a }, { "the second operand": b });
}

/**
 * Applies an operation to a tensor in place, also where it is not contiguous.
 *
 * @param x A tensor; changed. It keeps its dtype.
 * @param y Another of its dtype, or floating-point as it is, that broadcasts to its shape,
 *   or a number.
 * @param operation Which.
 * @param scalar What `y` is multiplied by, for `AddScaled` alone.
 * @returns `x`.
 * @throws {RangeError} When the result would not fit into `x`.
 */
export function binaryInPlace<T extends Tensor>(
  x: T,
  y: Tensor | number,
  operation: Operation,
  scalar = 0,
): T {
  const { name } = operation;
  checkOperand(name, "the first operand", x);
  checkWritable(name, "the first operand", x);
  if (typeof y !== "number") {
    checkOperand(name, "the second operand", y);
    const shape = broadcast(name, x.shape, y.shape);
    if (!sameShape(shape, x.shape)) {
      throw new RangeError(
        `${name}: the second operand is ${formatShape(y.shape)}, and the result ` +
          `${formatShape(shape)} does not fit into ${formatShape(x.shape)}`,
      );
    }
  }
  if (x.isContiguous && (typeof y === "number" || y.dtype === x.dtype)) {
    binary(x, y, operation, x, scalar);
    return x;
  }
  return throughResult(x, y, operation, scalar);
}

/** The operation in memory of its own, and a copy. Apart, since `using` costs a call's entry. */
function throughResult<T extends Tensor>(
  x: T,
  y: Tensor | number,
  operation: Operation,
  scalar: number,
): T {
  const { dtype } = x;
  using result = binary(x, y, operation, undefined, scalar);
  if (result.dtype === dtype || !isPlain(dtype)) {
    x.copyFrom(result);
  } else {
    using rounded = cast(result, dtype);
    x.copyFrom(rounded);
  }
  return x;
}
