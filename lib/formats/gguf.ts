/**
 * The GGUF reader: a file's bytes in, descriptors out. Versions 2 and 3, little-endian.
 *
 * Layout of a file:
 *
 * ```text
 * "GGUF"  uint32 version  uint64 tensors  uint64 metadata entries
 * entry*          string key, uint32 type, value
 * tensor info*    string name, uint32 n, n × uint64 size (fastest first), uint32 type, uint64 offset
 * padding to the alignment
 * tensor data     each tensor at its offset from here, aligned
 * ```
 *
 * The bytes may be a mapped file of many gigabytes that comes from anywhere. The reader touches
 * the header only, takes time and memory proportional to the header, and answers everything that
 * is not a whole, consistent file with a `SyntaxError` that names the file, the offset and what to
 * do. A descriptor that it returns lies inside the file and overlaps no other.
 *
 * @module
 */
import { ByteReader, INCOMPLETE, quote } from "./byte_reader.ts";
import { MetadataReader } from "./gguf_metadata.ts";
import {
  ALIGNMENT_KEY,
  DEFAULT_ALIGNMENT,
  type Gguf,
  type GgufTensor,
  type GgufTensorType,
  type GgufValue,
  MAX_DIMENSIONS,
  TENSOR_TYPES_BY_CODE,
} from "./gguf_types.ts";
import { notThisFormat } from "./magic.ts";

/** Bytes of the smallest metadata entry: a key of one byte and a value of one. */
const SMALLEST_ENTRY = 8 + 1 + 4 + 1;
/** Bytes of the smallest tensor info: a name of one byte and no dimensions. */
const SMALLEST_INFO = 8 + 1 + 4 + 4 + 8;

/** A tensor whose place is not settled until the alignment and the end of the header are known. */
interface TensorInfo {
  name: string;
  type: GgufTensorType;
  shape: number[];
  byteLength: number;
  /** Offset from the start of the data, as the file claims it. */
  relative: number | bigint;
  /** Where in the file that claim stands. */
  relativeAt: number;
}

/**
 * Reads the header of a GGUF file. The bytes are borrowed and not kept; tensor data is not read.
 *
 * Keys and tensor names must be valid UTF-8; in values, what is not valid becomes U+FFFD, since
 * vocabularies hold tokens that are pieces of characters.
 *
 * @example
 * ```ts
 * import { parseGguf, writeGguf } from "@quern/quern/formats";
 *
 * const file = writeGguf({
 *   metadata: new Map([["general.architecture", "llama"]]),
 *   tensors: [{ name: "x", type: "F32", shape: [2, 3], data: new Uint8Array(24) }],
 * });
 * const { metadata, tensors } = parseGguf(file, { name: "small.gguf" });
 * console.log(metadata.get("general.architecture"), tensors.get("x")?.shape); // llama [ 2, 3 ]
 * ```
 *
 * @param bytes The whole file, usually mapped.
 * @param options `name`: the file's name, for messages.
 * @throws {SyntaxError} Where the file is not a whole, consistent GGUF file.
 */
export function parseGguf(bytes: Uint8Array, options: { name?: string } = {}): Gguf {
  const reader = new ByteReader(bytes, options.name ?? "GGUF file");
  const version = readVersion(reader);
  const tensorCount = readCount(reader, "tensors");
  const entryCount = readCount(reader, "metadata entries");
  checkCount(reader, entryCount, SMALLEST_ENTRY, "metadata entries", 16);
  checkCount(reader, tensorCount, SMALLEST_INFO, "tensors", 8);
  const { metadata, types, alignmentAt } = readMetadata(reader, Number(entryCount));
  const alignment = readAlignment(reader, metadata, types, alignmentAt);
  const infos = readTensorInfos(reader, Number(tensorCount));
  const dataOffset = Math.ceil(reader.position / alignment) * alignment;
  const tensors = placeTensors(reader, infos, dataOffset, alignment);
  return { version, alignment, metadata, types, tensors, dataOffset, byteLength: bytes.length };
}

