/**
 * How operations compute in another dtype than that of their operands. float16 and
 * bfloat16 only store: they are widened to float32 into memory of the pool, and the
 * result is rounded once. So every operation takes them, in one way; where they are hot,
 * kernels read them in place. Operands of two dtypes are widened in the same way.
 */
import { type Floating, isFloating, isHalf, type PlainDType } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { Tensor } from "../tensor/mod.ts";
import { cast } from "./cast.ts";
import { checkResult } from "./operands.ts";

/** What an operation's result is. */
export interface Result<D extends PlainDType> {
  /** The operation, named in an error. */
  readonly operation: string;
  /** The result's shape. */
  readonly shape: Shape;
  /** The result's dtype. */
  readonly dtype: D;
  /** What the caller passed; it may share any memory with the operands. */
  readonly out: Tensor<D> | undefined;
}

/**
 * Runs an operation on halves widened to float32. What it calls is passed without a closure,
 * as to {@linkcode withDense}.
 *
 * @param result What the result is; `out` is checked before anything is computed.
 * @param operands The operands, checked: floating-point ones, of halves or float32; others
 *   are passed on as they are, as are those left out.
 * @param run The operation. It is written for operands of their types, and gets float32 for
 *   halves.
 * @param rest Its arguments after the operands, without `out`.
 * @returns `out`, or a new tensor; the copies are back in the pool by then.
 */
export function withFloat32<
  D extends PlainDType,
  T extends (Tensor | undefined)[],
  A extends unknown[],
>(
  result: Result<D>,
  operands: readonly [...T],
  run: (...args: [...T, ...A]) => Tensor,
  ...rest: A
): Tensor<D> {
  return withDType("float32", result, operands, run, ...rest);
}

/**
 * The same with all floating-point operands in a dtype of the caller's choice.
 *
 * @param dtype What the operation computes in.
 * @param result As for {@linkcode withFloat32}.
 * @param operands As for {@linkcode withFloat32}, of any floating-point dtype.
 * @param run As for {@linkcode withFloat32}.
 * @param rest As for {@linkcode withFloat32}.
 * @returns `out`, or a new tensor.
 */
export function withDType<
  D extends PlainDType,
  T extends (Tensor | undefined)[],
  A extends unknown[],
>(
  dtype: "float32" | "float64",
  result: Result<D>,
  operands: readonly [...T],
  run: (...args: [...T, ...A]) => Tensor,
  ...rest: A
): Tensor<D> {
  const { out } = result;
  // Not written yet: the operands are read first, of which it may be one.
  if (out !== undefined) checkResult(result.operation, out, result.shape, result.dtype);
  const y = out ?? Tensor.empty<D>(result.shape, result.dtype);
  const held: Tensor[] = y === out ? [] : [y];
  try {
    const converted = operands.map((operand) => {
      if (operand === undefined || operand.dtype === dtype) return operand;
      if (!isFloating(operand.dtype)) return operand;
      const copy = cast(operand, dtype);
      held.push(copy);
      return copy;
    });
    using computed = run(...converted as T, ...rest);
    cast(computed, result.dtype, { out: y });
    if (y !== out) held.shift();
    return y;
  } finally {
    for (const tensor of held) tensor.dispose();
  }
}

/**
 * A gradient that is more than a copy or a product: computed in float32 where it is one of
 * halves, and rounded once.
 *
 * @param shape What it has.
 * @param tensors The gradient of the result, and what was saved.
 * @param run Computes it from them: a new tensor.
 * @returns The gradient in the dtype of the result's.
 */
export function wideGradient(
  shape: Shape,
  tensors: readonly Tensor[],
  run: (...tensors: Tensor<Floating>[]) => Tensor,
): Tensor {
  const operands = tensors as readonly Tensor<Floating>[];
  const { dtype } = operands[0];
  if (!isHalf(dtype)) return run(...operands);
  return withFloat32({ operation: "backward", shape, dtype, out: undefined }, operands, run);
}

/**
 * The dtype of what two numbers make, as NumPy has it.
 *
 * @param a The dtype of an operand.
 * @param b The dtype of another.
 * @returns Theirs, where it is the same; the wider of two floating-point ones, float32 for
 *   both halves together; undefined for any other pair.
 */
export function promotedDType<D extends PlainDType>(a: D, b: D): D | undefined;
export function promotedDType(a: PlainDType, b: PlainDType): PlainDType | undefined {
  if (a === b) return a;
  if (!isFloating(a) || !isFloating(b)) return undefined;
  return a === "float64" || b === "float64" ? "float64" : "float32";
}

/** The dtype of what two floating-point dtypes make. */
export type Promoted<A extends string, B extends string> = [A, B] extends [B, A] ? A
  : "float64" extends A | B ? "float64"
  : "float32";
