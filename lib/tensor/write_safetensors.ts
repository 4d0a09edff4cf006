/**
 * Writing a safetensors file whole or not at all: the bytes go to a temporary file beside
 * the target, are flushed to the disk, and are then renamed. Who has the old file mapped
 * keeps the old bytes.
 */
import type { Progress } from "../core/progress.ts";
import { layoutSafetensors, type SafetensorsEntry } from "../formats/mod.ts";

/** How tensors are saved. */
export interface SaveOptions {
  /** Texts about the file, for example `{ format: "pt" }`, which PyTorch's tools ask for. */
  metadata?: Readonly<Record<string, string>>;
  /** Ends the work; the call then throws the signal's reason, and the target is as it was. */
  signal?: AbortSignal;
  /** Told how far the work is. */
  onProgress?: (progress: Progress) => void;
}

/** What is written at a time, so that a signal is heard soon. */
const PIECE_BYTES = 1 << 24;

/**
 * Writes a safetensors file.
 *
 * @param path The file, which is replaced where it exists.
 * @param entries Its tensors, in any order.
 * @param piecesOf The bytes of a tensor, in pieces, each used before the next is asked for.
 * @param options Metadata, and how to follow and end the work.
 * @throws {RangeError} When a name occurs twice, or is not possible.
 */
export async function writeSafetensorsFile(
  path: string,
  entries: readonly SafetensorsEntry[],
  piecesOf: (name: string) => Iterable<Uint8Array<ArrayBuffer>>,
  options: SaveOptions,
): Promise<void> {
  options.signal?.throwIfAborted();
  const layout = layoutSafetensors(entries, Object.entries(options.metadata ?? {}));
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    {
      using file = await Deno.open(temporary, { write: true, createNew: true });
      const writer = new Writer(file, layout.byteLength, options);
      await writer.write(layout.header);
      for (const { name } of layout.tensors) {
        for (const piece of piecesOf(name)) await writer.write(piece);
      }
      await file.sync();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** Writes bytes to a file, piece by piece. */
class Writer {
  readonly #file: Deno.FsFile;
  readonly #total: number;
  readonly #options: SaveOptions;
  #completed = 0;

  constructor(file: Deno.FsFile, total: number, options: SaveOptions) {
    this.#file = file;
    this.#total = total;
    this.#options = options;
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { signal, onProgress } = this.#options;
    for (let done = 0; done < bytes.length;) {
      signal?.throwIfAborted();
      const count = await this.#file.write(bytes.subarray(done, done + PIECE_BYTES));
      done += count;
      this.#completed += count;
      onProgress?.({
        stage: "saving tensors",
        completed: this.#completed,
        total: this.#total,
        unit: "bytes",
      });
    }
  }
}
