/**
 * What a GGUF file is made of: the types of its metadata and the table of its tensor types.
 *
 * References: the GGUF specification (`docs/gguf.md` of ggml) for the layout and the value types,
 * `ggml.h` and `ggml-common.h` for the tensor types and the sizes of their blocks.
 *
 * @module
 */

/** An array of a GGUF file's metadata. */
export type GgufArray =
  | string[]
  | number[]
  | boolean[]
  | bigint[]
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | GgufArray[];

/**
 * A value of a GGUF file's metadata. 64-bit integers are numbers where that is exact, else bigints.
 */
export type GgufValue = number | bigint | boolean | string | GgufArray;

/** The types that a metadata value can have; an array adds `[]` to its elements' type. */
export type GgufScalarType =
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "uint32"
  | "int32"
  | "float32"
  | "bool"
  | "string"
  | "uint64"
  | "int64"
  | "float64";

/** One tensor of a GGUF file: where it lies and how to read it. */
export interface GgufTensor {
  /** The tensor's name, for example `blk.0.attn_q.weight`. */
  name: string;
  /** The type of its elements, for example `F32` or `Q4_1`. */
  type: string;
  /** Row-major: the reverse of the file's order. */
  shape: number[];
  /** First byte, from the start of the file. */
  offset: number;
  /** Size in bytes. */
  byteLength: number;
}

/** A GGUF file's header. */
export interface Gguf {
  /** The format's version, 2 or 3. */
  version: number;
  /** Every tensor begins at a multiple of this many bytes. */
  alignment: number;
  /** Keys and values, in the file's order. */
  metadata: Map<string, GgufValue>;
  /** The file's type of each metadata value: `uint32`, `string[]`, `array[]` for nested arrays. */
  types: Map<string, string>;
  /** Tensors by name, in the file's order. */
  tensors: Map<string, GgufTensor>;
  /** Where the tensors' data begins. */
  dataOffset: number;
  /** The size of the whole file. */
  byteLength: number;
}

/** A tensor type: `blockSize` elements are stored together in `blockBytes` bytes. */
export interface GgufTensorType {
  /** ggml's name of the type. */
  name: string;
  /** The number that stands for it in a file. */
  code: number;
  /** Elements in a block. */
  blockSize: number;
  /** Bytes in a block. */
  blockBytes: number;
}

/** Codes of the metadata value types, by position. Position 9 is the array. */
export const VALUE_TYPES: readonly (GgufScalarType | "array")[] = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
];

/** Bytes of each value type that has a fixed size. */
export const VALUE_BYTES: Readonly<Record<string, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  uint64: 8,
  int64: 8,
  float64: 8,
};

/**
 * Every tensor type that a GGUF file may hold: name, code, elements and bytes of a block.
 * Codes 4 and 5 were withdrawn before GGUF existed. 31 – 33 and 36 – 38 are interleavings of
 * Q4_0 and IQ4_NL that ggml has withdrawn since; files made in 2024 still have them.
 */
const TABLE: readonly [string, number, number, number][] = [
  ["F32", 0, 1, 4],
  ["F16", 1, 1, 2],
  ["Q4_0", 2, 32, 18],
  ["Q4_1", 3, 32, 20],
  ["Q5_0", 6, 32, 22],
  ["Q5_1", 7, 32, 24],
  ["Q8_0", 8, 32, 34],
  ["Q8_1", 9, 32, 36],
  ["Q2_K", 10, 256, 84],
  ["Q3_K", 11, 256, 110],
  ["Q4_K", 12, 256, 144],
  ["Q5_K", 13, 256, 176],
  ["Q6_K", 14, 256, 210],
  ["Q8_K", 15, 256, 292],
  ["IQ2_XXS", 16, 256, 66],
  ["IQ2_XS", 17, 256, 74],
  ["IQ3_XXS", 18, 256, 98],
  ["IQ1_S", 19, 256, 50],
  ["IQ4_NL", 20, 32, 18],
  ["IQ3_S", 21, 256, 110],
  ["IQ2_S", 22, 256, 82],
  ["IQ4_XS", 23, 256, 136],
  ["I8", 24, 1, 1],
  ["I16", 25, 1, 2],
  ["I32", 26, 1, 4],
  ["I64", 27, 1, 8],
  ["F64", 28, 1, 8],
  ["IQ1_M", 29, 256, 56],
  ["BF16", 30, 1, 2],
  ["Q4_0_4_4", 31, 32, 18],
  ["Q4_0_4_8", 32, 32, 18],
  ["Q4_0_8_8", 33, 32, 18],
  ["TQ1_0", 34, 256, 54],
  ["TQ2_0", 35, 256, 66],
  ["IQ4_NL_4_4", 36, 32, 18],
  ["IQ4_NL_4_8", 37, 32, 18],
  ["IQ4_NL_8_8", 38, 32, 18],
  ["MXFP4", 39, 32, 17],
  ["NVFP4", 40, 64, 36],
  ["Q1_0", 41, 128, 18],
  ["Q2_0", 42, 64, 18],
];

const TYPES: readonly GgufTensorType[] = TABLE.map(([name, code, blockSize, blockBytes]) => ({
  name,
  code,
  blockSize,
  blockBytes,
}));

/** Tensor types by the number that stands for them in a file. */
export const TENSOR_TYPES_BY_CODE: ReadonlyMap<number, GgufTensorType> = new Map(
  TYPES.map((type) => [type.code, type]),
);

/** Tensor types by name. */
export const TENSOR_TYPES_BY_NAME: ReadonlyMap<string, GgufTensorType> = new Map(
  TYPES.map((type) => [type.name, type]),
);

/** The key whose value, a uint32, is the file's alignment. */
export const ALIGNMENT_KEY = "general.alignment";
/** The alignment of a file that does not say. */
export const DEFAULT_ALIGNMENT = 32;
/** The most dimensions that a tensor can have. */
export const MAX_DIMENSIONS = 4;
