/**
 * Loads a model by name, file or address.
 */
import type { Progress } from "../core/progress.ts";
import { parseGguf } from "../formats/mod.ts";
import { resolveModel } from "../hub/mod.ts";
import { MappedStorage, PooledStorage, type Storage } from "../memory/mod.ts";
import { ggufArchitecture } from "../models/mod.ts";
import { tokenizerFromGguf } from "../tokenizers/mod.ts";
import { DEFAULT_MODEL, readDefaultModel } from "./default_model.ts";
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
    return modelFrom(storage, new Uint8Array(storage.buffer), path, started);
  } finally {
    storage.release();
  }
}

/**
 * Loads the model that comes with this module: a small one that continues English prose. It needs
 * no network, and about four megabytes of the pool.
 *
 * @returns The model, the caller's to dispose of.
 * @throws {Error} When its file cannot be read.
 *
 * @example
 * ```ts ignore
 * import { loadDefaultModel } from "@quern/quern/models";
 *
 * using model = await loadDefaultModel();
 * using session = model.createSession();
 * console.log((await session.generate("The river was high, and").finish()).text);
 * ```
 */
export async function loadDefaultModel(): Promise<LanguageModel> {
  const bytes = await readDefaultModel();
  const started = performance.now();
  const storage = new PooledStorage(bytes.length);
  try {
    const stored = new Uint8Array(storage.buffer, storage.bufferOffset, bytes.length);
    stored.set(bytes);
    return modelFrom(storage, stored, DEFAULT_MODEL, started);
  } finally {
    storage.release();
  }
}

/** Storage and a view of its bytes, which begin where the storage does. */
function modelFrom(
  storage: Storage,
  bytes: Uint8Array,
  name: string,
  started: number,
): LanguageModel {
  const gguf = parseGguf(bytes, { name });
  const build = ggufArchitecture(gguf.metadata.get("general.architecture"), name);
  const tokenizer = tokenizerFromGguf(gguf.metadata);
  const model = build(gguf, storage, name);
  return new LanguageModel(name, model, tokenizer, performance.now() - started);
}
