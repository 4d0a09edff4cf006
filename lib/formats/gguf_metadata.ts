/**
 * The values of a GGUF file's metadata, read from untrusted bytes.
 *
 * Layout of a value: `uint32 type`, then the value. A string is `uint64 length` and that many
 * bytes; an array is `uint32 element type`, `uint64 count` and the elements. Arrays may hold
 * arrays.
 *
 * Invariants: a count is compared with the bytes that are left before anything is allocated for
 * it; depth and number of nested arrays are limited, since twelve bytes of file can claim one.
 *
 * @module
 */
import { type ByteReader, DAMAGED, quote } from "./byte_reader.ts";
import { type GgufArray, type GgufValue, VALUE_BYTES, VALUE_TYPES } from "./gguf_types.ts";
import { decodeStrictUtf8, decodeUtf8 } from "./utf8.ts";

/** The longest key or tensor name; the specification's limit for keys. */
const MAX_NAME_BYTES = 65535;
/** How deep arrays may hold arrays. Files in use have no nested arrays at all. */
const MAX_DEPTH = 4;
/** How many nested arrays one file may hold: each costs far more memory than its 12 bytes. */
const MAX_NESTED_ARRAYS = 65536;

/** A value with the name of its type, `[]` added for an array. */
export interface TypedValue {
  /** The value. */
  value: GgufValue;
  /** For example `uint32`, `string[]` or `array[]`. */
  type: string;
}

/** Reads keys, names and values with one reader. */
export class MetadataReader {
  readonly #reader: ByteReader;
  #nestedArrays = 0;

  /** @param reader The file, positioned at the first key. */
  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  /**
   * Reads a key or a tensor's name: not empty, valid UTF-8, of bounded length.
   *
   * @param what What it names, for messages.
   */
  name(what: () => string): string {
    const reader = this.#reader;
    const start = reader.position;
    const length = this.#stringLength(what);
    if (length === 0) throw reader.error(`${what()} is empty`, start);
    if (length > MAX_NAME_BYTES) {
      throw reader.error(`${what()} has ${length} bytes, more than ${MAX_NAME_BYTES}`, start);
    }
    const end = reader.position + length;
    const text = decodeStrictUtf8(reader.bytes, reader.position, end);
    if (text === undefined) throw reader.error(`${what()} is not valid UTF-8`, reader.position);
    reader.position = end;
    return text;
  }

  /**
   * Reads a type and a value of it.
   *
   * @param key The value's key, for messages.
   */
  value(key: string): TypedValue {
    const what = () => `the value of ${quote(key)}`;
    const type = this.#type(what);
    if (type !== "array") return { value: this.#scalar(type, what), type };
    const { array, elementType } = this.#array(what, 1);
    return { value: array, type: elementType + "[]" };
  }

  #type(what: () => string): string {
    const reader = this.#reader;
    const at = reader.position;
    const code = reader.uint32(() => `the type of ${what()}`);
    if (code < VALUE_TYPES.length) return VALUE_TYPES[code];
    throw reader.error(`${what()} has the unknown type ${code}`, at, DAMAGED);
  }

