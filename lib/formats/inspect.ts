/**
 * What is in a model or array file, in one form for every format: `quern inspect` prints it.
 *
 * The description holds texts for people (`metadata`, values abbreviated to a line) and plain JSON
 * values for programs (`values`). Both are safe to print: texts from the file are escaped.
 *
 * @module
 */
import { quote } from "./byte_reader.ts";
import { parseGguf } from "./gguf.ts";
import type { GgufArray, GgufValue } from "./gguf_types.ts";
import { startsWith } from "./magic.ts";
import { parseNpyHeader } from "./npy.ts";
import { beginsAsZip, parseNpzHeaders } from "./npz.ts";
import { beginsAsSafetensors, parseSafetensors } from "./safetensors.ts";

/** Anything that `JSON.stringify` writes as it is. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | JsonValue[]
  | { [key: string]: JsonValue };

/** One tensor of a file. */
export interface TensorDescription {
  /** The tensor's name; empty for the one array of an npy file. */
  name: string;
  /** The type of its elements, as the format names it. */
  dtype: string;
  /** Row-major. */
  shape: number[];
  /** First byte, from the start of the file; in an npz file that of the array's own file. */
  offset: number;
  /** Size in bytes. */
  bytes: number;
}

/** Sums over a file. */
export interface FileTotals {
  /** Number of tensors. */
  tensors: number;
  /** Elements of all tensors. */
  parameters: number;
  /** Bytes of all tensors. */
  tensorBytes: number;
  /** Size of the file. */
  fileBytes: number;
  /** Bytes of tensors by element type, largest first. */
  bytesByDType: Record<string, number>;
}

/** What {@linkcode inspectFile} found. */
export interface FileDescription {
  /** The file's format. */
  format: "gguf" | "safetensors" | "npy" | "npz";
  /** The format's version, where it has one. */
  version: number | undefined;
  /** Key, type and a preview of the value that fits a line, in the file's order. */
  metadata: [key: string, type: string, preview: string][];
  /**
   * The same metadata as JSON. Arrays of more than 64 elements become `{type, length}`; integers
   * that a number does not hold, and floats that JSON does not have, become texts.
   */
  values: Record<string, JsonValue>;
  /** The tensors, in the file's order. */
  tensors: TensorDescription[];
  /** Sums over the file. */
  totals: FileTotals;
}

/** Arrays longer than this are not written out as JSON. */
const JSON_ELEMENTS = 64;
/** Elements of an array that a preview shows. */
const PREVIEW_ELEMENTS = 6;

/** What each format contributes; the rest is derived. */
type Content = Omit<FileDescription, "totals">;

/**
 * Describes a GGUF, safetensors, npy or npz file. Tensor data is not read.
 *
 * @example
 * ```ts
 * import { inspectFile, writeNpy } from "@quern/quern/formats";
 *
 * const { format, tensors, totals } = inspectFile(writeNpy(new Float32Array(6), [2, 3]), "a.npy");
 * console.log(format, tensors[0].shape, totals.parameters); // npy [ 2, 3 ] 6
 * ```
 *
 * @param bytes The whole file, usually mapped.
 * @param name The file's name, for messages.
 * @throws {SyntaxError} Where the file is of none of these formats, or damaged.
 */
export function inspectFile(bytes: Uint8Array, name: string): FileDescription {
  const content = describe(bytes, name);
  return { ...content, totals: totalsOf(content.tensors, bytes.length) };
}

function describe(bytes: Uint8Array, name: string): Content {
  if (startsWith(bytes, "\x93NUMPY")) return describeNpy(bytes, name);
  if (beginsAsZip(bytes)) return describeNpz(bytes, name);
  if (beginsAsSafetensors(bytes) && !startsWith(bytes, "GGUF")) {
    return describeSafetensors(bytes, name);
  }
  return describeGguf(bytes, name);
}

