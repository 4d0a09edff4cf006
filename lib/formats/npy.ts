/**
 * NumPy's npy format, versions 1 to 3: one array a file.
 *
 * Layout (numpy's `lib/format.py`):
 *
 * ```text
 * "\x93NUMPY"  uint8 major  uint8 minor  uint16 (version 1) or uint32 (2, 3) header length
 * header       a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 * data         from there on, to a multiple of 64 because the header is padded
 * ```
 *
 * The header is parsed by a grammar of exactly what such a dictionary may hold; nothing is
 * evaluated. What a file claims is compared with its size before anything is allocated.
 *
 * @module
 */
import { ByteReader, DAMAGED, INCOMPLETE, quote } from "./byte_reader.ts";
import { notThisFormat, startsWith } from "./magic.ts";

const MAGIC = "\x93NUMPY";
/** Longer headers belong to structured types, which are refused anyway. */
const MAX_HEADER_BYTES = 65536;
/** NumPy's own limit. */
const MAX_DIMENSIONS = 64;

/** Element types of an npy file that Quern names. */
export type NpyDType =
  | "float32"
  | "float64"
  | "float16"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "bool";

/** What {@linkcode readNpy} makes of each element type. */
export type NpyData =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>;

/** What an npy file's header says. */
export interface NpyHeader {
  /** The format's version, 1 to 3. */
  version: number;
  /** NumPy's name of the element type, for example `<f4`. */
  descr: string;
  /** The element type. */
  dtype: NpyDType;
  /** Whether the first axis is the one whose elements lie side by side. */
  fortranOrder: boolean;
  /** The array's shape; empty for a scalar. */
  shape: number[];
  /** Where the elements begin. */
  dataOffset: number;
  /** Size of the elements in bytes. */
  byteLength: number;
}

/** An array that was read. */
export interface NpyArray {
  /** The element type. */
  dtype: NpyDType;
  /** The array's shape; empty for a scalar. */
  shape: number[];
  /** A copy of the elements, row-major; one byte each for `bool`. */
  data: NpyData;
}

/** NumPy's type characters with the name here and the typed array that holds the elements. */
const DTYPES = {
  f2: ["float16", Float16Array],
  f4: ["float32", Float32Array],
  f8: ["float64", Float64Array],
  i1: ["int8", Int8Array],
  i2: ["int16", Int16Array],
  i4: ["int32", Int32Array],
  i8: ["int64", BigInt64Array],
  u1: ["uint8", Uint8Array],
  u2: ["uint16", Uint16Array],
  u4: ["uint32", Uint32Array],
  u8: ["uint64", BigUint64Array],
  b1: ["bool", Uint8Array],
} as const;

/**
 * Reads an npy file's header and checks that the elements it claims are there.
 *
 * @param bytes The whole file, or its beginning.
 * @param options `name`: the file's name, for messages; `fileBytes`: the size of the whole file
 *   where `bytes` is its beginning.
 * @throws {SyntaxError} Where the file is not a whole npy file of a known element type.
 */
export function parseNpyHeader(
  bytes: Uint8Array,
  options: { name?: string; fileBytes?: number } = {},
): NpyHeader {
  const reader = new ByteReader(bytes, options.name ?? "npy file");
  if (!startsWith(bytes, MAGIC)) throw notThisFormat(bytes, reader.name, "npy");
  reader.position = MAGIC.length;
  const { version, length } = readPrefix(reader);
  const fields = new HeaderParser(reader, length, version).parse();
  const dataOffset = reader.position;
  const { dtype, elementBytes } = parseDescr(reader, fields);
  const count = countElements(reader, fields);
  const byteLength = count * elementBytes;
  const available = (options.fileBytes ?? bytes.length) - dataOffset;
  if (byteLength <= available) {
    const { descr, fortranOrder, shape } = fields;
    return { version, descr, dtype, fortranOrder, shape, dataOffset, byteLength };
  }
  throw reader.error(
    `shape (${fields.shape}) of ${fields.descr} needs ${byteLength} bytes, but ` +
      `${available} are left`,
    dataOffset,
    INCOMPLETE,
  );
}

/**
 * Reads an array from an npy file. The elements are copied.
 *
 * @example
 * ```ts
 * import { readNpy, writeNpy } from "@quern/quern/formats";
 *
 * const { shape, data } = readNpy(writeNpy(new Int32Array([7, 8]), [2]));
 * console.log(shape, data); // [ 2 ] Int32Array(2) [ 7, 8 ]
 * ```
 *
 * @param bytes The whole file.
 * @param options `name`: the file's name, for messages.
 * @throws {SyntaxError} Where the file is not a whole npy file, or holds objects or structures, or
 *   is big-endian or in Fortran order.
 */
