/**
 * Writes safetensors files, byte for byte as the format's own library does: tensors by descending
 * alignment of their types, then by name, the header padded with spaces to a multiple of 8, so that
 * every tensor is aligned.
 *
 * @module
 */
import { quote } from "./byte_reader.ts";
import {
  DTYPE_BITS,
  MAX_HEADER_BYTES,
  METADATA_KEY,
  type SafetensorsTensor,
} from "./safetensors.ts";

/** A tensor to be written. */
export interface SafetensorsEntry {
  /** Its name, which is not that of another. */
  name: string;
  /** The type of its elements as the format names it, for example `F32`. */
  dtype: string;
  /** Row-major; empty for a scalar. */
  shape: readonly number[];
}

/** A file that is laid out: its header, and where each tensor's bytes belong. */
export interface SafetensorsLayout {
  /** The file's first bytes, up to the first tensor. */
  header: Uint8Array<ArrayBuffer>;
  /** The tensors in the order of their data, which follows the header without gaps. */
  tensors: SafetensorsTensor[];
  /** The size of the whole file. */
  byteLength: number;
}

const DTYPES = [...DTYPE_BITS.keys()];

/**
 * Lays a safetensors file out, for a caller that writes the tensors' bytes itself.
 *
 * @example
 * ```ts
 * import { layoutSafetensors } from "@quern/quern/formats";
 *
 * const { header, tensors } = layoutSafetensors([{ name: "x", dtype: "F32", shape: [2] }]);
 * console.log(header.length, tensors[0].offset); // 72 72
 * ```
 *
 * @param entries The tensors, in any order.
 * @param metadata Texts about the file.
 * @throws {RangeError} Where a name occurs twice, or a shape or the header is not possible.
 * @throws {TypeError} Where a dtype is not the format's, or a text not well-formed.
 */
export function layoutSafetensors(
  entries: Iterable<SafetensorsEntry>,
  metadata: Iterable<readonly [string, string]> = [],
): SafetensorsLayout {
  const members = metadataMember(metadata);
  const tensors: SafetensorsTensor[] = [];
  const names = new Set<string>();
  let end = 0;
  for (const entry of [...entries].sort(compareEntries)) {
    const { name, dtype, shape } = entry;
    if (names.has(name)) {
      throw new RangeError(`safetensors: the tensor ${quote(name)} occurs twice`);
    }
    names.add(name);
    const byteLength = bytesOf(entry);
    members.push(
      `${jsonText(name)}:{"dtype":"${dtype}","shape":[${shape}],` +
        `"data_offsets":[${end},${end + byteLength}]}`,
    );
    tensors.push({ name, dtype, shape: [...shape], offset: end, byteLength });
    end += byteLength;
  }
  const header = encodeHeader(`{${members.join(",")}}`);
  for (const tensor of tensors) tensor.offset += header.length;
  return { header, tensors, byteLength: header.length + end };
}

/**
 * Writes a safetensors file into memory.
 *
 * @example
 * ```ts
 * import { parseSafetensors, writeSafetensors } from "@quern/quern/formats";
 *
 * const data = new Uint8Array(Float32Array.of(1, 2).buffer);
 * const file = writeSafetensors([{ name: "x", dtype: "F32", shape: [2], data }]);
 * console.log(parseSafetensors(file).tensors.get("x")?.shape); // [ 2 ]
 * ```
 *
 * @param entries The tensors, each with its bytes.
 * @param metadata Texts about the file.
 * @throws {RangeError} Where bytes do not fit their shape, or as `layoutSafetensors` does.
 */
export function writeSafetensors(
  entries: Iterable<SafetensorsEntry & { data: Uint8Array }>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array<ArrayBuffer> {
  const all = [...entries];
  const { header, tensors, byteLength } = layoutSafetensors(all, metadata);
  const data = new Map(all.map((entry) => [entry.name, entry.data]));
  const file = new Uint8Array(byteLength);
  file.set(header);
  for (const { name, offset, byteLength } of tensors) {
    const bytes = data.get(name) ?? new Uint8Array();
    if (bytes.length !== byteLength) {
      throw new RangeError(
        `safetensors: tensor ${
          quote(name)
        } needs ${byteLength} bytes, but data has ${bytes.length}`,
      );
    }
    file.set(bytes, offset);
  }
  return file;
}

/** Descending by alignment; then by name as bytes of UTF-8 compare, which code points also do. */
function compareEntries(a: SafetensorsEntry, b: SafetensorsEntry): number {
  return DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || compareCodePoints(a.name, b.name);
}

function compareCodePoints(a: string, b: string): number {
  const [left, right] = [a[Symbol.iterator](), b[Symbol.iterator]()];
  for (;;) {
    const [first, second] = [left.next(), right.next()];
    if (first.done || second.done) return Number(second.done ?? 0) - Number(first.done ?? 0);
    const order = (first.value.codePointAt(0) ?? 0) - (second.value.codePointAt(0) ?? 0);
    if (order !== 0) return order;
  }
}

function metadataMember(metadata: Iterable<readonly [string, string]>): string[] {
  const texts = new Map<string, string>();
  for (const [key, value] of metadata) {
    if (texts.has(key)) {
      throw new RangeError(`safetensors: the metadata key ${quote(key)} occurs twice`);
    }
    texts.set(key, value);
  }
  if (texts.size === 0) return [];
  const members = Array.from(texts, ([key, value]) => `${jsonText(key)}:${jsonText(value)}`);
  return [`"${METADATA_KEY}":{${members.join(",")}}`];
}

function bytesOf({ name, dtype, shape }: SafetensorsEntry): number {
  const of = `safetensors: tensor ${quote(name)}`;
  if (name === METADATA_KEY) throw new RangeError(`${of} has the name of the metadata`);
  const bits = DTYPE_BITS.get(dtype);
  if (bits === undefined) {
    throw new TypeError(`${of} has the dtype ${quote(dtype)}; the format has ${DTYPES.join(", ")}`);
  }
  const bytes = shape.reduce((product, size) => product * size, bits) / 8;
  const sizes = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (sizes && Number.isSafeInteger(bytes)) return bytes;
  throw new RangeError(`${of}: [${shape}] of ${dtype} is not a shape that fills whole bytes`);
}

function jsonText(text: string): string {
  if (typeof text !== "string" || !text.isWellFormed()) {
    throw new TypeError(`safetensors: ${quote(String(text))} is not a well-formed text`);
  }
  return JSON.stringify(text);
}

function encodeHeader(text: string): Uint8Array<ArrayBuffer> {
  const encoded = new TextEncoder().encode(text);
  const length = Math.ceil(encoded.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new RangeError(
      `safetensors: names and metadata need a header of ${length} bytes, ` +
        `more than ${MAX_HEADER_BYTES}; save them in several files`,
    );
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(encoded, 8);
  return header;
}
