/**
 * What the reductions share: the axes that go, the result's shape and dtype, operands of
 * any strides, and the one native function behind them.
 */
import { type DType, type Floating, isFloating, type PlainDType } from "../core/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { type Differentiable, differentiable, isTracked, record, RESULT } from "../autograd/mod.ts";
import { native, Status, Words } from "../ffi/mod.ts";
import type { ReduceOp } from "../ffi/symbols.ts";
import { resolveIndex, type Tensor } from "../tensor/mod.ts";
import { wideGradient } from "./halves.ts";
import {
  checkApart,
  checkNotQuantised,
  checkOperand,
  dtypeCodes,
  refuse,
  resultTensor,
} from "./operands.ts";

/** The dtypes of whole numbers. */
export type WholeDType = "int32" | "int64" | "uint8" | "bool";
/** The dtype of a sum: int64 for whole numbers. */
export type SummedDType<D extends DType> = D extends WholeDType ? "int64" : D;
/** The dtype of a mean: float64 for whole numbers. */
export type RealDType<D extends DType> = D extends WholeDType ? "float64" : D;

/** What every reduction takes. */
export interface ReduceOptions<R extends DType> {
  /** The axis that goes, or several; negative ones count from the end. All when left out. */
  axis?: number | readonly number[];
  /** Whether an axis that goes stays as one of size 1. */
  keepDims?: boolean;
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<R>;
}

/** A reduction, as its errors and the native library know it. */
export interface Reduction {
  /** The name of the exported function. */
  readonly name: string;
  /** The native code. */
  readonly code: ReduceOp;
  /** The dtype of the result by that of the elements. */
  readonly result: (dtype: PlainDType) => PlainDType;
  /** The axis that goes where none is named; all when left out. */
  readonly axis?: number;
  /** Whether there is no result without elements. */
  readonly needsElements?: boolean;
  /** How it is differentiated; left out where it has no gradient. */
  readonly gradient?: Differentiable<ReducedCall>;
}

/** What a call notes for its gradient. */
export interface ReducedCall {
  /** The operand's shape. */
  readonly shape: Shape;
  /** The result's shape with an axis of size 1 for each that went. */
  readonly kept: Shape;
  /** Of the native operation. */
  readonly parameter: number;
}

/**
 * A tensor in the shape of a reduction's result, shown in that of its operand.
 *
 * @param result The result, or its gradient.
 * @param call The call.
 * @returns A view that repeats elements, to be disposed of.
 */
export function spread<T extends Tensor>(result: T, { shape, kept }: ReducedCall): T;
export function spread(result: Tensor, { shape, kept }: ReducedCall): Tensor {
  using rows = result.reshape(kept);
  return rows.broadcastTo(shape);
}

/**
 * The axes that went, of which one of size 1 may be left out, for a reduction whose result
 * is broadcast to the operand.
 *
 * @param call The call.
 * @returns The options of that reduction.
 */
export function sameAxes({ shape, kept }: ReducedCall): { axis: number[]; keepDims: true } {
  const axes = Array.from(shape, (_, axis) => axis);
  return { axis: axes.filter((axis) => shape[axis] !== kept[axis]), keepDims: true };
}

/**
 * Declares how a reduction is differentiated; halves are in float32 then.
 *
 * @param operation The name of the exported function.
 * @param saves What is needed: the operand, `"x"`, or {@linkcode RESULT}.
 * @param of The gradient of the operand, a new tensor: of that of the result, with an axis of
 *   size 1 for each that went, as what is saved of the result has.
 * @returns What a {@linkcode Reduction} holds.
 */
export function reductionGradient(
  operation: string,
  saves: readonly ("x" | typeof RESULT)[],
  of: (g: Tensor<Floating>, call: ReducedCall, ...saved: Tensor<Floating>[]) => Tensor,
): Differentiable<ReducedCall> {
  return differentiable<ReducedCall>({
    operation,
    saves,
    backward(gradient, saved, { extra }) {
      using g = gradient.reshape(extra.kept);
      const shown = saved.map((each, i) => saves[i] === RESULT ? each.reshape(extra.kept) : each);
      try {
        return [wideGradient(extra.shape, [g, ...shown], (g, ...all) => of(g, extra, ...all))];
      } finally {
        shown.forEach((each, i) => each === saved[i] || each.dispose());
      }
    },
  });
}

/** The dtype of sums and products. */
export const summed = (dtype: PlainDType): PlainDType => isFloating(dtype) ? dtype : "int64";
/** The dtype of means, norms and the like. */
export const real = (dtype: PlainDType): PlainDType => isFloating(dtype) ? dtype : "float64";
/** The dtype of extremes. */
export const same = (dtype: PlainDType): PlainDType => dtype;

