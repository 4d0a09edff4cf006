/**
 * Decoders that are trained further, from files.
 */
import { type Gguf, parseGguf } from "../formats/mod.ts";
import { resolveModel } from "../hub/mod.ts";
import { MappedStorage } from "../memory/mod.ts";
import { type Decoder, decoderFromGguf, type GgufNotes } from "../models/mod.ts";
import { type Tokenizer, tokenizerFromGguf } from "../tokenizers/mod.ts";
import type { LoadModelOptions } from "./load_model.ts";

/** Options of {@linkcode loadDecoder}. */
export interface LoadDecoderOptions extends LoadModelOptions {
  /** The probability that elements are left out in training; 0 when left out. */
  dropout?: number;
}

/** A language model that can be trained, and what its file says besides. */
export interface LoadedDecoder extends Disposable {
  /** The model, in float32. */
  readonly decoder: Decoder;
  /** Turns text to tokens and back. */
  readonly tokenizer: Tokenizer;
  /** What `saveDecoder` needs to write a file with the same vocabulary. */
  readonly notes: GgufNotes;
}

/**
 * Loads a Llama model to train it further. Its weights become float32, also where the file
 * holds quantised ones; all of them require gradients.
 *
 * @param source A known name such as `"smollm2"`, a `.gguf` file, `hf:owner/repo/file`, or a URL.
 * @param options Dropout, and how to follow and end a download.
 * @returns The model, the caller's to dispose of.
 * @throws {SyntaxError} When the file is malformed.
 * @throws {RangeError} When its architecture is another, or its types are not supported.
 *
 * @example
 * ```ts ignore
 * import { Tensor } from "@quern/quern";
 * import { loadDecoder, saveDecoder } from "@quern/quern/models";
 * import { AdamW } from "@quern/quern/optim";
 *
 * using model = await loadDecoder("smollm2");
 * const { decoder, tokenizer, notes } = model;
 * using optimizer = new AdamW(decoder.parameters(), { learningRate: 1e-5 });
 * const ids = tokenizer.encode("The mill stood by the river.");
 * using inputs = Tensor.from(ids.slice(0, -1), "int32");
 * using targets = Tensor.from(ids.slice(1), "int32");
 * using loss = decoder.loss(inputs, targets);
 * loss.backward();
 * optimizer.step();
 * await saveDecoder("tuned.gguf", decoder, notes);
 * ```
 */
export async function loadDecoder(
  source: string,
  options: LoadDecoderOptions = {},
): Promise<LoadedDecoder> {
  const path = await resolveModel(source, options);
  const storage = MappedStorage.map(path);
  try {
    const gguf = parseGguf(new Uint8Array(storage.buffer), { name: path });
    const tokenizer = tokenizerFromGguf(gguf.metadata);
    const decoder = decoderFromGguf(gguf, storage, path, { dropout: options.dropout });
    const notes = notesOf(gguf);
    return { decoder, tokenizer, notes, [Symbol.dispose]: () => decoder.dispose() };
  } finally {
    storage.release();
  }
}

/** All but what says how the file was made. */
function notesOf({ metadata, types }: Gguf): GgufNotes {
  const own = /^general\.(alignment|quantization_version)$/;
  return { metadata: [...metadata].filter(([key]) => !own.test(key)), types };
}
