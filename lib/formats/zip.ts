/**
 * Zip archives (PKWARE's APPNOTE.TXT, sections 4.3 and 4.4), as far as Python wheels and NumPy's
 * npz files use them: stored and deflated entries without encryption, below 4 GiB.
 *
 *     [local header, data]…  [central directory entry]…  [end of central directory]
 *
 * The central directory at the end is the truth; local headers are read only for their own length.
 * Nothing is trusted: every offset and size is checked against the file before it is used, and an
 * entry can unpack to no more than it says.
 *
 * The functions of single structures serve callers that read an archive piece by piece; `readZip`
 * and `unzip` take all of it at once.
 *
 * @module
 */
import { DAMAGED, INCOMPLETE, malformed, quote } from "./byte_reader.ts";

/** A file inside an archive. */
export interface ZipEntry {
  /** Its name, with `/` between folders. */
  readonly name: string;
  /** 0 is stored, 8 is deflated. */
  readonly method: number;
  /** Its size in the archive. */
  readonly compressedBytes: number;
  /** Its size when unpacked. */
  readonly bytes: number;
  /** CRC-32 of what it unpacks to. */
  readonly crc32: number;
  /** Where its local header stands. */
  readonly localHeaderOffset: number;
}

/** Where an archive's directory stands, and how many entries it has. */
export interface ZipDirectoryPlace {
  readonly offset: number;
  readonly bytes: number;
  readonly count: number;
}

/** The method of an entry that is stored as it is. */
export const STORED = 0;
/** The method of an entry that is deflated. */
export const DEFLATED = 8;
/** The most bytes that the end record and the comment behind it take. */
export const ZIP_TAIL_BYTES = 22 + 0xffff;
/** The bytes of a local header before the name. */
export const LOCAL_BYTES = 30;

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const ENCRYPTED = 1;
const UTF8_NAMES = 0x800;
/** 1 January 1980, the first day that the format knows: archives of equal content are equal. */
const DATE = 0x21;
/** The most that deflate can shrink data. */
const MAX_RATIO = 1032;

/**
 * Finds the directory by the record at the archive's end.
 *
 * @param tail The archive's last bytes: `ZIP_TAIL_BYTES`, or all of them.
 * @param fileBytes The size of the archive.
 * @param name The archive's name, for messages.
 * @throws {SyntaxError} Where there is none that can be read here.
 */
export function findZipDirectory(
  tail: Uint8Array,
  fileBytes: number,
  name: string,
): ZipDirectoryPlace {
  const view = viewOf(tail);
  let at = tail.length - END_BYTES;
  while (at >= 0 && view.getUint32(at, true) !== END_SIGNATURE) at--;
  if (at < 0) {
    throw malformed(name, "not a zip archive, no end record was found", fileBytes, INCOMPLETE);
  }
  const count = view.getUint16(at + 10, true);
  const bytes = view.getUint32(at + 12, true);
  const offset = view.getUint32(at + 16, true);
  const place = fileBytes - tail.length + at;
  if (count === 0xffff || offset === 0xffffffff) {
    throw malformed(
      name,
      "a zip64 archive, which is not read here",
      place,
      "split it into smaller",
    );
  }
  if (offset + bytes > place) {
    throw malformed(name, `the zip directory at ${offset} ends after the file`, place, DAMAGED);
  }
  return { offset, bytes, count };
}

/**
 * Reads the directory's entries.
 *
 * @param bytes The directory, no more and no less.
 * @param place Where it stands.
 * @param name The archive's name, for messages.
 * @throws {SyntaxError} Where it is damaged.
 */
export function parseZipDirectory(
  bytes: Uint8Array,
  place: ZipDirectoryPlace,
  name: string,
): ZipEntry[] {
  const view = viewOf(bytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < place.count; i++) {
    const damaged = (how: string) =>
      malformed(name, `entry ${i} of the zip directory is ${how}`, place.offset + at, DAMAGED);
    if (at + ENTRY_BYTES > bytes.length || view.getUint32(at, true) !== ENTRY_SIGNATURE) {
      throw damaged("damaged");
    }
    const nameEnd = at + ENTRY_BYTES + view.getUint16(at + 28, true);
    const next = nameEnd + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > bytes.length) throw damaged("cut off");
    if (view.getUint16(at + 8, true) & ENCRYPTED) throw damaged("encrypted");
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, nameEnd)),
      method: view.getUint16(at + 10, true),
      crc32: view.getUint32(at + 16, true),
      compressedBytes: view.getUint32(at + 20, true),
      bytes: view.getUint32(at + 24, true),
      localHeaderOffset: view.getUint32(at + 42, true),
    });
    at = next;
  }
  return entries;
}

