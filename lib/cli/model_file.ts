/**
 * Loading models and reading files for commands, with progress and clear errors.
 *
 * @module
 */

import { MappedStorage } from "../memory/mod.ts";
import { DEFAULT_MODEL, readDefaultModel } from "../runtime/default_model.ts";
import { Embedder, type LanguageModel, loadDefaultModel, loadModel } from "../runtime/mod.ts";
import type { Precision } from "../ops/mod.ts";
import { parseGguf } from "../formats/mod.ts";
import { resolveModel } from "../hub/mod.ts";
import { type Tokenizer, tokenizerFromFolder, tokenizerFromGguf } from "../tokenizers/mod.ts";
import { fileError } from "./errors.ts";
import { nativeProblem } from "./native_library.ts";
import { writeLog } from "./output.ts";
import { ProgressDisplay } from "./progress.ts";

/**
 * Loads a model, pulling it first with a progress bar where it is not there yet; where none is
 * named, the one that is built in, and says so.
 */
export async function loadWithProgress(
  source: string | undefined,
  signal: AbortSignal,
): Promise<LanguageModel> {
  if (source === undefined) {
    noteDefaultModel();
    return await loadDefaultModel();
  }
  using display = await ProgressDisplay.create();
  try {
    return await loadModel(source, { signal, onProgress: display.report, onPull: writeLog });
  } catch (error) {
    throw fileError(source, error);
  }
}

/** Loads an embedder, pulling it first with a progress bar where it is not there yet. */
export async function loadEmbedderWithProgress(
  source: string,
  precision: Precision,
  signal: AbortSignal,
): Promise<Embedder> {
  using display = await ProgressDisplay.create();
  try {
    const onProgress = display.report;
    return await Embedder.load(source, { precision, signal, onProgress, onPull: writeLog });
  } catch (error) {
    throw fileError(source, error);
  }
}

/** Finds a model's file, pulling it first where it is not there yet. */
export async function resolveWithProgress(source: string, signal: AbortSignal): Promise<string> {
  using display = await ProgressDisplay.create();
  return await resolveModel(source, { signal, onProgress: display.report, onPull: writeLog });
}

function noteDefaultModel(): void {
  writeLog(
    `no --model: using ${DEFAULT_MODEL}, a small model of old novels and the World English Bible; ` +
      "--model smollm2 knows more",
  );
}

/**
 * Reads only a model's vocabulary; a file need not have tensors, nor a folder weights. Where no
 * model is named, it is that of the one that is built in.
 */
export async function loadTokenizer(
  source: string | undefined,
  signal: AbortSignal,
): Promise<Tokenizer> {
  if (source === undefined) {
    noteDefaultModel();
    const bytes = await readDefaultModel();
    return tokenizerFromGguf(parseGguf(bytes, { name: DEFAULT_MODEL }).metadata);
  }
  const path = await resolveWithProgress(source, signal);
  if (await isFolder(path)) return await tokenizerFromFolder(path);
  return await withFile(
    path,
    (bytes) => tokenizerFromGguf(parseGguf(bytes, { name: path }).metadata),
  );
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Gives a function the bytes of a whole file: mapped where the native library
 * is there, so that a large model costs nothing, else read.
 */
export async function withFile<T>(path: string, use: (bytes: Uint8Array) => T): Promise<T> {
  try {
    const { isFile, isCharDevice, isBlockDevice, size } = await Deno.stat(path);
    // A device such as /dev/zero may never end.
    if (isCharDevice || isBlockDevice) throw new Error(`${path} is a device; name a file`);
    if (!isFile || size === 0 || nativeProblem() !== undefined) {
      return use(await Deno.readFile(path));
    }
    const storage = MappedStorage.map(path);
    try {
      return use(new Uint8Array(storage.buffer));
    } finally {
      storage.release();
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Writes a file whole or not at all: under a temporary name, then renamed. */
export async function writeFileWhole(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.writeFile(temporary, bytes, { createNew: true });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw fileError(path, error);
  }
}
