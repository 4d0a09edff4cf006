/**
 * Takes single files out of a zip archive, streaming.
 *
 * Python wheels are zip archives (PKWARE's APPNOTE.TXT, sections 4.3 and 4.4).
 * Only what wheels use is read: stored and deflated entries without encryption,
 * below 4 GiB. The inflating itself is the platform's `DecompressionStream`.
 *
 *     [local header, data]…  [central directory entry]…  [end of central directory]
 *
 * The central directory at the end is the truth; local headers are read only
 * for their own length. Nothing is trusted: every offset and size is checked
 * against the file before it is used.
 *
 * @module
 */

import type { WorkOptions } from "./hash.ts";

/** A file inside an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly localHeaderOffset: number;
}

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;

/**
 * Lists the files of an archive by name.
 *
 * @throws SyntaxError when the file is not a zip archive that can be read here
 */
export async function readZipDirectory(path: string): Promise<Map<string, ZipEntry>> {
  using file = await Deno.open(path, { read: true });
  const fileBytes = (await file.stat()).size;
  const tail = await readAt(file, Math.max(0, fileBytes - END_BYTES - 0xffff), fileBytes);
  const end = findEnd(tail);
  if (end < 0) throw new SyntaxError(`${path}: not a zip archive, no end record was found`);
  const view = viewOf(tail);
  const count = view.getUint16(end + 10, true);
  const size = view.getUint32(end + 12, true);
  const offset = view.getUint32(end + 16, true);
  if (count === 0xffff || offset === 0xffffffff) {
    throw new SyntaxError(`${path}: a zip64 archive, which is not read here`);
  }
  if (offset + size > fileBytes) {
    throw new SyntaxError(`${path}: the zip directory at ${offset} ends after the file`);
  }
  return parseDirectory(path, await readAt(file, offset, offset + size), count);
}

function findEnd(tail: Uint8Array): number {
  const view = viewOf(tail);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) === END_SIGNATURE) return at;
  }
  return -1;
}

function parseDirectory(path: string, bytes: Uint8Array, count: number): Map<string, ZipEntry> {
  const view = viewOf(bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + ENTRY_BYTES > bytes.length || view.getUint32(at, true) !== ENTRY_SIGNATURE) {
      throw new SyntaxError(`${path}: entry ${i} of the zip directory is damaged`);
    }
    const nameBytes = view.getUint16(at + 28, true);
    const next = at + ENTRY_BYTES + nameBytes + view.getUint16(at + 30, true) +
      view.getUint16(at + 32, true);
    if (next > bytes.length) {
      throw new SyntaxError(`${path}: entry ${i} of the zip directory is cut off`);
    }
    const name = new TextDecoder().decode(
      bytes.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes),
    );
    entries.set(name, {
      name,
      method: view.getUint16(at + 10, true),
      compressedBytes: view.getUint32(at + 20, true),
      bytes: view.getUint32(at + 24, true),
      localHeaderOffset: view.getUint32(at + 42, true),
    });
    at = next;
  }
  return entries;
}

/**
 * Writes one file of an archive to a path, flushed to the disk.
 *
 * @param archive the zip file
 * @param entry which file of it
 * @param target where to write; must not exist
 * @param options a signal, and a progress callback whose stage is `"unpacking <entry>"`
 * @throws SyntaxError when the entry is damaged
 */
export async function extractZipEntry(
  archive: string,
  entry: ZipEntry,
  target: string,
  options: WorkOptions = {},
): Promise<void> {
  const data = await openEntry(archive, entry);
  const stage = `unpacking ${entry.name.replace(/^.*\//, "")}`;
  using output = await Deno.open(target, { write: true, createNew: true });
  let completed = 0;
  for await (const chunk of inflate(data, entry)) {
    options.signal?.throwIfAborted();
    completed += chunk.length;
    // A damaged archive must not be able to fill the disk.
    if (completed > entry.bytes) break;
    await writeAll(output, chunk);
    options.onProgress?.({ stage, completed, total: entry.bytes, unit: "bytes" });
  }
  if (completed !== entry.bytes) {
    throw new SyntaxError(
      `${archive}: ${entry.name} unpacks to ${completed} bytes, but the directory says ${entry.bytes}`,
    );
  }
  await output.sync();
}

async function openEntry(
  archive: string,
  entry: ZipEntry,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const file = await Deno.open(archive, { read: true });
  try {
    const header = await readAt(
      file,
      entry.localHeaderOffset,
      entry.localHeaderOffset + LOCAL_BYTES,
    );
    const view = viewOf(header);
    if (header.length < LOCAL_BYTES || view.getUint32(0, true) !== LOCAL_SIGNATURE) {
      throw new SyntaxError(`${archive}: no file header at ${entry.localHeaderOffset}`);
    }
    const start = entry.localHeaderOffset + LOCAL_BYTES + view.getUint16(26, true) +
      view.getUint16(28, true);
    await file.seek(start, Deno.SeekMode.Start);
    return limit(file.readable, entry.compressedBytes);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The first bytes of a stream; what follows them is not read. */
function limit(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  bytes: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = bytes;
  const reader = stream.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = left === 0 ? { value: undefined, done: true } : await reader.read();
      if (done || value === undefined) {
        await reader.cancel();
        controller.close();
        return;
      }
      const part = value.subarray(0, left);
      left -= part.length;
      controller.enqueue(part);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function inflate(
  data: ReadableStream<Uint8Array<ArrayBuffer>>,
  entry: ZipEntry,
): ReadableStream<Uint8Array> {
  if (entry.method === STORED) return data;
  if (entry.method === DEFLATED) return data.pipeThrough(new DecompressionStream("deflate-raw"));
  throw new SyntaxError(`${entry.name}: zip compression method ${entry.method} is not read here`);
}

async function readAt(file: Deno.FsFile, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  await file.seek(start, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < bytes.length) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

/** Writes all of some bytes; a single write may take fewer. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
