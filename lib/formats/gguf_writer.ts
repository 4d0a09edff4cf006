/**
 * The GGUF writer: metadata and tensors in, the bytes of a version 3 file out, little-endian.
 *
 * The layout is the one that `gguf.ts` describes. Tensors are written in the order given, without
 * gaps but for the padding to the alignment, and the file is padded after the last one, as ggml
 * does it. What the writer produces, the reader accepts: everything is checked here, since a wrong
 * file is found only when someone loads it elsewhere.
 *
 * @module
 */
import { quote } from "./byte_reader.ts";
import { isAlignment } from "./gguf.ts";
import {
  ALIGNMENT_KEY,
  DEFAULT_ALIGNMENT,
  type GgufTensor,
  type GgufValue,
  MAX_DIMENSIONS,
  TENSOR_TYPES_BY_NAME,
  VALUE_BYTES,
  VALUE_TYPES,
} from "./gguf_types.ts";

/** A tensor to be written. */
export interface GgufEntry {
  /** The tensor's name, for example `blk.0.attn_q.weight`. */
  name: string;
  /** The type of its elements, for example `F32` or `Q4_1`. */
  type: string;
  /** Row-major. */
  shape: readonly number[];
}

/** A tensor to be written, with its elements. */
export interface GgufTensorData extends GgufEntry {
  /** The elements as the type stores them; exactly as many bytes as type and shape need. */
  data: Uint8Array;
}

/** What a file is made of. */
export interface GgufContent<T extends GgufEntry = GgufTensorData> {
  /** Keys and values, written in this order. */
  metadata: Iterable<readonly [string, GgufValue]>;
  /** Tensors, written in this order. */
  tensors: Iterable<T>;
  /**
   * The types of values, as {@linkcode parseGguf} reports them, for example `float32` or
   * `string[]`. A value without one gets the type that its content suggests: see
   * {@linkcode writeGguf}.
   */
  types?: ReadonlyMap<string, string>;
  /** Every tensor begins at a multiple of this; a power of two, at least 8. Default 32. */
  alignment?: number;
}

/** A file that is laid out: its header, and where each tensor's bytes belong. */
export interface GgufLayout {
  /** The file's first bytes, up to the first tensor. */
  header: Uint8Array<ArrayBuffer>;
  /** The tensors in the file's order. Behind each, zeros fill up to the next, or to the end. */
  tensors: GgufTensor[];
  /** The size of the whole file. */
  byteLength: number;
}

/**
 * Lays a GGUF file out, for a caller that writes the tensors' bytes itself.
 *
 * @example
 * ```ts
 * import { layoutGguf } from "@quern/quern/formats";
 *
 * const tensors = [{ name: "x", type: "Q8_0", shape: [2, 32] }];
 * const { header, tensors: [x], byteLength } = layoutGguf({ metadata: [], tensors });
 * console.log(header.length === x.offset, x.byteLength, byteLength - x.offset); // true 68 96
 * ```
 *
 * @param content As for {@linkcode writeGguf}, without the tensors' elements.
 * @throws {TypeError} As `writeGguf` does.
 * @throws {RangeError} As `writeGguf` does.
 */
export function layoutGguf(content: GgufContent<GgufEntry>): GgufLayout {
  const metadata = withAlignment(content);
  const entries = [...content.tensors];
  const alignment = Number(metadata.get(ALIGNMENT_KEY) ?? DEFAULT_ALIGNMENT);
  const out = new ByteWriter();
  out.bytes(new TextEncoder().encode("GGUF"));
  out.number("uint32", 3);
  out.number("uint64", entries.length);
  out.number("uint64", metadata.size);
  for (const [key, value] of metadata) writeEntry(out, key, value, content.types?.get(key));
  const { tensors, end } = writeTensorInfos(out, entries, alignment);
  out.align(alignment);
  const header = out.finish();
  for (const tensor of tensors) tensor.offset += header.length;
  return { header, tensors, byteLength: header.length + end };
}

/**
 * Writes a GGUF file, version 3.
 *
 * Values whose type is not given: a string is `string`, a boolean `bool`, an integer the first of
 * `uint32`, `int32`, `uint64` and `int64` that holds it, another number `float32` where that is
 * exact, else `float64`. Typed arrays keep their type. Arrays of plain values get the type that
 * holds all their elements. Numbers that happen to be whole but stand for a float (a RoPE base of
 * 10000) need their type in `types`: other programs refuse a value of the wrong type.
 *
 * @example
 * ```ts
 * import { parseGguf, writeGguf } from "@quern/quern/formats";
 *
 * const file = writeGguf({
 *   metadata: [["general.architecture", "llama"], ["llama.rope.freq_base", 10000]],
 *   types: new Map([["llama.rope.freq_base", "float32"]]),
 *   tensors: [],
 * });
 * console.log(parseGguf(file).types.get("llama.rope.freq_base")); // float32
 * ```
 *
 * @param content Metadata, tensors and how to write them.
 * @throws {TypeError} Where a value does not have the type given for it.
 * @throws {RangeError} Where a number, a name, a shape or the alignment is out of range.
 */
