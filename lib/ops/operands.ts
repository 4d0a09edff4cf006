/**
 * What operations check before they call a kernel, so that every operation
 * refuses the same mistakes in the same words, and takes operands of any strides.
 *
 * Kernels read and write dense memory. An operand that is not dense is copied
 * into memory of the pool, which goes back before the operation ends, also when
 * it throws. A result never is: `out` must be dense.
 */
import { type DType, dtypeLayout, isFloating, isPlain, type PlainDType } from "../core/dtype.ts";
import { formatShape, sameShape, type Shape } from "../core/shape.ts";
import { checkTraced } from "../autograd/mod.ts";
import { dtypeCodes, statusError } from "../ffi/mod.ts";
import { endedError, noteWrite, overlaps, Tensor, tracing } from "../tensor/mod.ts";

/** The option that every operation with a tensor as its result takes. */
export interface ResultOption<D extends DType> {
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<D>;
}

/** {@linkcode ResultOption} of a float32 result. */
export interface OutOption extends ResultOption<"float32"> {}

export { dtypeCodes };

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
  checkTensor(operation, name, tensor, dtype);
  if (tracing) checkTraced(operation, name, tensor);
}

function checkTensor(operation: string, name: string, tensor: Tensor, dtype?: DType): void {
  if (!(tensor instanceof Tensor)) {
    throw new TypeError(`${operation}: ${name} is ${kindOf(tensor)}, expected a tensor`);
  }
  if (tensor.disposed) throw endedError(tensor, operation, name);
  if (dtype !== undefined && tensor.dtype !== dtype) {
    throw new TypeError(`${operation}: ${name} is ${tensor.dtype}, expected ${dtype}`);
  }
}

/**
 * Checks that an operand is alive and of a dtype that stands for real numbers.
 *
 * @param operation Named in the error.
 * @param name The operand's name, for the error.
 * @param tensor The operand.
 * @throws {TypeError} When it is something else.
 * @throws {DisposedError} When it was disposed of.
 */
export function checkFloating(operation: string, name: string, tensor: Tensor): void {
  checkOperand(operation, name, tensor);
  if (isFloating(tensor.dtype)) return;
  throw new TypeError(
    `${operation}: ${name} is ${tensor.dtype}, expected float32, float64, float16 or bfloat16; ` +
      "use cast() first",
  );
}

/**
 * Checks that an operand is alive, and not quantised.
 *
 * @param operation Named in the error.
 * @param name The operand's name, for the error.
 * @param tensor The operand.
 * @param dtype What it must be; any but the quantised when left out.
 * @returns The bytes of an element.
 * @throws {TypeError} When it is something else.
 * @throws {DisposedError} When it was disposed of.
 */
export function checkPlainOperand(
  operation: string,
  name: string,
  tensor: Tensor,
  dtype?: DType,
): number {
  checkOperand(operation, name, tensor, dtype);
  checkNotQuantised(operation, name, tensor.dtype);
  return dtypeLayout(tensor.dtype).blockBytes;
}

/**
 * Checks that a dtype is not a quantised one.
 *
 * @param operation Named in the error.
 * @param name What has the dtype, for the error.
 * @param dtype The dtype.
 * @throws {TypeError} When it is quantised, or there is none such.
 */
export function checkNotQuantised(
  operation: string,
  name: string,
  dtype: DType,
): asserts dtype is PlainDType {
  if (isPlain(dtype)) return;
  throw new TypeError(
    `${operation}: ${name} is ${dtype}, which is quantised; use dequantize() first`,
  );
}

function kindOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return `of type ${value.constructor?.name ?? "object"}`;
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
 * Whether kernels can read operands where they are.
 *
 * @param a An operand; one that was left out is no obstacle.
 * @param b Another.
 * @param c Another.
 * @returns False when {@linkcode withDense} must copy one of them.
 */
export function areDense(a: Tensor | undefined, b?: Tensor, c?: Tensor): boolean {
  return (a === undefined || a.isContiguous) && (b === undefined || b.isContiguous) &&
    (c === undefined || c.isContiguous);
}