export function readNpy(bytes: Uint8Array, options: { name?: string } = {}): NpyArray {
  const header = parseNpyHeader(bytes, options);
  const { shape, dtype, dataOffset, byteLength } = header;
  if (header.fortranOrder && shape.filter((size) => size > 1).length > 1) {
    const reader = new ByteReader(bytes, options.name ?? "npy file");
    throw reader.error(
      `the array (${shape}) is in Fortran order`,
      MAGIC.length,
      "save numpy.ascontiguousarray(array) instead",
    );
  }
  // Not slice(): that of a Node.js buffer would share its memory.
  const { buffer } = new Uint8Array(bytes.subarray(dataOffset, dataOffset + byteLength));
  const [, Elements] = DTYPES[header.descr.slice(1) as keyof typeof DTYPES];
  return { dtype, shape, data: new Elements(buffer) };
}

/**
 * Writes an npy file, version 1.0: little-endian, row-major.
 *
 * @example
 * ```ts
 * import { writeNpy } from "@quern/quern/formats";
 *
 * const file = writeNpy(new Float32Array(6), [2, 3]); // numpy.load() gives a (2, 3) float32 array
 * ```
 *
 * @param data The elements, row-major.
 * @param shape The array's shape; empty for a scalar.
 * @throws {RangeError} Where the shape does not have as many elements as `data`.
 */
