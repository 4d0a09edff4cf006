/**
 * Takes single files out of a zip archive on the disk, streaming: a Python wheel is one. The
 * structures are those of `formats/zip.ts`; the inflating itself is the platform's
 * `DecompressionStream`.
 *
 * @module
 */

import {
  DEFLATED,
  findZipDirectory,
  LOCAL_BYTES,
  parseZipDirectory,
  STORED,
  ZIP_TAIL_BYTES,
  zipDataOffset,
  type ZipEntry,
} from "../formats/zip.ts";
import type { WorkOptions } from "./hash.ts";

/**
 * Lists the files of an archive by name.
 *
 * @throws SyntaxError when the file is not a zip archive that can be read here
 */
export async function readZipDirectory(path: string): Promise<Map<string, ZipEntry>> {
  using file = await Deno.open(path, { read: true });
  const fileBytes = (await file.stat()).size;
  const tail = await readAt(file, Math.max(0, fileBytes - ZIP_TAIL_BYTES), fileBytes);
  const place = findZipDirectory(tail, fileBytes, path);
  const directory = await readAt(file, place.offset, place.offset + place.bytes);
  return new Map(parseZipDirectory(directory, place, path).map((entry) => [entry.name, entry]));
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
    const at = entry.localHeaderOffset;
    const header = await readAt(file, at, at + LOCAL_BYTES);
    const start = zipDataOffset(header, entry, archive);
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