function readVersion(reader: ByteReader): number {
  if (reader.remaining < 4 || reader.view.getUint32(0, true) !== 0x46554747) {
    throw notThisFormat(reader.bytes, reader.name, "GGUF");
  }
  reader.position = 4;
  const version = reader.uint32(() => "the version");
  if (version === 2 || version === 3) return version;
  if ((version & 0xffff) === 0 && version !== 0) {
    throw reader.error(
      "the file is big-endian",
      4,
      "only little-endian GGUF can be read: convert it with gguf-convert-endian",
    );
  }
  throw reader.error(
    `GGUF version ${version} is not supported`,
    4,
    "versions 2 and 3 are: convert the model again with a current llama.cpp",
  );
}

function readCount(reader: ByteReader, of: string): number | bigint {
  return reader.uint64(() => `the number of ${of}`);
}

function checkCount(
  reader: ByteReader,
  count: number | bigint,
  smallest: number,
  of: string,
  at: number,
): void {
  if (count <= Math.floor(reader.remaining / smallest)) return;
  throw reader.error(
    `the header claims ${count} ${of}, but only ${reader.remaining} bytes are left`,
    at,
    "the file is damaged or incomplete: fetch or copy it again",
  );
}

function readMetadata(
  reader: ByteReader,
  count: number,
): { metadata: Map<string, GgufValue>; types: Map<string, string>; alignmentAt: number } {
  const metadata = new Map<string, GgufValue>();
  const types = new Map<string, string>();
  const values = new MetadataReader(reader);
  let alignmentAt = 0;
  for (let i = 0; i < count; i++) {
    const at = reader.position;
    const key = values.name(() => `the key of metadata entry ${i}`);
    if (metadata.has(key)) throw reader.error(`the key ${quote(key)} occurs twice`, at);
    if (key === ALIGNMENT_KEY) alignmentAt = reader.position;
    const { value, type } = values.value(key);
    metadata.set(key, value);
    types.set(key, type);
  }
  return { metadata, types, alignmentAt };
}

function readAlignment(
  reader: ByteReader,
  metadata: Map<string, GgufValue>,
  types: Map<string, string>,
  at: number,
): number {
  const value = metadata.get(ALIGNMENT_KEY);
  if (value === undefined) return DEFAULT_ALIGNMENT;
  const type = types.get(ALIGNMENT_KEY);
  if (type === "uint32" && typeof value === "number" && isAlignment(value)) return value;
  const shown = typeof value === "object" ? "an array" : String(value).slice(0, 24);
  throw reader.error(
    `${ALIGNMENT_KEY} is ${shown} of type ${type}, not a uint32 power of two of at least 8`,
    at,
  );
}

/**
 * Whether the format allows this alignment: a power of two, and a multiple of 8.
 *
 * @param value An unsigned 32-bit integer.
 */
export function isAlignment(value: number): boolean {
  return value >= 8 && Number.isInteger(Math.log2(value));
}

function readTensorInfos(reader: ByteReader, count: number): TensorInfo[] {
  const names = new Set<string>();
  const infos: TensorInfo[] = [];
  const values = new MetadataReader(reader);
  for (let i = 0; i < count; i++) {
    const at = reader.position;
    const name = values.name(() => `the name of tensor ${i}`);
    if (names.has(name)) throw reader.error(`the tensor ${quote(name)} occurs twice`, at);
    names.add(name);
    infos.push(readTensorInfo(reader, name));
  }
  return infos;
}

function readTensorInfo(reader: ByteReader, name: string): TensorInfo {
  const of = `tensor ${quote(name)}`;
  const shape = readShape(reader, of);
  const typeAt = reader.position;
  const code = reader.uint32(() => `the type of ${of}`);
  const type = TENSOR_TYPES_BY_CODE.get(code);
  if (type === undefined) {
    throw reader.error(
      `${of} has the unknown type code ${code}`,
      typeAt,
      "the file is damaged or newer than this reader: quantise the model to a known type",
    );
  }
  const byteLength = tensorBytes(reader, of, type, shape, typeAt);
  const relativeAt = reader.position;
  const relative = reader.uint64(() => `the offset of ${of}`);
  return { name, type, shape, byteLength, relative, relativeAt };
}

