/**
 * Decoders that were trained, into files: apart from loading, so that a training need not bring
 * in what fetches models.
 */
import type { Progress } from "../core/progress.ts";
import { writeGguf } from "../formats/mod.ts";
import { writeWholeFile } from "../formats/whole_file.ts";
import { type Decoder, decoderToGguf, type GgufNotes } from "../models/mod.ts";

/** Options of {@linkcode saveDecoder}. */
export interface SaveDecoderOptions extends GgufNotes {
  /** Ends the work; the call then throws the signal's reason, and the file is as it was. */
  signal?: AbortSignal;
  /** Told how far the work is. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Saves a decoder as a GGUF file, in float32, that language models are loaded from: here by
 * `loadModel` and `quern generate`, elsewhere by whatever runs Llama models. `quern quantize`
 * makes it smaller.
 *
 * @param path The file, which is replaced where it exists, once the new one is whole.
 * @param decoder One of RMSNorm, SwiGLU and rotary positions, without biases.
 * @param options The vocabulary, and how to follow and end the work.
 * @throws {RangeError} When the architecture has no place for what the decoder has.
 */
export async function saveDecoder(
  path: string,
  decoder: Decoder,
  options: SaveDecoderOptions = {},
): Promise<void> {
  const { signal, onProgress } = options;
  const bytes = writeGguf(decoderToGguf(decoder, options));
  await writeWholeFile(path, [bytes], {
    total: bytes.length,
    stage: "saving the model",
    signal,
    onProgress,
  });
}