/**
 * Runs an operation on dense copies of the operands that are not dense. What it
 * calls is passed without a closure: one that captures arguments would cost every
 * call of the operation an allocation.
 *
 * @param operands The operands, checked; those left out are undefined.
 * @param run The operation.
 * @param rest Its arguments after the operands.
 * @returns What it returned; the copies are back in the pool by then.
 */
export function withDense<T extends (Tensor | undefined)[], A extends unknown[], R>(
  operands: readonly [...T],
  run: (...args: [...T, ...A]) => R,
  ...rest: A
): R {
  const copies: Tensor[] = [];
  try {
    const dense = operands.map((operand) => {
      if (operand === undefined || operand.isContiguous) return operand;
      const copy = operand.clone();
      copies.push(copy);
      return copy;
    });
    return run(...dense as T, ...rest);
  } finally {
    for (const copy of copies) copy.dispose();
  }
}

/**
 * The tensor that a result goes to: the caller's, checked, or a new one.
 *
 * @param operation Named in an error.
 * @param out What the caller passed.
 * @param shape The result's shape.
 * @param dtype The result's dtype; float32 when left out.
 * @param role What the errors call the result; `out` when left out.
 * @returns A dense tensor of that shape.
 * @throws {RangeError} When the caller's tensor has another shape.
 * @throws {TypeError} When it has another dtype, or is not dense.
 */
export function resultTensor<D extends DType = "float32">(
  operation: string,
  out: Tensor<D> | undefined,
  shape: Shape,
  dtype?: D,
  role = "out",
): Tensor<D> {
  if (out === undefined) return Tensor.empty<D>(shape, dtype);
  checkResult(operation, out, shape, dtype, role);
  noteWrite(out, operation);
  return out;
}

/**
 * Checks a tensor that a result is to go to.
 *
 * @param operation Named in an error.
 * @param out What the caller passed.
 * @param shape The result's shape.
 * @param dtype The result's dtype; float32 when left out.
 * @param role What the errors call the result; `out` when left out.
 * @throws {RangeError} When it has another shape.
 * @throws {TypeError} When it has another dtype, or is not dense.
 */
export function checkResult<D extends DType = "float32">(
  operation: string,
  out: Tensor<D>,
  shape: Shape,
  dtype?: D,
  role = "out",
): void {
  checkTensor(operation, role, out, dtype ?? "float32");
  checkShapeIs(operation, role, out, shape);
  if (!out.isContiguous) {
    throw new TypeError(
      `${operation}: ${role} is a view with strides ${
        formatShape(out.strides)
      }, whose elements do ` +
        `not lie side by side; write into a contiguous tensor, then use copyFrom()`,
    );
  }
}

/**
 * Checks that a result shares no memory with an operand that is read while the
 * result is written.
 *
 * @param operation Named in the error.
 * @param out What the caller passed; nothing to check when left out.
 * @param name The operand's name, for the error.
 * @param operand The operand.
 * @param role What the error calls the result; `out` when left out.
 * @throws {RangeError} When they share memory.
 */
export function checkApart(
  operation: string,
  out: Tensor | undefined,
  name: string,
  operand: Tensor | undefined,
  role = "out",
): void {
  if (out !== undefined && operand !== undefined && overlaps(out, operand)) {
    throw new RangeError(`${operation}: ${role} must not be ${name}, nor a view of its memory`);
  }
}

/**
 * Checks that a result shares either all of its memory with an operand of the
 * same shape and dtype, or none.
 *
 * @param operation Named in the error.
 * @param out What the caller passed; nothing to check when left out.
 * @param name The operand's name, for the error.
 * @param operand The operand.
 * @param role What the error calls the result; `out` when left out.
 * @throws {RangeError} When they share a part.
 */
export function checkInPlace(
  operation: string,
  out: Tensor | undefined,
  name: string,
  operand: Tensor,
  role = "out",
): void {
  if (out === undefined || out === operand || !overlaps(out, operand)) return;
  if (out.address !== operand.address || out.byteLength !== operand.byteLength) {
    throw new RangeError(`${operation}: ${role} may be ${name}, but must not share a part of it`);
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
