/**
 * Loads a model by name, file or address.
 */
import type { Progress } from "../core/progress.ts";
import { parseGguf } from "../formats/mod.ts";
import { resolveModel } from "../hub/mod.ts";
import { MappedStorage } from "../memory/mod.ts";
import { ggufArchitecture } from "../models/mod.ts";
import { tokenizerFromGguf } from "../tokenizers/mod.ts";
import { LanguageModel } from "./language_model.ts";

/** Options of {@linkcode loadModel}. */
export interface LoadModelOptions {
  /** Ends a download; the call then throws the signal's reason. */
  signal?: AbortSignal;
  /** Told how far a download is. */
  onProgress?: (progress: Progress) => void;
  /** Told, in one line, that a model is not here yet and will be fetched. */
  onPull?: (line: string) => void;
}

/**
 * Loads a language model. Its weights are mapped, not read, so that loading
 * takes as long as its vocabulary does.
 *
 * @param source A known name such as `"smollm2"`, a `.gguf` file, `hf:owner/repo/file`, or a URL.
 * @param options How to follow and end a download.
 * @returns The model, the caller's to dispose of.
 * @throws {SyntaxError} When the file is malformed.
 * @throws {RangeError} When its architecture or its types are not supported.
 * @throws {TypeError} When its vocabulary is incomplete or of a kind that is not supported.
 *
 * @example
 * ```ts ignore
 * import { loadModel } from "@quern/quern/models";
 *
 * using model = await loadModel("smollm2");
 * using session = model.createSession();
 * for await (const piece of session.generate("The mill stood by the river.", { maxTokens: 32 })) {
 *   console.log(piece.text);
 * }
 * ```
 */
export async function loadModel(
  source: string,
  options: LoadModelOptions = {},
): Promise<LanguageModel> {
  const path = await resolveModel(source, options);
  const started = performance.now();
  const storage = MappedStorage.map(path);
  try {
    const gguf = parseGguf(new Uint8Array(storage.buffer), { name: path });
    const build = ggufArchitecture(gguf.metadata.get("general.architecture"), path);
    const tokenizer = tokenizerFromGguf(gguf.metadata);
    const model = build(gguf, storage, path);
    return new LanguageModel(path, model, tokenizer, performance.now() - started);
  } finally {
    storage.release();
  }
}