/** Reads a tensor's sizes, which the file gives fastest first, as a row-major shape. */
function readShape(reader: ByteReader, of: string): number[] {
  const at = reader.position;
  const dimensions = reader.uint32(() => `the number of dimensions of ${of}`);
  if (dimensions > MAX_DIMENSIONS) {
    throw reader.error(`${of} has ${dimensions} dimensions, more than ${MAX_DIMENSIONS}`, at);
  }
  const shape: number[] = [];
  let product = 1;
  for (let i = 0; i < dimensions; i++) {
    const sizeAt = reader.position;
    const size = reader.uint64(() => `dimension ${i} of ${of}`);
    // A size of 0 is counted as 1: the product of the others must make sense as well.
    product *= Math.max(Number(size), 1);
    if (!Number.isSafeInteger(product)) {
      throw reader.error(`${of} has too many elements: dimension ${i} is ${size}`, sizeAt);
    }
    shape.unshift(Number(size));
  }
  return shape;
}

/** The bytes of a tensor; rows must be whole blocks. */
function tensorBytes(
  reader: ByteReader,
  of: string,
  type: GgufTensorType,
  shape: number[],
  at: number,
): number {
  const row = shape.at(-1) ?? 1;
  if (row % type.blockSize !== 0) {
    throw reader.error(
      `${of} has rows of ${row} elements, which is not a multiple of ${type.name}'s block of ` +
        `${type.blockSize}`,
      at,
    );
  }
  const blocks = shape.reduce((product, size) => product * size, 1) / type.blockSize;
  const byteLength = blocks * type.blockBytes;
  if (Number.isSafeInteger(byteLength)) return byteLength;
  throw reader.error(`${of} has too many bytes: [${shape}] of ${type.name}`, at);
}

/** Settles where each tensor lies, and that it lies inside the file and alone. */
function placeTensors(
  reader: ByteReader,
  infos: TensorInfo[],
  dataOffset: number,
  alignment: number,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const info of infos) {
    const offset = placeTensor(reader, info, dataOffset, alignment);
    const { name, type, shape, byteLength } = info;
    tensors.set(name, { name, type: type.name, shape, offset, byteLength });
  }
  checkOverlaps(reader, infos);
  return tensors;
}

function placeTensor(
  reader: ByteReader,
  info: TensorInfo,
  dataOffset: number,
  alignment: number,
): number {
  const of = `tensor ${quote(info.name)}`;
  const relative = Number(info.relative);
  const end = dataOffset + relative + info.byteLength;
  if (!Number.isSafeInteger(relative) || end > reader.bytes.length) {
    throw reader.error(
      `${of} needs ${info.byteLength} bytes at ${info.relative} of the data that begins at ` +
        `${dataOffset}, but the file has ${reader.bytes.length} bytes`,
      info.relativeAt,
      INCOMPLETE,
    );
  }
  if (relative % alignment !== 0) {
    throw reader.error(
      `${of} is at ${relative} of the data, which is not a multiple of the alignment ${alignment}`,
      info.relativeAt,
    );
  }
  return dataOffset + relative;
}

function checkOverlaps(reader: ByteReader, infos: TensorInfo[]): void {
  const sorted = infos
    .filter((info) => info.byteLength > 0)
    .sort((a, b) => Number(a.relative) - Number(b.relative));
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1], sorted[i]];
    const end = Number(before.relative) + before.byteLength;
    if (Number(after.relative) >= end) continue;
    throw reader.error(
      `tensor ${quote(after.name)} at ${after.relative} of the data overlaps tensor ` +
        `${quote(before.name)}, which ends at ${end}`,
      after.relativeAt,
    );
  }
}
