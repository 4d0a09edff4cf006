/**
 * Finding, pulling and caching models. No tensors here: a source text goes in,
 * the path of a file or folder on this machine comes out.
 *
 * @module
 */

import { cacheFolder, isThere, lockModel } from "./cache.ts";
import type { WorkOptions } from "./hash.ts";
import { type KnownModel, knownModels, type PackagedFile } from "./known.ts";
import {
  fetchKnownModel,
  isKnownModelThere,
  knownModelPath,
  verifyKnownModel,
} from "./known_pull.ts";
import { join } from "./paths.ts";
import { hubModel, type RemoteModel, urlModel, verifyRemoteFile } from "./remote_pull.ts";
import { nearestName, parseSource } from "./sources.ts";

export type { Progress } from "../core/progress.ts";
export type { KnownModel, PackagedFile, WorkOptions };
export { cacheFolder, knownModels };

/** Options of {@linkcode resolveModel}. */
export interface ResolveOptions extends WorkOptions {
  /** Called with one line for people before something is downloaded, or while it waits. */
  onPull?: (line: string) => void;
}

/** Options of {@linkcode pullModel}. */
export interface PullOptions extends ResolveOptions {
  /** Read every byte of a model that is there and compare its SHA-256. */
  verify?: boolean;
}

/**
 * Makes sure that a model is in the cache.
 *
 * Several processes may pull the same model at once: one does it, the others
 * wait and find it done. An interrupted download goes on the next time.
 *
 * @param name a known name, `hf:owner/repo[@revision][/file]`, or `https://…`
 * @param options signal, callbacks, and whether to verify what is there
 * @returns the path of the model's file or folder
 * @throws Error with one line that says what failed and what to do
 *
 * @example
 * ```ts ignore
 * const path = await pullModel("smollm2", { onPull: (line) => console.error(line) });
 * console.log(path);
 * ```
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<string> {
  options.signal?.throwIfAborted();
  const source = parseSource(name);
  switch (source.kind) {
    case "known":
      return await pullKnown(source.model, options);
    case "url":
      return await pullRemote(name, urlModel(source), options);
    case "hf":
      return await pullRemote(name, await hubModel(cacheFolder(), source, options), options);
    case "path":
      throw unknownModel(name);
  }
}

/**
 * Finds a model: a file, a folder, a known name, `hf:owner/repo[/file]` or
 * `https://…`. What is not on this machine yet is pulled into the cache.
 *
 * @param source what the user wrote
 * @param options signal and callbacks
 * @returns the path of the model's file or folder
 *
 * @example
 * ```ts ignore
 * const path = await resolveModel("./model.gguf");
 * ```
 */
export async function resolveModel(source: string, options: ResolveOptions = {}): Promise<string> {
  const parsed = parseSource(source);
  if (parsed.kind !== "path") return await pullModel(source, options);
  if (!await isThere(parsed.path)) throw unknownModel(source);
  return parsed.path;
}

async function pullKnown(model: KnownModel, options: PullOptions): Promise<string> {
  const cache = cacheFolder();
  const path = knownModelPath(cache, model);
  if (!await isKnownModelThere(cache, model)) {
    options.onPull?.(
      `pulling ${model.name} (${model.description}; ${model.licence}) into ${cache}`,
    );
    using _lock = await lock(cache, model.name, options);
    if (!await isKnownModelThere(cache, model)) await fetchKnownModel(cache, model, options);
    return path;
  }
  if (options.verify) await verifyKnownModel(cache, model, options);
  return path;
}

async function pullRemote(
  name: string,
  model: RemoteModel,
  options: PullOptions,
): Promise<string> {
  const cache = cacheFolder();
  const path = join(cache, "models", model.path);
  const present = await model.present(cache);
  if (present === undefined) {
    options.onPull?.(`pulling ${name} into ${cache}`);
    using _lock = await lock(cache, model.path, options);
    if (await model.present(cache) === undefined) await model.fetch(cache, options);
    return path;
  }
  if (options.verify) {
    for (const file of present) await verifyRemoteFile(file, options);
  }
  return path;
}

function lock(cache: string, name: string, options: ResolveOptions): Promise<Disposable> {
  return lockModel(cache, name, {
    signal: options.signal,
    onWait: () => options.onPull?.(`another process is pulling ${name}; waiting for it`),
  });
}

function unknownModel(name: string): Error {
  const near = nearestName(name);
  const names = knownModels().map((model) => model.name).join(", ");
  const hint = near === undefined ? `a known name is ${names}` : `did you mean ${near}?`;
  return new Error(
    `no model ${JSON.stringify(name)}: there is no such file or folder, and ${hint}; ` +
      "hf:owner/repo/file and https:// addresses work too",
  );
}