/**
 * Where an entry's data begins.
 *
 * @param header The first `LOCAL_BYTES` bytes of its local header, or fewer where the file ends.
 * @param entry The entry.
 * @param name The archive's name, for messages.
 * @throws {SyntaxError} Where there is no local header.
 */
export function zipDataOffset(header: Uint8Array, entry: ZipEntry, name: string): number {
  const view = viewOf(header);
  const at = entry.localHeaderOffset;
  if (header.length < LOCAL_BYTES || view.getUint32(0, true) !== LOCAL_SIGNATURE) {
    throw malformed(name, `no file header at ${at} for ${quote(entry.name)}`, at, DAMAGED);
  }
  return at + LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
}

/**
 * Lists the files of an archive, in its order.
 *
 * @param bytes The whole archive.
 * @param name The archive's name, for messages.
 * @throws {SyntaxError} Where it is not an archive that can be read here.
 */
export function readZip(bytes: Uint8Array, name: string): ZipEntry[] {
  const tail = bytes.subarray(Math.max(0, bytes.length - ZIP_TAIL_BYTES));
  const place = findZipDirectory(tail, bytes.length, name);
  const directory = bytes.subarray(place.offset, place.offset + place.bytes);
  return parseZipDirectory(directory, place, name);
}

/**
 * Unpacks a file of an archive, and compares its CRC-32.
 *
 * @param bytes The whole archive.
 * @param entry The file.
 * @param name The archive's name, for messages.
 * @returns Its bytes: a view of the archive where they are stored.
 * @throws {SyntaxError} Where the entry is damaged or compressed in another way.
 */
export function unzip(bytes: Uint8Array, entry: ZipEntry, name: string): Uint8Array {
  const packed = packedBytes(bytes, entry, name);
  const start = packed.byteOffset - bytes.byteOffset;
  const fail = (what: string) => malformed(name, `${quote(entry.name)} ${what}`, start, DAMAGED);
  const data = entry.method === STORED ? packed : inflate(packed, entry, fail);
  if (data.length !== entry.bytes) {
    throw fail(`unpacks to ${data.length} bytes, but the directory says ${entry.bytes}`);
  }
  if (zlib().crc32(data) !== entry.crc32) throw fail("has another CRC-32 than the directory says");
  return data;
}

/**
 * The first bytes of a file of an archive, for a look at its header. Nothing is compared.
 *
 * @param bytes The whole archive.
 * @param entry The file.
 * @param count How many are wanted; there may be fewer.
 * @param name The archive's name, for messages.
 */
export function unzipStart(
  bytes: Uint8Array,
  entry: ZipEntry,
  count: number,
  name: string,
): Uint8Array {
  const packed = packedBytes(bytes, entry, name);
  if (entry.method === STORED) return packed.subarray(0, count);
  // Deflated data may be a little longer than what it unpacks to, never by this much.
  const start = packed.subarray(0, count + 1024);
  try {
    // Z_SYNC_FLUSH: that the data ends early is not an error.
    return plain(zlib().inflateRawSync(start, { finishFlush: 2 })).subarray(0, count);
  } catch {
    throw malformed(
      name,
      `${quote(entry.name)} is not deflated data`,
      packed.byteOffset - bytes.byteOffset,
      DAMAGED,
    );
  }
}

/**
 * Writes an archive.
 *
 * @param files Names and contents, in the order in which they are to stand.
 * @param options `deflate`: compresses what becomes smaller.
 * @throws {RangeError} Where the archive would have 4 GiB or more, or too many files.
 */
