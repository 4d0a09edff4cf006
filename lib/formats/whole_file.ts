/**
 * Writing a file whole or not at all: the bytes go to a temporary file beside the target, are
 * flushed to the disk, and are then renamed. Who has the old file mapped keeps the old bytes.
 */
import type { Progress } from "../core/progress.ts";

/** How a file is written. */
export interface WholeFileOptions {
  /** How many bytes there are, for progress. */
  total: number;
  /** What the progress is of; `"writing"` when left out. */
  stage?: string;
  /** Ends the work; the call then throws the signal's reason, and the target is as it was. */
  signal?: AbortSignal;
  /** Told how far the work is. */
  onProgress?: (progress: Progress) => void;
}

/** What is written at a time, so that a signal is heard soon. */
const PIECE_BYTES = 1 << 24;

/**
 * Writes a file.
 *
 * @param path The file, which is replaced where it exists.
 * @param pieces Its bytes in order, each piece used before the next is asked for.
 * @param options How to follow and end the work.
 * @throws The signal's reason, or what the system says; the target is as it was then.
 */
export async function writeWholeFile(
  path: string,
  pieces: Iterable<Uint8Array<ArrayBuffer>>,
  options: WholeFileOptions,
): Promise<void> {
  options.signal?.throwIfAborted();
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    {
      using file = await Deno.open(temporary, { write: true, createNew: true });
      let completed = 0;
      for (const piece of pieces) completed = await write(file, piece, completed, options);
      await file.sync();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/**
 * Writes a text file.
 *
 * @param path The file, which is replaced where it exists.
 * @param text Its text, in UTF-8.
 * @throws What the system says; the target is as it was then.
 */
export async function writeWholeText(path: string, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  await writeWholeFile(path, [bytes], { total: bytes.length });
}

/** Writes a piece behind what is there; returns how much is there then. */
async function write(
  file: Deno.FsFile,
  bytes: Uint8Array<ArrayBuffer>,
  before: number,
  { total, stage = "writing", signal, onProgress }: WholeFileOptions,
): Promise<number> {
  for (let done = 0; done < bytes.length;) {
    signal?.throwIfAborted();
    done += await file.write(bytes.subarray(done, done + PIECE_BYTES));
    onProgress?.({ stage, completed: before + done, total, unit: "bytes" });
  }
  return before + bytes.length;
}