/** For each of 16 axes: its size and its stride. */
const layout = new Words(2 * 16);

/**
 * Reduces a tensor.
 *
 * @param x The operand, of any strides.
 * @param reduction Which.
 * @param options The axes, and where to write the result.
 * @param parameter Of the native operation.
 * @returns `out`, or a new tensor.
 */
export function reduce(
  x: Tensor,
  reduction: Reduction,
  options: ReduceOptions<DType>,
  parameter = 0,
): Tensor {
  const { name, code } = reduction;
  checkOperand(name, "x", x);
  const { dtype } = x;
  checkNotQuantised(name, "x", dtype);
  const { axis = reduction.axis, keepDims = false, out } = options;
  const gone = axis === undefined ? 2 ** x.shape.length - 1 : goneAxes(name, x.shape, axis);
  const shape = keptAxes(x.shape, gone, keepDims);
  if (reduction.needsElements) checkElements(name, x.shape, gone);
  const tracked = isTracked(x);
  const y = resultTensor<DType>(name, out, shape, reduction.result(dtype));
  checkApart(name, out, "x", x);
  const reduced = writeAxes(x, gone);
  const kept = x.shape.length - reduced;
  const status = native().symbols.qn_reduce(
    y.address,
    x.address,
    layout.array,
    kept,
    reduced,
    parameter,
    code,
    dtypeCodes[dtype],
  );
  if (status !== Status.OK) return refuse(name, status, y, out, { x });
  return tracked ? recordReduction(y, reduction, x, gone, parameter) : y;
}

/** Records a call of a reduction that has a gradient. */
function recordReduction(
  y: Tensor,
  { gradient }: Reduction,
  x: Tensor,
  gone: number,
  parameter: number,
): Tensor {
  if (gradient === undefined) return y;
  const { shape } = x;
  const saved = gradient.saves.map((name) => name === RESULT ? y : x);
  const extra = { shape, kept: keptAxes(shape, gone, true), parameter };
  return record(y, gradient, [x], { saved, extra });
}

/**
 * A number with a bit for each axis that goes.
 *
 * @param name Named in an error.
 * @param shape The operand's.
 * @param axis One axis or several.
 * @returns Bit i stands for axis i.
 * @throws {RangeError} When there is no such axis, or one is named twice.
 */
function goneAxes(name: string, shape: Shape, axis: number | readonly number[]): number {
  if (typeof axis === "number") return 1 << resolveIndex(axis, shape.length, name, "axis");
  let gone = 0;
  for (let index = 0; index < axis.length; index++) {
    const one = axis[index];
    const bit = 1 << resolveIndex(one, shape.length, name, "axis");
    if ((gone & bit) !== 0) {
      throw new RangeError(`${name}: axis ${one} of ${formatShape(axis)} is named twice`);
    }
    gone |= bit;
  }
  return gone;
}

/** How many axes go. */
function countAxes(gone: number): number {
  let count = 0;
  for (let bits = gone; bits !== 0; bits &= bits - 1) count++;
  return count;
}

/** The shape of the result; made in its length, since an array that grows takes room for more. */
function keptAxes(shape: Shape, gone: number, keepDims: boolean): Shape {
  const kept = new Array<number>(keepDims ? shape.length : shape.length - countAxes(gone));
  let at = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    if ((gone >> axis & 1) === 0) kept[at++] = shape[axis];
    else if (keepDims) kept[at++] = 1;
  }
  return kept;
}

function checkElements(name: string, shape: Shape, gone: number): void {
  if (!shape.includes(0)) return;
  const isGone = (_: number, axis: number) => (gone >> axis & 1) === 1;
  if (sizeOf(shape.filter(isGone)) !== 0) return;
  if (sizeOf(shape.filter((_, axis) => !isGone(_, axis))) === 0) return;
  throw new RangeError(
    `${name}: x ${formatShape(shape)} has no elements to choose from: an axis that goes is empty`,
  );
}

/** Writes the axes that stay, then those that go; returns how many go. */
function writeAxes(x: Tensor, gone: number): number {
  const { shape } = x;
  const strides = x.isContiguous ? undefined : x.strides;
  const reduced = countAxes(gone);
  let stays = shape.length - reduced;
  let goes = shape.length;
  let dense = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const at = 2 * ((gone >> axis & 1) === 0 ? --stays : --goes);
    layout.set(at, shape[axis]);
    layout.set(at + 1, strides === undefined ? dense : strides[axis]);
    dense *= shape[axis];
  }
  return reduced;
}