export function writeGguf(content: GgufContent): Uint8Array<ArrayBuffer> {
  const entries = [...content.tensors];
  const { header, tensors, byteLength } = layoutGguf({ ...content, tensors: entries });
  tensors.forEach(({ name, byteLength: needed, type, shape }, i) => {
    const { length } = entries[i].data;
    if (length === needed) return;
    throw new RangeError(
      `writeGguf: tensor ${quote(name)}: [${shape}] of ${type} needs ${needed} bytes, but data ` +
        `has ${length}`,
    );
  });
  const file = new Uint8Array(byteLength);
  file.set(header);
  tensors.forEach(({ offset }, i) => file.set(entries[i].data, offset));
  return file;
}

/** The metadata as a map, with the alignment where it is not the default. */
function withAlignment(content: GgufContent<GgufEntry>): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (const [key, value] of content.metadata) {
    if (metadata.has(key)) throw new RangeError(`writeGguf: the key ${quote(key)} occurs twice`);
    metadata.set(key, value);
  }
  const { alignment } = content;
  const present = metadata.has(ALIGNMENT_KEY);
  if (alignment !== undefined && (present || alignment !== DEFAULT_ALIGNMENT)) {
    metadata.set(ALIGNMENT_KEY, alignment);
  }
  const value = metadata.get(ALIGNMENT_KEY);
  if (value === undefined) return metadata;
  const type = content.types?.get(ALIGNMENT_KEY) ?? "uint32";
  if (typeof value === "number" && isAlignment(value) && type === "uint32") return metadata;
  throw new RangeError(
    `writeGguf: alignment must be a uint32 power of two of at least 8, not ${value} (${type})`,
  );
}

function writeEntry(out: ByteWriter, key: string, value: GgufValue, type?: string): void {
  const chosen = type ?? typeOf(value);
  out.name(key, "key");
  try {
    if (chosen.endsWith("[]")) {
      out.number("uint32", VALUE_TYPES.indexOf("array"));
      writeArray(out, chosen.slice(0, -2), value);
    } else {
      out.number("uint32", typeCode(chosen));
      writeScalar(out, chosen, value);
    }
  } catch (error) {
    if (error instanceof Error) error.message = `writeGguf: ${quote(key)}: ${error.message}`;
    throw error;
  }
}

function typeCode(type: string): number {
  const code = VALUE_TYPES.findIndex((known) => known === type);
  if (code >= 0) return code;
  throw new TypeError(`unknown value type ${quote(type)}; known are ${VALUE_TYPES.join(", ")}`);
}

function writeArray(out: ByteWriter, elementType: string, value: GgufValue): void {
  if (typeof value !== "object") throw new TypeError(`${value} is not an array`);
  out.number("uint32", typeCode(elementType));
  out.number("uint64", value.length);
  for (const element of value) {
    if (elementType === "array") writeArray(out, typeOf(element).slice(0, -2), element);
    else writeScalar(out, elementType, element);
  }
}

function writeScalar(out: ByteWriter, type: string, value: GgufValue): void {
  if (type === "string" && typeof value === "string") return out.string(value);
  if (type === "bool" && typeof value === "boolean") return out.number("uint8", value ? 1 : 0);
  const numeric = type in VALUE_BYTES && type !== "bool";
  if (numeric && (typeof value === "number" || typeof value === "bigint")) {
    return out.number(type, value);
  }
  const shown = typeof value === "string" ? quote(value) : String(value);
  throw new TypeError(`${shown} is not of type ${type}`);
}

/** The type of a value for which none is given. */
function typeOf(value: GgufValue): string {
  switch (typeof value) {
    case "string":
      return "string";
    case "boolean":
      return "bool";
    case "object":
      return arrayTypeOf(value) + "[]";
    default:
      return numberTypeOf([value]);
  }
}

function arrayTypeOf(array: GgufValue & object): string {
  if (ArrayBuffer.isView(array)) return array.constructor.name.replace("Array", "").toLowerCase();
  const first: GgufValue | undefined = array[0];
  if (first === undefined) return "int32";
  if (typeof first === "object") return "array";
  if (typeof first === "string" || typeof first === "boolean") return typeOf(first);
  return numberTypeOf(array as (number | bigint)[]);
}