function describeGguf(bytes: Uint8Array, name: string): Content {
  const { version, metadata, types, tensors } = parseGguf(bytes, { name });
  const typeOf = (key: string) => types.get(key) ?? "";
  return {
    format: "gguf",
    version,
    metadata: Array.from(metadata, ([key, value]) => [
      key,
      typeOf(key),
      preview(value, typeOf(key)),
    ]),
    values: Object.fromEntries(
      Array.from(metadata, ([key, value]) => [key, toJson(value, typeOf(key))]),
    ),
    tensors: Array.from(tensors.values(), ({ name, type, shape, offset, byteLength }) => ({
      name,
      dtype: type,
      shape,
      offset,
      bytes: byteLength,
    })),
  };
}

function describeSafetensors(bytes: Uint8Array, name: string): Content {
  const { metadata, tensors } = parseSafetensors(bytes, { name });
  return {
    format: "safetensors",
    version: undefined,
    metadata: Array.from(metadata, ([key, value]) => [key, "string", preview(value)]),
    values: Object.fromEntries(metadata),
    tensors: Array.from(tensors.values(), ({ name, dtype, shape, offset, byteLength }) => ({
      name,
      dtype,
      shape,
      offset,
      bytes: byteLength,
    })),
  };
}

function describeNpy(bytes: Uint8Array, name: string): Content {
  const header = parseNpyHeader(bytes, { name });
  const { version, descr, dtype, fortranOrder, shape, dataOffset, byteLength } = header;
  return {
    format: "npy",
    version,
    metadata: [
      ["descr", "string", preview(descr)],
      ["fortran_order", "bool", preview(fortranOrder)],
    ],
    values: { descr, fortran_order: fortranOrder },
    tensors: [{ name: "", dtype, shape, offset: dataOffset, bytes: byteLength }],
  };
}

function describeNpz(bytes: Uint8Array, name: string): Content {
  const headers = parseNpzHeaders(bytes, { name });
  return {
    format: "npz",
    version: undefined,
    metadata: [],
    values: {},
    tensors: Array.from(headers, ([name, { dtype, shape, offset, byteLength }]) => ({
      name,
      dtype,
      shape,
      offset,
      bytes: byteLength,
    })),
  };
}

function totalsOf(tensors: TensorDescription[], fileBytes: number): FileTotals {
  const bytesByDType = new Map<string, number>();
  let [parameters, tensorBytes] = [0, 0];
  for (const { dtype, shape, bytes } of tensors) {
    parameters += shape.reduce((product, size) => product * size, 1);
    tensorBytes += bytes;
    bytesByDType.set(dtype, (bytesByDType.get(dtype) ?? 0) + bytes);
  }
  const largestFirst = [...bytesByDType].sort((a, b) => b[1] - a[1]);
  return {
    tensors: tensors.length,
    parameters,
    tensorBytes,
    fileBytes,
    bytesByDType: Object.fromEntries(largestFirst),
  };
}

/** A value in one short line. */
function preview(value: GgufValue, type = ""): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "number" && type === "float32") return shortestFloat32(value);
  if (typeof value !== "object") return String(value);
  const first: GgufValue[] = [...value.slice(0, PREVIEW_ELEMENTS)];
  const shown = first.map((element) => preview(element, type.replace(/\[\]$/, "")));
  if (value.length <= PREVIEW_ELEMENTS) return `[${shown.join(", ")}]`;
  return `[${shown.join(", ")}, … ${value.length} in all]`;
}

/** The shortest decimal that reads back as this single-precision number: 1e-5, not 9.99…e-6. */
function shortestFloat32(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(value);
}

function toJson(value: GgufValue, type: string): JsonValue {
  switch (typeof value) {
    case "bigint":
      return String(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "object":
      return arrayToJson(value, type);
    default:
      return value;
  }
}

function arrayToJson(array: GgufArray, type: string): JsonValue {
  if (array.length > JSON_ELEMENTS) return { type, length: array.length };
  const elements: GgufValue[] = [...array];
  return elements.map((element) => toJson(element, "array"));
}