export function writeNpy(data: NpyData, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const sizes = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  const count = shape.reduce((product, size) => product * size, 1);
  if (!sizes || count !== data.length) {
    throw new RangeError(`writeNpy: data has ${data.length} elements, but the shape is [${shape}]`);
  }
  const prefix = MAGIC.length + 4;
  const dictionary = `{'descr': '${descrOf(data)}', 'fortran_order': False, ` +
    `'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const end = Math.ceil((prefix + dictionary.length + 1) / 64) * 64;
  const header = dictionary.padEnd(end - prefix - 1) + "\n";
  const file = new Uint8Array(end + data.byteLength);
  file.set(Uint8Array.from(MAGIC, (char) => char.charCodeAt(0)));
  file.set([1, 0, header.length & 0xff, header.length >> 8], MAGIC.length);
  file.set(new TextEncoder().encode(header), prefix);
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), end);
  return file;
}

function descrOf(data: NpyData): string {
  for (const [code, [, Elements]] of Object.entries(DTYPES)) {
    if (data instanceof Elements) return (data.BYTES_PER_ELEMENT === 1 ? "|" : "<") + code;
  }
  throw new TypeError("writeNpy: data is not a typed array");
}

/** Reads version and header length; the reader is then at the header, which is there. */
function readPrefix(reader: ByteReader): { version: number; length: number } {
  reader.need(2, () => "the version");
  const version = reader.bytes[reader.position];
  const minor = reader.bytes[reader.position + 1];
  if (version < 1 || version > 3 || minor !== 0) {
    throw reader.error(
      `npy version ${version}.${minor} is not known`,
      reader.position,
      "versions 1.0, 2.0 and 3.0 are: save the array again with numpy.save",
    );
  }
  reader.position += 2;
  const at = reader.position;
  reader.need(version === 1 ? 2 : 4, () => "the header's length");
  const length = version === 1 ? reader.view.getUint16(at, true) : reader.view.getUint32(at, true);
  reader.position = at + (version === 1 ? 2 : 4);
  if (length > MAX_HEADER_BYTES) {
    throw reader.error(`the header claims ${length} bytes, more than ${MAX_HEADER_BYTES}`, at);
  }
  reader.need(length, () => "the header");
  return { version, length };
}

interface HeaderFields {
  descr: string;
  fortranOrder: boolean;
  shape: number[];
  /** Where the values of `descr` and `shape` stand, for messages. */
  descrAt: number;
  shapeAt: number;
}

function parseDescr(
  reader: ByteReader,
  fields: HeaderFields,
): { dtype: NpyDType; elementBytes: number } {
  const { descr, descrAt } = fields;
  if (/^[|<>=]?O/.test(descr)) {
    throw reader.error(
      "the array holds Python objects, which only running a pickle would load",
      descrAt,
      "save it as an array of numbers: array.astype(numpy.float32)",
    );
  }
  const known = DTYPES[descr.slice(1) as keyof typeof DTYPES];
  if (!/^[|<>][a-z]\d$/.test(descr) || known === undefined) {
    throw reader.error(
      `the element type ${quote(descr)} is not supported`,
      descrAt,
      "save numbers or booleans: array.astype(numpy.float32)",
    );
  }
  const [dtype, Elements] = known;
  const elementBytes = Elements.BYTES_PER_ELEMENT;
  const order = descr[0];
  if (elementBytes > 1 && order !== "<") {
    throw reader.error(
      `the element type ${quote(descr)} is not little-endian`,
      descrAt,
      `save array.astype("<${descr.slice(1)}") instead`,
    );
  }
  return { dtype, elementBytes };
}

function countElements(reader: ByteReader, { shape, shapeAt }: HeaderFields): number {
  // A size of 0 is counted as 1 for the bound: the product of the others must make sense as well.
  const bound = shape.reduce((product, size) => product * Math.max(size, 1), 1);
  if (shape.length > MAX_DIMENSIONS || !Number.isSafeInteger(bound * 8)) {
    const shown = shape.length > 8 ? `${shape.slice(0, 8)}, …` : `${shape}`;
    throw reader.error(`the shape (${shown}) is beyond what an array can have`, shapeAt);
  }
  return shape.includes(0) ? 0 : bound;
}

/** Parses the header's dictionary; the reader stands after it when done. */
class HeaderParser {
  readonly #reader: ByteReader;
  readonly #start: number;
  readonly #text: string;
  #at = 0;

  constructor(reader: ByteReader, length: number, version: number) {
    this.#reader = reader;
    this.#start = reader.position;
    // Versions 1 and 2 are Latin-1, 3 is UTF-8; what is accepted below is ASCII in either.
    const label = version === 3 ? "utf-8" : "latin1";
    const header = reader.bytes.subarray(reader.position, reader.position + length);
    this.#text = new TextDecoder(label).decode(header);
    reader.position += length;
  }

  parse(): HeaderFields {
    const seen = new Map<string, { value: string | boolean | number[]; at: number }>();
    this.#expect("{");
    while (!this.#accept("}")) {
      const keyAt = this.#at;
      const key = this.#string();
      if (seen.has(key)) throw this.#error(`the header's key ${quote(key)} occurs twice`, keyAt);
      this.#expect(":");
      this.#skipSpace();
      const at = this.#start + this.#at;
      seen.set(key, { value: this.#value(), at });
      if (this.#accept("}")) break;
      this.#expect(",");
    }
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#error("the header goes on after its dictionary");
    return this.#fields(seen);
  }

  #fields(seen: Map<string, { value: string | boolean | number[]; at: number }>): HeaderFields {
    const descr = seen.get("descr");
    const order = seen.get("fortran_order");
    const shape = seen.get("shape");
    if (
      seen.size === 3 && typeof descr?.value === "string" && typeof order?.value === "boolean" &&
      Array.isArray(shape?.value)
    ) {
      return {
        descr: descr.value,
        fortranOrder: order.value,
        shape: shape.value,
        descrAt: descr.at,
        shapeAt: shape.at,
      };
    }
    throw this.#error("the header is not descr, fortran_order and shape and nothing else", 0);
  }

  #error(what: string, at = this.#at, advice = DAMAGED): SyntaxError {
    return this.#reader.error(what, this.#start + at, advice);
  }

  #skipSpace(): void {
    while (" \n\t".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }

  #accept(token: string): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #expect(token: string): void {
    if (this.#accept(token)) return;
    const found = this.#at < this.#text.length ? quote(this.#text[this.#at]) : "its end";
    throw this.#error(`the header has ${found} where ${token} should be`);
  }

  #value(): string | boolean | number[] {
    if (this.#accept("True")) return true;
    if (this.#accept("False")) return false;
    if (this.#accept("(")) return this.#shape();
    if (this.#accept("[")) {
      throw this.#error(
        "the array holds structures, not numbers",
        this.#at - 1,
        "save each field as an array of its own",
      );
    }
    return this.#string();
  }

  /** A quoted string without escapes: none of the allowed ones needs any. */
  #string(): string {
    this.#skipSpace();
    const delimiter = this.#text[this.#at];
    if (delimiter !== "'" && delimiter !== '"') this.#expect("a string");
    const end = this.#text.indexOf(delimiter, this.#at + 1);
    if (end < 0) throw this.#error("the header has a string without an end");
    const text = this.#text.slice(this.#at + 1, end);
    if (text.includes("\\")) throw this.#error("the header has an escape in a string");
    this.#at = end + 1;
    return text;
  }

  /** The rest of a tuple of whole numbers, after its opening parenthesis. */
  #shape(): number[] {
    const shape: number[] = [];
    while (!this.#accept(")")) {
      this.#skipSpace();
      // Python 2 wrote long integers with an L.
      const digits = /^\d{1,16}(?=L?[\s,)])/.exec(this.#text.slice(this.#at, this.#at + 18))?.[0];
      if (digits === undefined) throw this.#error("the shape has something that is not a size");
      this.#at += digits.length;
      this.#accept("L");
      shape.push(Number(digits));
      if (this.#accept(")")) break;
      this.#expect(",");
    }
    return shape;
  }
}