  /** Reads the length of a string and checks that so many bytes follow it. */
  #stringLength(what: () => string): number {
    const reader = this.#reader;
    const start = reader.position;
    const length = reader.uint64(() => `the length of ${what()}`);
    if (length > reader.remaining) {
      throw reader.error(
        `the file ends inside ${what()}: ${length} bytes claimed, ${reader.remaining} left`,
        start,
        "the file is damaged or incomplete: fetch or copy it again",
      );
    }
    return Number(length);
  }

  #string(what: () => string): string {
    const reader = this.#reader;
    const length = this.#stringLength(what);
    const start = reader.position;
    reader.position += length;
    return decodeUtf8(reader.bytes, start, start + length);
  }

  #scalar(type: string, what: () => string): GgufValue {
    if (type === "string") return this.#string(what);
    const reader = this.#reader;
    reader.need(VALUE_BYTES[type], what);
    const at = reader.position;
    reader.position += VALUE_BYTES[type];
    const view = reader.view;
    switch (type) {
      case "uint8":
        return view.getUint8(at);
      case "int8":
        return view.getInt8(at);
      case "uint16":
        return view.getUint16(at, true);
      case "int16":
        return view.getInt16(at, true);
      case "uint32":
        return view.getUint32(at, true);
      case "int32":
        return view.getInt32(at, true);
      case "float32":
        return view.getFloat32(at, true);
      case "float64":
        return view.getFloat64(at, true);
      case "bool":
        return this.#boolean(at, what);
      default:
        return exact(this.#bigint(type, at));
    }
  }

  #boolean(at: number, what: () => string): boolean {
    const byte = this.#reader.bytes[at];
    if (byte > 1) {
      throw this.#reader.error(`${what()} is a bool of value ${byte}, neither 0 nor 1`, at);
    }
    return byte === 1;
  }

  #bigint(type: string, at: number): bigint {
    const view = this.#reader.view;
    return type === "uint64" ? view.getBigUint64(at, true) : view.getBigInt64(at, true);
  }

  #array(what: () => string, depth: number): { array: GgufArray; elementType: string } {
    const reader = this.#reader;
    const elementType = this.#type(() => `an element of ${what()}`);
    const at = reader.position;
    const claimed = reader.uint64(() => `the length of ${what()}`);
    // The smallest string is its length, the smallest array its type and its length.
    const smallest = elementType === "string" ? 8 : elementType === "array" ? 12 : undefined;
    const elementBytes = smallest ?? VALUE_BYTES[elementType];
    if (claimed > Math.floor(reader.remaining / elementBytes)) {
      throw reader.error(
        `${what()} claims ${claimed} elements of type ${elementType}, ` +
          `but only ${reader.remaining} bytes are left`,
        at,
        "the file is damaged or incomplete: fetch or copy it again",
      );
    }
    const count = Number(claimed);
    if (elementType === "array") {
      return { array: this.#arrays(count, what, depth, at), elementType };
    }
    if (elementType === "string") return { array: this.#strings(count, what), elementType };
    return { array: this.#numbers(elementType, count, what), elementType };
  }

  #arrays(count: number, what: () => string, depth: number, at: number): GgufArray[] {
    this.#nestedArrays += count;
    if (depth >= MAX_DEPTH || this.#nestedArrays > MAX_NESTED_ARRAYS) {
      const limit = depth >= MAX_DEPTH ? `${MAX_DEPTH} deep` : `${MAX_NESTED_ARRAYS} in number`;
      throw this.#reader.error(`${what()} nests arrays beyond the limit of ${limit}`, at);
    }
    const arrays: GgufArray[] = [];
    for (let i = 0; i < count; i++) {
      arrays.push(this.#array(() => `element ${i} of ${what()}`, depth + 1).array);
    }
    return arrays;
  }

  #strings(count: number, what: () => string): string[] {
    const strings: string[] = [];
    let index = 0;
    const element = () => `element ${index} of ${what()}`;
    for (; index < count; index++) strings.push(this.#string(element));
    return strings;
  }

  /** Copies `count` numbers or bools, whose bytes are known to be there. */
  #numbers(type: string, count: number, what: () => string): GgufArray {
    const reader = this.#reader;
    const start = reader.position;
    const end = start + count * VALUE_BYTES[type];
    reader.position = end;
    if (type === "bool") {
      return Array.from(
        { length: count },
        (_, i) => this.#boolean(start + i, () => `element ${i} of ${what()}`),
      );
    }
    if (type === "uint64" || type === "int64") {
      const wide = Array.from({ length: count }, (_, i) => this.#bigint(type, start + 8 * i));
      return wide.every((value) => typeof exact(value) === "number") ? wide.map(Number) : wide;
    }
    // The bytes are copied first: in the file they need not be aligned. Every platform that Deno
    // runs on is little-endian, as the file is.
    const buffer = reader.bytes.slice(start, end).buffer;
    return new NUMBER_ARRAYS[type as keyof typeof NUMBER_ARRAYS](buffer);
  }
}

const NUMBER_ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** The number that equals `value`, or `value` itself where there is none for sure. */
function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
