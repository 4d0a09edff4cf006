/**
 * The part of its memory that a tensor shows.
 */
import {
  byteLengthOf,
  type DataOf,
  dataView,
  type DType,
  dtypeLayout,
  dtypes,
  isPlain,
  type PlainDType,
} from "../core/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";
import type { Block, Storage } from "../memory/mod.ts";
import { isDense, spanOf } from "./layout.ts";

/** Which part of a tensor a slice shows. */
export interface SliceOptions {
  /** The axis that is cut; 0, the first, when left out; negative ones count from the end. */
  axis?: number;
}

/** What a tensor needs that is not at the start of its memory, not dense, or looked at. */
export class Part {
  /** Where the first element is in the memory. */
  readonly byteOffset: number;
  /** Its native address. */
  readonly address: bigint;
  /** One an axis, in elements; undefined when the tensor is dense. */
  readonly strides: readonly number[] | undefined;
  #data: DataOf[DType] | undefined;

  /**
   * A part that was checked to lie in its memory.
   *
   * @param memory The bytes.
   * @param byteOffset Where the first element is.
   * @param strides Undefined for a dense tensor.
   */
  constructor(
    memory: Block | Storage,
    byteOffset: number,
    strides: readonly number[] | undefined,
  ) {
    this.byteOffset = byteOffset;
    this.address = memory.address + BigInt(byteOffset);
    this.strides = strides;
  }

  /**
   * The elements as a typed array, made when it is first asked for.
   *
   * @param memory The bytes.
   * @param dtype The element type.
   * @param byteLength The bytes from the first element to the last.
   * @returns The same array each time.
   */
  show<D extends DType>(memory: Block | Storage, dtype: D, byteLength: number): DataOf[D] {
    const start = memory.bufferOffset + this.byteOffset;
    return (this.#data ??= dataView(dtype, memory.buffer, start, byteLength)) as DataOf[D];
  }

  /** Lets the array go. */
  forget(): void {
    this.#data = undefined;
  }
}

/**
 * Checks that a tensor fits into its memory.
 *
 * @param capacity The bytes of the memory.
 * @param byteOffset Where the tensor begins in them.
 * @param shape The sizes of the axes.
 * @param dtype The element type.
 * @param strides Row-major when left out.
 * @returns The strides, undefined when they are those of a dense tensor.
 * @throws {RangeError} When it does not fit.
 * @throws {TypeError} When a quantised tensor would not be dense.
 */
export function checkPlace(
  capacity: number,
  byteOffset: number,
  shape: Shape,
  dtype: DType,
  strides: readonly number[] | undefined,
): readonly number[] | undefined {
  const layout = strides === undefined || isDense(shape, strides) ? undefined : strides;
  if (layout !== undefined && dtypeLayout(dtype).blockElements !== 1) {
    throw new TypeError(
      `Tensor ${dtype} ${formatShape(shape)}: blocks of a quantised dtype cannot be transposed ` +
        `or cut; use dequantize() first`,
    );
  }
  const elements = layout === undefined ? sizeOf(shape) : spanOf(shape, layout);
  const byteLength = byteLengthOf(dtype, elements);
  if (!(byteOffset >= 0 && byteOffset + byteLength <= capacity)) {
    throw new RangeError(
      `Tensor ${dtype} ${formatShape(shape)} at byte ${byteOffset} does not fit into ` +
        `${capacity} bytes`,
    );
  }
  return layout;
}

const plainDTypes: readonly DType[] = dtypes.filter(isPlain);

/**
 * Checks that a dtype is one of single elements.
 *
 * @param dtype What a caller passed.
 * @param operation Named in the error.
 * @throws {TypeError} When its elements are stored in blocks, or there is none such.
 */
export function checkPlain(dtype: DType, operation: string): asserts dtype is PlainDType {
  if (plainDTypes.includes(dtype)) return;
  throw new TypeError(
    `${operation}: the dtype is ${plainDTypes.join(", ")}, not ${JSON.stringify(dtype)}`,
  );
}

/**
 * The error for elements that cannot be read as numbers.
 *
 * @param dtype The element type.
 * @param operation What would read them.
 * @returns The error, not thrown.
 */
export function notNumericError(dtype: DType, operation: string): TypeError {
  return new TypeError(
    `${operation}: ${dtype} elements are stored in another form; use dequantize() first`,
  );
}

/**
 * The error for a typed array over elements that do not lie side by side.
 *
 * @param tensor The tensor.
 * @returns The error, not thrown.
 */
export function noDataError(
  tensor: { readonly shape: Shape; readonly strides: readonly number[] },
): TypeError {
  return new TypeError(
    `Tensor.data: the elements of a view ${formatShape(tensor.shape)} with strides ` +
      `${formatShape(tensor.strides)} do not lie side by side; use contiguous() first`,
  );
}
