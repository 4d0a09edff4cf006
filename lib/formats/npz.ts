/**
 * NumPy's npz format: a zip archive whose files are npy files, named after their arrays.
 *
 * @module
 */
import { DAMAGED, malformed, quote } from "./byte_reader.ts";
import { notThisFormat, startsWith } from "./magic.ts";
import {
  type NpyArray,
  type NpyData,
  type NpyHeader,
  parseNpyHeader,
  readNpy,
  writeNpy,
} from "./npy.ts";
import { readZip, unzip, unzipStart, writeZip, type ZipEntry } from "./zip.ts";

const SUFFIX = ".npy";
/** More than the header of any array that is read here has. */
const HEADER_BYTES = 1 << 17;

/** An array of an npz file, before it is read. */
export interface NpzHeader extends NpyHeader {
  /** Where the array's file begins in the archive, compressed or not. */
  offset: number;
}

/**
 * Reads the arrays of an npz file, as `numpy.savez` and `numpy.savez_compressed` write it. The
 * elements are copied. Files of the archive that are no npy files are left out.
 *
 * @example
 * ```ts
 * import { readNpz, writeNpz } from "@quern/quern/formats";
 *
 * const file = writeNpz([["x", { data: Float32Array.of(1, 2), shape: [2] }]]);
 * console.log(readNpz(file).get("x")?.data); // Float32Array(2) [ 1, 2 ]
 * ```
 *
 * @param bytes The whole file.
 * @param options `name`: the file's name, for messages.
 * @throws {SyntaxError} Where the archive is damaged, or an array not one that `readNpy` reads.
 */
export function readNpz(
  bytes: Uint8Array,
  options: { name?: string } = {},
): Map<string, NpyArray> {
  const name = options.name ?? "npz file";
  const arrays = new Map<string, NpyArray>();
  for (const [array, entry] of arrayEntries(bytes, name)) {
    arrays.set(array, readNpy(unzip(bytes, entry, name), { name: `${name}: ${quote(array)}` }));
  }
  return arrays;
}

/**
 * Reads the headers of an npz file's arrays. Their elements are neither unpacked nor checked.
 *
 * @param bytes The whole file.
 * @param options `name`: the file's name, for messages.
 * @throws {SyntaxError} Where the archive is damaged, or a header not one that `readNpy` reads.
 */
export function parseNpzHeaders(
  bytes: Uint8Array,
  options: { name?: string } = {},
): Map<string, NpzHeader> {
  const name = options.name ?? "npz file";
  const headers = new Map<string, NpzHeader>();
  for (const [array, entry] of arrayEntries(bytes, name)) {
    const start = unzipStart(bytes, entry, HEADER_BYTES, name);
    const header = parseNpyHeader(start, {
      name: `${name}: ${quote(array)}`,
      fileBytes: entry.bytes,
    });
    headers.set(array, { ...header, offset: entry.localHeaderOffset });
  }
  return headers;
}

/**
 * Writes an npz file.
 *
 * @example
 * ```ts
 * import { writeNpz } from "@quern/quern/formats";
 *
 * const x = { data: new Float32Array(6), shape: [2, 3] };
 * const file = writeNpz([["x", x]], { deflate: true }); // numpy.load(file)["x"] is a (2, 3) array
 * console.log(file.length < 300); // true
 * ```
 *
 * @param arrays Names and arrays.
 * @param options `deflate`: compresses them, as `numpy.savez_compressed` does.
 * @throws {RangeError} Where a name occurs twice, a shape does not fit, or 4 GiB are not enough.
 */
export function writeNpz(
  arrays: Iterable<readonly [string, { data: NpyData; shape: readonly number[] }]>,
  options: { deflate?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const files = new Map<string, Uint8Array>();
  for (const [name, { data, shape }] of arrays) {
    if (files.has(name + SUFFIX)) {
      throw new RangeError(`writeNpz: the array ${quote(name)} occurs twice`);
    }
    files.set(name + SUFFIX, writeNpy(data, shape));
  }
  return writeZip(files, options);
}

/**
 * Whether a file begins as a zip archive does.
 *
 * @param bytes The file.
 */
export function beginsAsZip(bytes: Uint8Array): boolean {
  // An empty archive is its end record.
  return startsWith(bytes, "PK\x03\x04") || startsWith(bytes, "PK\x05\x06");
}

function arrayEntries(bytes: Uint8Array, name: string): Map<string, ZipEntry> {
  if (!beginsAsZip(bytes)) throw notThisFormat(bytes, name, "npz");
  const found = new Map<string, ZipEntry>();
  for (const entry of readZip(bytes, name)) {
    if (!entry.name.endsWith(SUFFIX)) continue;
    const array = entry.name.slice(0, -SUFFIX.length);
    if (found.has(array)) {
      const what = `the array ${quote(array)} occurs twice`;
      throw malformed(name, what, entry.localHeaderOffset, DAMAGED);
    }
    found.set(array, entry);
  }
  return found;
}
