/**
 * SHA-256 of files of any size, in constant memory.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Progress } from "../core/progress.ts";

/** What every long operation of the hub takes. */
export interface WorkOptions {
  /** Ends the work; it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called now and then with how far the work is. */
  onProgress?: (progress: Progress) => void;
}

/**
 * The SHA-256 of a file as 64 lower-case hexadecimal digits.
 *
 * @param path the file
 * @param options a signal, a progress callback, and the name in its stage, `"checking <name>"`
 */
export async function sha256OfFile(
  path: string,
  options: WorkOptions & { name?: string } = {},
): Promise<string> {
  using file = await Deno.open(path, { read: true });
  const total = (await file.stat()).size;
  const stage = `checking ${options.name ?? path}`;
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1 << 20);
  let completed = 0;
  for (;;) {
    options.signal?.throwIfAborted();
    const count = await file.read(buffer);
    if (count === null) break;
    hash.update(buffer.subarray(0, count));
    completed += count;
    options.onProgress?.({ stage, completed, total, unit: "bytes" });
  }
  return hash.digest("hex");
}

/** Says that bytes are not the expected ones. */
export function hashMismatch(what: string, actual: string, expected: string): Error {
  return new Error(
    `${what} has SHA-256 ${actual}, but ${expected} was expected: the bytes were damaged or ` +
      "replaced on the way, and were removed; pull again, and do not use that source if it stays so",
  );
}
