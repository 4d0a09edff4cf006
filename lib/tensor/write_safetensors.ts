/**
 * Writing a safetensors file whole or not at all.
 */
import type { Progress } from "../core/progress.ts";
import { layoutSafetensors, type SafetensorsEntry } from "../formats/mod.ts";
import { writeWholeFile } from "../formats/whole_file.ts";

/** How tensors are saved. */
export interface SaveOptions {
  /** Texts about the file, for example `{ format: "pt" }`, which PyTorch's tools ask for. */
  metadata?: Readonly<Record<string, string>>;
  /** Ends the work; the call then throws the signal's reason, and the target is as it was. */
  signal?: AbortSignal;
  /** Told how far the work is. */
  onProgress?: (progress: Progress) => void;
}

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
  const layout = layoutSafetensors(entries, Object.entries(options.metadata ?? {}));
  function* pieces() {
    yield layout.header;
    for (const { name } of layout.tensors) yield* piecesOf(name);
  }
  const { signal, onProgress } = options;
  const total = layout.byteLength;
  await writeWholeFile(path, pieces(), { total, stage: "saving tensors", signal, onProgress });
}