/** The first type that holds all of the numbers exactly. */
function numberTypeOf(values: (number | bigint)[]): string {
  const whole = values.every((value) => typeof value === "bigint" || Number.isSafeInteger(value));
  if (!whole) {
    const short = values.every((value) =>
      typeof value === "number" && Object.is(Math.fround(value), value)
    );
    return short ? "float32" : "float64";
  }
  const candidates = ["uint32", "int32", "uint64"];
  return candidates.find((type) => values.every((value) => inRange(type, value))) ?? "int64";
}

/** Whether an integer type holds `value`. */
function inRange(type: string, value: number | bigint): boolean {
  const bits = BigInt(8 * VALUE_BYTES[type]);
  if (typeof value === "number" && !Number.isInteger(value)) return false;
  const integer = BigInt(value);
  if (type.startsWith("uint")) return integer >= 0n && integer < 1n << bits;
  return integer >= -(1n << bits - 1n) && integer < 1n << bits - 1n;
}

/** Tells of the tensors; their offsets are from the start of the data, `end` is that of all. */
function writeTensorInfos(
  out: ByteWriter,
  entries: readonly GgufEntry[],
  alignment: number,
): { tensors: GgufTensor[]; end: number } {
  const names = new Set<string>();
  let end = 0;
  const tensors = entries.map((entry) => {
    const { name, type, shape } = entry;
    if (names.has(name)) {
      throw new RangeError(`writeGguf: the tensor ${quote(name)} occurs twice`);
    }
    names.add(name);
    const { code, byteLength } = storageOf(entry);
    const offset = end;
    out.name(name, "tensor name");
    out.number("uint32", shape.length);
    for (const size of shape.toReversed()) out.number("uint64", size);
    out.number("uint32", code);
    out.number("uint64", offset);
    end += Math.ceil(byteLength / alignment) * alignment;
    return { name, type, shape: [...shape], offset, byteLength };
  });
  return { tensors, end };
}

/** The code of a tensor's type, and the bytes that it takes. */
function storageOf({ name, type, shape }: GgufEntry): { code: number; byteLength: number } {
  const of = `writeGguf: tensor ${quote(name)}`;
  const known = TENSOR_TYPES_BY_NAME.get(type);
  if (known === undefined) throw new TypeError(`${of} has the unknown type ${quote(type)}`);
  const { code, blockSize, blockBytes } = known;
  const valid = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!valid || shape.length > MAX_DIMENSIONS) {
    throw new RangeError(
      `${of}: [${shape}] is not a shape of at most ${MAX_DIMENSIONS} whole sizes`,
    );
  }
  if ((shape.at(-1) ?? 1) % blockSize !== 0) {
    throw new RangeError(
      `${of}: rows of [${shape}] are not whole blocks of ${blockSize} (${type})`,
    );
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  return { code, byteLength: elements / blockSize * blockBytes };
}

/** A buffer that grows as it is written to. */
class ByteWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Makes room for `count` more bytes and returns where they begin. */
  #reserve(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return start;
  }

  bytes(bytes: Uint8Array): void {
    const start = this.#reserve(bytes.length);
    this.#bytes.set(bytes, start);
  }

  string(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.number("uint64", encoded.length);
    this.bytes(encoded);
  }

  /** A string that is the name of something: not empty, and short enough for the format. */
  name(text: string, what: string): void {
    if (text === "" || new TextEncoder().encode(text).length > 65535) {
      throw new RangeError(`writeGguf: the ${what} ${quote(text)} has not 1 to 65535 bytes`);
    }
    this.string(text);
  }

  number(type: string, value: number | bigint): void {
    const floating = type.startsWith("float");
    if (!floating && !inRange(type, value)) {
      throw new RangeError(`${value} is out of range for ${type}`);
    }
    const at = this.#reserve(VALUE_BYTES[type]);
    const view = this.#view;
    if (type === "float32") view.setFloat32(at, Number(value), true);
    else if (type === "float64") view.setFloat64(at, Number(value), true);
    else if (VALUE_BYTES[type] === 1) view.setUint8(at, Number(value));
    else if (VALUE_BYTES[type] === 2) view.setUint16(at, Number(value), true);
    else if (VALUE_BYTES[type] === 4) view.setUint32(at, Number(value), true);
    else view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
  }

  /** Pads with zeros to a multiple of `alignment`. */
  align(alignment: number): void {
    const rest = this.#length % alignment;
    if (rest > 0) this.#reserve(alignment - rest);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }
}
