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
import {
  type Differentiable,
  differentiable,
  isTracked,
  record,
  RESULT,
  wants,
} from "../autograd/mod.ts";
import { native, Status, Words } from "../ffi/mod.ts";
import { BinaryOp } from "../ffi/symbols.ts";
import { checkWritable, overlaps, sumTo, type Tensor } from "../tensor/mod.ts";
import { cast } from "./cast.ts";
import { type Promoted, promotedDType, withDType, withFloat32 } from "./halves.ts";
import {
  areDense,
  checkInPlace,
  checkOperand,
  checkResult,
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
  /** How it is differentiated; left out where it has no gradient. */
  readonly gradient?: BinaryGradient;
}

/** What the gradient of an operation may be made from. */
interface Known {
  /** The gradient of the result. */
  readonly g: Tensor<Floating>;
  /** The first operand, where it is needed. */
  readonly a: Tensor<Floating>;
  /** The second operand, where it is needed, or the number in its place. */
  readonly b: Tensor<Floating> | number;
  /** The result, where it is needed. */
  readonly y: Tensor<Floating>;
  /** What `b` is multiplied by, for `AddScaled` alone. */
  readonly scalar: number;
}

/** The gradient of one operand. */
interface Partial {
  /** What it needs besides `g`, such as `"ab"`. */
  readonly needs: string;
  /** Computes it, in the result's shape: a new tensor, or `g`. */
  readonly of: (known: Known) => Tensor<Floating>;
}

/** The gradients of an operation's two operands. */
export interface BinaryRule {
  /** That of the first. */
  readonly first: Partial;
  /** That of the second; never asked for where it is a number. */
  readonly second: Partial;
}

/** What a call notes for its gradient. */
interface BinaryCall {
  readonly aShape: Shape;
  readonly b: Shape | number;
  readonly scalar: number;
}

/** A rule, and how it is recorded. */
interface BinaryGradient {
  readonly rule: BinaryRule;
  readonly recorded: Differentiable<BinaryCall>;
}

/**
 * Declares an operation that is differentiated. Where an operand was broadcast, its gradient
 * is summed up.
 *
 * @param name The name of the exported function.
 * @param code The native code.
 * @param dtypes What it takes.
 * @param rule The gradients, in the result's shape.
 * @returns The operation.
 */
export function operation(
  name: string,
  code: BinaryOp,
  dtypes: readonly DType[],
  rule: BinaryRule,
): Operation {
  const recorded = differentiable<BinaryCall>({
    operation: name,
    saves: ["the first operand", "the second operand", RESULT],
    backward(gradient, saved, { wants, extra }) {
      const { aShape, b, scalar } = extra;
      const [g, first, second, y] = [gradient, ...saved] as Tensor<Floating>[];
      const known = { g, a: first, b: typeof b === "number" ? b : second, y, scalar };
      return [
        wants[0] ? summed(rule.first.of(known), aShape, gradient) : undefined,
        wants[1] && typeof b !== "number" ? summed(rule.second.of(known), b, gradient) : undefined,
      ];
    },
  });
  return { name, code, dtypes, gradient: { rule, recorded } };
}

/**
 * The gradient of an operand that may have been broadcast.
 *
 * @param own Its gradient in the result's shape; taken over, but for `gradient` itself.
 * @param shape The operand's shape.
 * @param gradient That of the result.
 * @returns The sum over what was repeated, or `own`.
 */
export function summed(own: Tensor, shape: Shape, gradient: Tensor): Tensor {
  const sum = sumTo(own, shape);
  if (sum !== own && own !== gradient) own.dispose();
  return sum;
}

/** Records a call. */
function recordBinary(
  y: Tensor,
  { name, gradient }: Operation,
  a: Tensor,
  b: Tensor | number,
  scalar: number,
): Tensor {
  if (gradient === undefined) throw new Error(`${name}: there is no gradient of it`);
  const { rule, recorded } = gradient;
  const other = typeof b === "number" ? undefined : b;
  // What was changed in place lost its history when that began.
  const first = a === y || wants(a) ? rule.first.needs : "";
  const needs = first + (wants(other) ? rule.second.needs : "");
  const saved = [
    needs.includes("a") ? a : undefined,
    needs.includes("b") ? other : undefined,
    needs.includes("y") ? y : undefined,
  ];
  const extra = { aShape: a.shape, b: typeof b === "number" ? b : b.shape, scalar };
  return record(y, recorded, [a, other], { saved, extra });
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
  if (out !== undefined && !areDense(a, b)) {
    checkResult<DType>(name, out, shape, result ?? a.dtype);
    if (mustCopy(out, a) || mustCopy(out, b)) {
      return withDense([a, b], binary, operation, out, scalar);
    }
  }
  const tracked = result === undefined && isTracked(a, b);
  const y = resultTensor<DType>(name, out, shape, result ?? a.dtype);
  checkInPlace(name, out, "the first operand", a);
  checkInPlace(name, out, "the second operand", b);
  const dense = a.isContiguous && b.isContiguous && sameShape(a.shape, shape) &&
    sameShape(b.shape, shape);
  const axes = dense ? writeDenseLayout(y.size, 2) : writeLayout(shape, [a, b]);
  const rank = dense ? 1 : shape.length;
  const status = native().symbols
    .qn_binary(y.address, a.address, b.address, axes, rank, scalar, code, dtypeCodes[a.dtype]);
  if (status !== Status.OK) return refuse(name, status, y, out, { a, b });
  return tracked ? recordBinary(y, operation, a, b, scalar) : y;
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
  if (out !== undefined && !a.isContiguous) {
    checkResult<DType>(name, out, a.shape, result ?? a.dtype);
    if (mustCopy(out, a)) return withDense([a], withNumber, b, operation, out);
  }
  const tracked = result === undefined && isTracked(a);
  const y = resultTensor<DType>(name, out, a.shape, result ?? a.dtype);
  checkInPlace(name, out, "the first operand", a);
  const dense = a.isContiguous;
  const axes = dense ? writeDenseLayout(a.size, 2) : writeLayout(a.shape, [a, a]);
  const rank = dense ? 1 : a.shape.length;
  const status = native().symbols
    .qn_binary(y.address, a.address, 0n, axes, rank, b, code, dtypeCodes[a.dtype]);
  if (status !== Status.OK) {
    return refuse(name, status, y, out, { a }, { "the second operand": b });
  }
  return tracked ? recordBinary(y, operation, a, b, 0) : y;
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
