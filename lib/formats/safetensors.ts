/**
 * The header of a safetensors file: names, types, shapes and places of its tensors.
 *
 * Layout (the specification in the README of huggingface/safetensors):
 *
 * ```text
 * uint64 n     length of the header, at most 100,000,000
 * n bytes      JSON in UTF-8, beginning with "{", padded with spaces:
 *              {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …,
 *               "__metadata__": {"key": "text", …}}
 * data         offsets count from here; the tensors cover it without holes or overlaps
 * ```
 *
 * What is accepted is what the format's own library accepts, also where the specification is
 * stricter: white space before the header, members of a tensor that are not known, and equal names
 * of tensors, of which the last counts. Two accidents of that library are refused, which no writer
 * makes: a tensor described by an array, and a dtype written as `{"F32": null}`.
 *
 * @module
 */
import { ByteReader, DAMAGED, INCOMPLETE, quote } from "./byte_reader.ts";
import { isSpace, JsonReader } from "./json_reader.ts";
import { notThisFormat } from "./magic.ts";

/** The specification's limit, which keeps a hostile header from filling memory. */
export const MAX_HEADER_BYTES = 100_000_000;
/** The member that is not a tensor. */
export const METADATA_KEY = "__metadata__";
const HEADER = "the header";
/** The first number that 64 bits do not hold. */
const BEYOND = 2n ** 64n;

/** Bits of one element, by type, in the order of the format's own library: by alignment. */
export const DTYPE_BITS: ReadonlyMap<string, number> = new Map(Object.entries({
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
}));

/** One tensor of a safetensors file. */
export interface SafetensorsTensor {
  /** The tensor's name. */
  name: string;
  /** The type of its elements as the file has it, for example `F32` or `BF16`. */
  dtype: string;
  /** Row-major; empty for a scalar. Beside a size of 0, another may be beyond exact numbers. */
  shape: number[];
  /** First byte, from the start of the file. */
  offset: number;
  /** Size in bytes. */
  byteLength: number;
}

/** A safetensors file's header. */
export interface Safetensors {
  /** The texts under `__metadata__`. */
  metadata: Map<string, string>;
  /** Tensors by name, in the order of their data. */
  tensors: Map<string, SafetensorsTensor>;
  /** Where the tensors' data begins. */
  dataOffset: number;
  /** The size of the whole file. */
  byteLength: number;
}

/**
 * Reads the header of a safetensors file; tensor data is not read.
 *
 * @example
 * ```ts
 * import { parseSafetensors } from "@quern/quern/formats";
 *
 * const header = '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
 * const file = new Uint8Array(8 + header.length + 8);
 * new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
 * file.set(new TextEncoder().encode(header), 8);
 * console.log(parseSafetensors(file).tensors.get("x")?.shape); // [ 2 ]
 * ```
 *
 * @param bytes The whole file, usually mapped.
 * @param options `name`: the file's name, for messages.
 * @throws {SyntaxError} Where the file is not a whole, consistent safetensors file.
 */
export function parseSafetensors(
  bytes: Uint8Array,
  options: { name?: string } = {},
): Safetensors {
  const reader = new ByteReader(bytes, options.name ?? "safetensors file");
  const end = readHeaderEnd(reader);
  const { metadata, entries } = readHeader(reader, end);
  // Only now: an entry whose name occurs again is replaced, whatever it says.
  const tensors = Array.from(entries, ([name, entry]) => place(reader, name, entry, end));
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkCoverage(reader, tensors, entries, end);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return { metadata, tensors: byName, dataOffset: end, byteLength: bytes.length };
}

/**
 * Whether a file begins as a safetensors file does: with a length within the limit, and an object.
 *
 * @param bytes The file.
 */
export function beginsAsSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || headerLength(bytes) > MAX_HEADER_BYTES) return false;
  return bytes[8] === 0x7b || isSpace(bytes[8]);
}

/** The length that the first 8 bytes tell. */
function headerLength(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
}

/** Reads the header's length and returns where it ends, which is inside the file. */
function readHeaderEnd(reader: ByteReader): number {
  const { bytes } = reader;
  if (bytes.length < 8) throw notThisFormat(bytes, reader.name, "safetensors");
  const length = headerLength(bytes);
  const opens = bytes.length === 8 || bytes[8] === 0x7b || isSpace(bytes[8]);
  if (length > MAX_HEADER_BYTES && bytes[8] === 0x7b) {
    throw reader.error(`the header claims ${length} bytes, more than ${MAX_HEADER_BYTES}`, 0);
  }
  if (length === 0) throw reader.error("the header is empty", 0);
  if (length > MAX_HEADER_BYTES || !opens) throw notThisFormat(bytes, reader.name, "safetensors");
  reader.position = 8;
  reader.need(length, () => HEADER);
  return 8 + length;
}

/** A tensor as the header describes it, which may be nonsense; sizes have 64 bits. */
interface Entry {
  dtype: string;
  shape: bigint[];
  offsets: bigint[];
  /** Where its name stands, for messages. */
  at: number;
}

function readHeader(
  reader: ByteReader,
  end: number,
): { metadata: Map<string, string>; entries: Map<string, Entry> } {
  const json = new JsonReader(reader, 8, end, HEADER);
  const entries = new Map<string, Entry>();
  let metadata: Map<string, string> | undefined;
  if (json.kind() !== "object") throw reader.error("the header is not an object", json.position());
  json.object((name, at) => {
    if (name !== METADATA_KEY) {
      entries.set(name, readEntry(reader, json, name, at));
      return;
    }
    if (metadata !== undefined) throw reader.error(`${METADATA_KEY} occurs twice`, at);
    metadata = readMetadata(reader, json, at);
  });
  json.end();
  return { metadata: metadata ?? new Map(), entries };
}

