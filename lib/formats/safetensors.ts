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
 * The JSON is first walked byte by byte: `JSON.parse` alone would keep the last of two equal keys
 * and would build whatever depth it is given.
 *
 * @module
 */
import { ByteReader, DAMAGED, INCOMPLETE, quote } from "./byte_reader.ts";
import { scanJsonObject } from "./json_scan.ts";
import { notThisFormat } from "./magic.ts";
import { decodeStrictUtf8 } from "./utf8.ts";

/** The specification's limit, which keeps a hostile header from filling memory. */
const MAX_HEADER_BYTES = 100_000_000;
/** The header is an object of objects of arrays. */
const MAX_DEPTH = 3;
const METADATA_KEY = "__metadata__";

/** Bits of one element, by type. */
const DTYPE_BITS: ReadonlyMap<string, number> = new Map(Object.entries({
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
  /** Row-major; empty for a scalar. */
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
  const positions = scanJsonObject(reader, 8, end, MAX_DEPTH);
  const header = parseJson(reader, end);
  const metadata = new Map<string, string>();
  const tensors: SafetensorsTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    const at = positions.get(name) ?? 8;
    if (name === METADATA_KEY) readMetadata(reader, metadata, entry, at);
    else tensors.push(readTensor(reader, name, entry, at, end));
  }
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkCoverage(reader, tensors, positions, end);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return { metadata, tensors: byName, dataOffset: end, byteLength: bytes.length };
}

/** Reads the header's length and returns where it ends, which is inside the file. */
function readHeaderEnd(reader: ByteReader): number {
  if (reader.remaining < 8) throw notThisFormat(reader.bytes, reader.name, "safetensors");
  const length = reader.uint64(() => "the header's length");
  const brace = reader.bytes[8];
  if (length > MAX_HEADER_BYTES || (brace !== undefined && brace !== 0x7b)) {
    throw notThisFormat(reader.bytes, reader.name, "safetensors");
  }
  if (length < 2) throw reader.error(`the header has ${length} bytes, fewer than {} has`, 0);
  reader.need(Number(length), () => "the header");
  return 8 + Number(length);
}

function parseJson(reader: ByteReader, end: number): object {
  const text = decodeStrictUtf8(reader.bytes, 8, end);
  if (text === undefined) throw reader.error("the header is not valid UTF-8", 8);
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? quote(error.message) : "unknown";
    throw reader.error(`the header is not valid JSON: ${reason}`, 8);
  }
}

function readMetadata(
  reader: ByteReader,
  metadata: Map<string, string>,
  entry: unknown,
  at: number,
): void {
  if (!isObject(entry)) throw reader.error(`${METADATA_KEY} is not an object`, at);
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== "string") {
      throw reader.error(`${METADATA_KEY} has ${quote(key)}, which is not a text`, at);
    }
    metadata.set(key, value);
  }
}

function readTensor(
  reader: ByteReader,
  name: string,
  entry: unknown,
  at: number,
  dataOffset: number,
): SafetensorsTensor {
  const of = `tensor ${quote(name)}`;
  if (!isObject(entry)) throw reader.error(`${of} is not described by an object`, at);
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  const bits = typeof dtype === "string" ? DTYPE_BITS.get(dtype) : undefined;
  if (typeof dtype !== "string" || bits === undefined) {
    throw reader.error(
      `${of} has the unknown dtype ${quote(String(dtype))}`,
      at,
      "the file is damaged or newer than this reader: convert the model to a known dtype",
    );
  }
  if (!isSizes(shape)) throw reader.error(`${of} has a shape that is not whole sizes`, at);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw reader.error(`${of} has data_offsets that are not a begin and an end`, at);
  }
  const [begin, end] = offsets;
  checkSize(reader, of, dtype, bits, shape, end - begin, at);
  if (dataOffset + end > reader.bytes.length) {
    throw reader.error(
      `${of} ends at ${end} of the data, but the file has ${
        reader.bytes.length - dataOffset
      } bytes of data`,
      at,
      INCOMPLETE,
    );
  }
  return { name, dtype, shape, offset: dataOffset + begin, byteLength: end - begin };
}

function checkSize(
  reader: ByteReader,
  of: string,
  dtype: string,
  bits: number,
  shape: number[],
  byteLength: number,
  at: number,
): void {
  // A size of 0 is counted as 1 for the bound: the product of the others must make sense as well.
  const bound = shape.reduce((product, size) => product * Math.max(size, 1), bits);
  if (!Number.isSafeInteger(bound)) {
    throw reader.error(`${of} has too many elements: [${shape.slice(0, 8)}]`, at);
  }
  const needed = shape.includes(0) ? 0 : bound / 8;
  if (needed === byteLength) return;
  throw reader.error(
    `${of}: [${shape}] of ${dtype} needs ${needed} bytes, but data_offsets give ${byteLength}`,
    at,
  );
}

/** Checks that the tensors, sorted by offset, cover the data exactly once. */
function checkCoverage(
  reader: ByteReader,
  tensors: SafetensorsTensor[],
  positions: Map<string, number>,
  dataOffset: number,
): void {
  let covered = dataOffset;
  for (const { name, offset, byteLength } of tensors) {
    if (offset !== covered) {
      const how = offset < covered ? "overlaps the one before it" : "leaves a hole before it";
      throw reader.error(
        `tensor ${quote(name)} begins at ${offset - dataOffset} of the data and ${how}, ` +
          `which ends at ${covered - dataOffset}`,
        positions.get(name) ?? 8,
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

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