export function writeZip(
  files: Iterable<readonly [string, Uint8Array]>,
  options: { deflate?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, data] of files) {
    const encoded = new TextEncoder().encode(name);
    const deflated = options.deflate ? zlib().deflateRawSync(data) : data;
    const packed = deflated.length < data.length ? deflated : data;
    const fields = headerFields(encoded, packed.length < data.length, packed, data);
    parts.push(record(LOCAL_SIGNATURE, LOCAL_BYTES, 4, fields), encoded, packed);
    const entry = record(ENTRY_SIGNATURE, ENTRY_BYTES, 6, fields);
    viewOf(entry).setUint32(42, offset, true);
    directory.push(entry, encoded);
    offset += LOCAL_BYTES + encoded.length + packed.length;
  }
  return join([...parts, ...directory, endRecord(directory, offset)]);
}

/** The fields that local header and directory entry share, as 16-bit numbers. */
function headerFields(
  name: Uint8Array,
  deflated: boolean,
  packed: Uint8Array,
  data: Uint8Array,
): number[] {
  if (name.length > 0xffff) {
    throw new RangeError(`zip: a file's name has ${name.length} bytes, more than 65535`);
  }
  const halves = (value: number) => [value & 0xffff, Math.floor(value / 0x10000)];
  const sizes = [zlib().crc32(data), packed.length, data.length].flatMap(halves);
  // Version 2.0 is needed for deflated files.
  return [20, UTF8_NAMES, deflated ? DEFLATED : STORED, 0, DATE, ...sizes, name.length, 0];
}

function record(signature: number, bytes: number, at: number, fields: number[]): Uint8Array {
  const made = new Uint8Array(bytes);
  const view = viewOf(made);
  view.setUint32(0, signature, true);
  if (at === 6) view.setUint16(4, 20, true);
  fields.forEach((field, i) => view.setUint16(at + 2 * i, field, true));
  return made;
}

function endRecord(directory: readonly Uint8Array[], offset: number): Uint8Array {
  const bytes = directory.reduce((sum, part) => sum + part.length, 0);
  const count = directory.length / 2;
  if (count >= 0xffff || offset + bytes >= 2 ** 32 - 1) {
    throw new RangeError(
      `zip: ${count} files of ${offset} bytes need zip64, which is not written here; ` +
        "save them in several archives",
    );
  }
  const end = new Uint8Array(END_BYTES);
  const view = viewOf(end);
  view.setUint32(0, END_SIGNATURE, true);
  view.setUint16(8, count, true);
  view.setUint16(10, count, true);
  view.setUint32(12, bytes, true);
  view.setUint32(16, offset, true);
  return end;
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** An entry's bytes in the archive. */
function packedBytes(bytes: Uint8Array, entry: ZipEntry, name: string): Uint8Array {
  const at = entry.localHeaderOffset;
  const start = zipDataOffset(bytes.subarray(at, at + LOCAL_BYTES), entry, name);
  const end = start + entry.compressedBytes;
  if (end > bytes.length) {
    throw malformed(name, `${quote(entry.name)} ends after the file`, at, INCOMPLETE);
  }
  if (entry.method === STORED || entry.method === DEFLATED) return bytes.subarray(start, end);
  const what = `${quote(entry.name)} has zip compression method ${entry.method}`;
  throw malformed(name, what, at, "only stored and deflated files are read: pack it again");
}

function inflate(
  packed: Uint8Array,
  entry: ZipEntry,
  fail: (what: string) => SyntaxError,
): Uint8Array {
  if (entry.bytes > packed.length * MAX_RATIO + 1024) {
    throw fail(`claims ${entry.bytes} bytes, more than ${packed.length} can unpack to`);
  }
  try {
    // One byte more than claimed shows that there is more, without unpacking it.
    return plain(zlib().inflateRawSync(packed, { maxOutputLength: entry.bytes + 1 }));
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "ERR_BUFFER_TOO_LARGE") {
      throw fail(`unpacks to more bytes than the directory says, ${entry.bytes}`);
    }
    throw fail("is not deflated data");
  }
}

/** The same bytes without the methods of a Node.js buffer, some of which mean something else. */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Loaded on first use: importing it takes as long as all of Quern's own modules. */
function zlib() {
  return globalThis.process.getBuiltinModule("node:zlib");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
