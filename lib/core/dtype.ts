/**
 * Element types: their names, their size in memory and the typed array that
 * shows them. A quantised dtype stores a block of elements in a fixed number of
 * bytes, exactly as a GGUF file does, so that mapped weights are used in place.
 */

/** An element type. */
export type DType =
  | "float32"
  | "float16"
  | "bfloat16"
  | "float64"
  | "int32"
  | "int64"
  | "uint8"
  | "bool"
  | "q8_0"
  | "q4_0"
  | "q4_1";

/** The typed array behind `tensor.data`, by dtype. Block dtypes and bfloat16 show raw storage. */
export interface DataOf {
  /** 32-bit floats. */
  float32: Float32Array<ArrayBuffer>;
  /** 16-bit floats. */
  float16: Float16Array<ArrayBuffer>;
  /** The upper halves of 32-bit floats. */
  bfloat16: Uint16Array<ArrayBuffer>;
  /** 64-bit floats. */
  float64: Float64Array<ArrayBuffer>;
  /** 32-bit signed integers. */
  int32: Int32Array<ArrayBuffer>;
  /** 64-bit signed integers. */
  int64: BigInt64Array<ArrayBuffer>;
  /** 8-bit unsigned integers. */
  uint8: Uint8Array<ArrayBuffer>;
  /** One byte each: 0 or 1. */
  bool: Uint8Array<ArrayBuffer>;
  /** Blocks of 34 bytes. */
  q8_0: Uint8Array<ArrayBuffer>;
  /** Blocks of 18 bytes. */
  q4_0: Uint8Array<ArrayBuffer>;
  /** Blocks of 20 bytes. */
  q4_1: Uint8Array<ArrayBuffer>;
}

/** The dtypes of single elements; the others are blocks of quantised ones. */
export type PlainDType = Exclude<DType, "q8_0" | "q4_0" | "q4_1">;

/** The dtypes that stand for real numbers; float16 and bfloat16 are computed with in float32. */
export type Floating = "float32" | "float64" | "float16" | "bfloat16";

/** One element, as JavaScript has it: a bigint for int64, 0 or 1 for bool. */
export type ElementOf<D extends DType> = D extends "int64" ? bigint : number;

/** How a dtype is stored. */
export interface DTypeLayout {
  /** Elements in one block; 1 for plain dtypes. */
  readonly blockElements: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
}

const known: Readonly<Record<DType, DTypeLayout>> = {
  float32: { blockElements: 1, blockBytes: 4 },
  float16: { blockElements: 1, blockBytes: 2 },
  bfloat16: { blockElements: 1, blockBytes: 2 },
  float64: { blockElements: 1, blockBytes: 8 },
  int32: { blockElements: 1, blockBytes: 4 },
  int64: { blockElements: 1, blockBytes: 8 },
  uint8: { blockElements: 1, blockBytes: 1 },
  bool: { blockElements: 1, blockBytes: 1 },
  q8_0: { blockElements: 32, blockBytes: 34 },
  q4_0: { blockElements: 32, blockBytes: 18 },
  q4_1: { blockElements: 32, blockBytes: 20 },
};

/** A map knows no name that every object has, and is read faster. */
const layouts: ReadonlyMap<string, DTypeLayout> = new Map(Object.entries(known));

/** The names of all dtypes. */
export const dtypes: readonly DType[] = Object.keys(known) as DType[];

/**
 * How elements of a dtype are stored.
 *
 * @param dtype The element type.
 * @returns Elements and bytes of a block.
 * @throws {TypeError} When there is no such dtype.
 */
export function dtypeLayout(dtype: DType): DTypeLayout {
  const layout = layouts.get(dtype);
  if (layout !== undefined) return layout;
  throw new TypeError(`There is no dtype ${JSON.stringify(dtype)}; use ${dtypes.join(", ")}`);
}

/**
 * The bytes that `size` elements of a dtype take.
 *
 * @param dtype The element type.
 * @param size The number of elements, a multiple of the dtype's block.
 * @returns The size in bytes.
 * @throws {RangeError} When the elements do not fill whole blocks.
 */
export function byteLengthOf(dtype: DType, size: number): number {
  const { blockElements, blockBytes } = dtypeLayout(dtype);
  if (size % blockElements !== 0) {
    throw new RangeError(
      `${size} elements of ${dtype} do not fill whole blocks of ${blockElements}`,
    );
  }
  return (size / blockElements) * blockBytes;
}

/**
 * A typed array of a dtype's storage over part of a buffer.
 *
 * @param dtype The element type.
 * @param buffer The buffer that holds the elements.
 * @param byteOffset Where they begin.
 * @param byteLength How many bytes they take.
 * @returns A view that shares the buffer's memory.
 */
export function dataView<D extends DType>(
  dtype: D,
  buffer: ArrayBuffer,
  byteOffset: number,
  byteLength: number,
): DataOf[D];
export function dataView(
  dtype: DType,
  buffer: ArrayBuffer,
  byteOffset: number,
  byteLength: number,
): DataOf[DType] {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case "float16":
      return new Float16Array(buffer, byteOffset, byteLength / 2);
    case "bfloat16":
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case "int32":
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case "float64":
      return new Float64Array(buffer, byteOffset, byteLength / 8);
    case "int64":
      return new BigInt64Array(buffer, byteOffset, byteLength / 8);
    default:
      return new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/**
 * Whether each element of a dtype is stored by itself.
 *
 * @param dtype The element type.
 * @returns False for the quantised ones.
 */
export function isPlain(dtype: DType): dtype is PlainDType {
  return dtypeLayout(dtype).blockElements === 1;
}

/**
 * Whether a dtype stands for real numbers.
 *
 * @param dtype The element type.
 * @returns False for integers, bool and the quantised ones.
 */
export function isFloating(dtype: DType): dtype is Floating {
  return dtype === "float32" || dtype === "float64" || isHalf(dtype);
}

/**
 * Whether a dtype is one of half the bytes of float32, which only store.
 *
 * @param dtype The element type.
 * @returns True for float16 and bfloat16.
 */
export function isHalf(dtype: DType): dtype is "float16" | "bfloat16" {
  return dtype === "float16" || dtype === "bfloat16";
}
