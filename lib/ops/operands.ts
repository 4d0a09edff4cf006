/**
 * What operations check before they call a kernel, so that every operation
 * refuses the same mistakes in the same words.
 */
import type { DType } from "../core/dtype.ts";
import { DisposedError } from "../core/errors.ts";
import { formatShape, sameShape, type Shape } from "../core/shape.ts";
import { NativeDType, statusError } from "../ffi/mod.ts";
import { Tensor } from "../tensor/mod.ts";

/** The option that every operation with a tensor as its result takes. */
export interface OutOption {
  /** Where to write the result; a new tensor when left out. */
  out?: Tensor<"float32">;
}

/** The native code of each dtype. */
export const dtypeCodes: Readonly<Record<DType, number>> = {
  float32: NativeDType.F32,
  float16: NativeDType.F16,
  bfloat16: NativeDType.BF16,
  int32: NativeDType.I32,
  q8_0: NativeDType.Q8_0,
  q4_0: NativeDType.Q4_0,
  q4_1: NativeDType.Q4_1,
};

/**
 * Checks that an operand is alive and of a dtype, before anything is made.
 *
 * @param operation Named in the error.
 * @param name The operand's name, for the error.
 * @param tensor The operand.
 * @param dtype What it must be; any when left out.
 * @throws {TypeError} When it is something else.
 * @throws {DisposedError} When it was disposed of.
 */
export function checkOperand(
  operation: string,
  name: string,
  tensor: Tensor,
  dtype?: DType,
): void {
  if (tensor.disposed) {
    throw new DisposedError(
      `${operation}: ${name}, a tensor ${tensor.dtype} ${formatShape(tensor.shape)}, ` +
        `was disposed of before`,
    );
  }
  if (dtype !== undefined && tensor.dtype !== dtype) {
    throw new TypeError(`${operation}: ${name} is ${tensor.dtype}, expected ${dtype}`);
  }
}

/**
 * Checks the shape of an operand.
 *
 * @param operation Named in the error.
 * @param name The operand's name, for the error.
 * @param tensor The operand.
 * @param shape What it must be.
 * @throws {RangeError} When it is something else.
 */
export function checkShapeIs(operation: string, name: string, tensor: Tensor, shape: Shape): void {
  if (!sameShape(tensor.shape, shape)) {
    throw new RangeError(
      `${operation}: ${name} is ${formatShape(tensor.shape)}, expected ${formatShape(shape)}`,
    );
  }
}

/**
 * The tensor that a result goes to: the caller's, checked, or a new one.
 *
 * @param operation Named in an error.
 * @param out What the caller passed.
 * @param shape The result's shape.
 * @returns A float32 tensor of that shape.
 * @throws {RangeError} When the caller's tensor has another shape.
 * @throws {TypeError} When it has another dtype.
 */
export function resultTensor(
  operation: string,
  out: Tensor<"float32"> | undefined,
  shape: Shape,
): Tensor<"float32"> {
  if (out === undefined) return Tensor.empty(shape);
  checkOperand(operation, "out", out, "float32");
  checkShapeIs(operation, "out", out, shape);
  return out;
}

/**
 * Checks that a result does not begin where an operand does that is read while
 * the result is written; views of one tensor are told by their address.
 *
 * @param operation Named in the error.
 * @param result Where the result goes.
 * @param operands The operands by name.
 * @throws {RangeError} When they share memory.
 */
export function checkApart(
  operation: string,
  result: Tensor,
  operands: Record<string, Tensor>,
): void {
  for (const name in operands) {
    if (result.address === operands[name].address) {
      throw new RangeError(`${operation}: out must not be ${name}, nor a view of it`);
    }
  }
}

/**
 * Ends an operation whose native call failed: a result that the caller never
 * saw goes back to the pool, and the error names all operands.
 *
 * @param operation Named in the error.
 * @param status What the native call returned.
 * @param result Where the result was to go.
 * @param out What the caller passed as `out`.
 * @param operands The operands by name.
 * @param scalars The other arguments by name.
 * @throws {Error} Always, of the class that fits the status.
 */
export function refuse(
  operation: string,
  status: number,
  result: Tensor,
  out: Tensor | undefined,
  operands: Record<string, Tensor | undefined>,
  scalars: Record<string, number> = {},
): never {
  if (result !== out) result.dispose();
  const details: string[] = [];
  for (const [name, tensor] of Object.entries(operands)) {
    if (tensor) details.push(`${name} ${tensor.dtype} ${formatShape(tensor.shape)}`);
  }
  for (const [name, value] of Object.entries(scalars)) details.push(`${name} ${value}`);
  throw statusError(status, operation, details.join(", "));
}