function readMetadata(reader: ByteReader, json: JsonReader, at: number): Map<string, string> {
  const metadata = new Map<string, string>();
  if (json.kind() === "null") {
    json.null();
    return metadata;
  }
  if (json.kind() !== "object") throw reader.error(`${METADATA_KEY} is not an object`, at);
  json.object((key, keyAt) => {
    if (json.kind() === "string") metadata.set(key, json.string());
    else throw reader.error(`${METADATA_KEY} has ${quote(key)}, which is not a text`, keyAt);
  });
  return metadata;
}

/** Reads the description of one tensor: all that can be judged without the others. */
function readEntry(reader: ByteReader, json: JsonReader, name: string, at: number): Entry {
  const fail: Fail = (what) => reader.error(`tensor ${quote(name)} ${what}`, at);
  if (json.kind() !== "object") throw fail("is not described by an object");
  let dtype: string | undefined;
  const sizes: { shape?: bigint[]; data_offsets?: bigint[] } = {};
  json.object((key) => {
    if (key === "dtype") {
      if (dtype !== undefined) throw fail("has two members dtype");
      dtype = readDType(json, fail);
    } else if (key === "shape" || key === "data_offsets") {
      if (sizes[key] !== undefined) throw fail(`has two members ${key}`);
      sizes[key] = readSizes(json, key, fail);
    } else json.skip();
  });
  const { shape, data_offsets: offsets } = sizes;
  if (dtype === undefined) throw fail("has no dtype");
  if (shape === undefined) throw fail("has no shape");
  if (offsets === undefined) throw fail("has no data_offsets");
  if (offsets.length !== 2) throw fail("has data_offsets that are not a begin and an end");
  return { dtype, shape, offsets, at };
}

type Fail = (what: string) => SyntaxError;

function readDType(json: JsonReader, fail: Fail): string {
  if (json.kind() !== "string") throw fail("has a dtype that is not a text");
  const dtype = json.string();
  if (DTYPE_BITS.has(dtype)) return dtype;
  const known = [...DTYPE_BITS.keys()].join(", ");
  throw fail(`has the unknown dtype ${quote(dtype)}; the format has ${known}`);
}

function readSizes(json: JsonReader, key: string, fail: Fail): bigint[] {
  if (json.kind() !== "array") throw fail(`has a ${key} that is not an array`);
  const sizes: bigint[] = [];
  json.array(() => {
    const text = json.kind() === "number" ? json.number() : "";
    // "2.0" and "-0" are equal to integers, but are none.
    const size = /^\d{1,20}$/.test(text) ? BigInt(text) : BEYOND;
    if (size >= BEYOND) throw fail(`has a ${key} that is not all whole sizes`);
    sizes.push(size);
  });
  return sizes;
}

/** Finds a tensor's place in the file, which must hold as many bytes as its shape needs. */
function place(
  reader: ByteReader,
  name: string,
  { dtype, shape, offsets: [begin, end], at }: Entry,
  dataOffset: number,
): SafetensorsTensor {
  const fail = (what: string, advice?: string) =>
    reader.error(`tensor ${quote(name)} ${what}`, at, advice);
  if (begin > end) throw fail("has data_offsets that end before they begin");
  const bits = bitsOf(dtype, shape);
  const shown = shape.length > 8 ? `${shape.slice(0, 8)},…` : `${shape}`;
  if (bits === undefined) throw fail(`has too many elements: [${shown}]`);
  if (bits !== 8n * (end - begin)) {
    const [needed, given] = [Number(bits) / 8, end - begin];
    throw fail(`is [${shown}] of ${dtype}, ${needed} bytes, but data_offsets give ${given}`);
  }
  const available = reader.bytes.length - dataOffset;
  if (end > available) {
    throw fail(`ends at ${end} of the data, but the file has ${available} bytes of it`, INCOMPLETE);
  }
  const offset = dataOffset + Number(begin);
  return { name, dtype, shape: shape.map(Number), offset, byteLength: Number(end - begin) };
}

/** The bits of a tensor, worked out in 64 bits as every reader does; undefined beyond them. */
function bitsOf(dtype: string, shape: readonly bigint[]): bigint | undefined {
  let product = 1n;
  for (const size of [...shape, BigInt(DTYPE_BITS.get(dtype) ?? 0)]) {
    product *= size;
    if (product >= BEYOND) return undefined;
  }
  return product;
}

/** Checks that the tensors, sorted by offset, cover the data exactly once. */
function checkCoverage(
  reader: ByteReader,
  tensors: readonly SafetensorsTensor[],
  entries: ReadonlyMap<string, Entry>,
  dataOffset: number,
): void {
  let covered = dataOffset;
  for (const { name, offset, byteLength } of tensors) {
    if (offset !== covered) {
      const how = offset < covered ? "overlaps the one before it" : "leaves a hole before it";
      throw reader.error(
        `tensor ${quote(name)} begins at ${offset - dataOffset} of the data and ${how}, ` +
          `which ends at ${covered - dataOffset}`,
        entries.get(name)?.at ?? 8,
      );
    }
    covered += byteLength;
  }
  if (covered === reader.bytes.length) return;
  throw reader.error(
    `${reader.bytes.length - covered} bytes after the last tensor belong to none`,
    covered,
    DAMAGED,
  );
}
