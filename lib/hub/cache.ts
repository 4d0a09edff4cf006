/**
 * The cache folder: where pulled models live, and how they get there whole.
 *
 * Layout below the cache folder:
 *
 *     models/<name>/…               finished models; nothing unfinished is ever here
 *     models/hf/<owner>/<repo>/<revision>/<file>
 *     models/https/<host>/<path hash>/<file>
 *     partial/…                     downloads that can be resumed
 *     locks/…                       one empty file per model, locked while it is pulled
 *     temporary/<random>/…          working folders, removed when the work ends
 *
 * Invariant: a path below `models/` appears by a rename from the same file
 * system after its bytes were checked and flushed to the disk, so a reader never sees half
 * a model, and a power cut leaves either all of it or nothing.
 *
 * @module
 */

import { delay } from "../core/delay.ts";
import { environment } from "../ffi/environment.ts";
import { dirname, join } from "./paths.ts";

/**
 * The folder that holds pulled models: `QUERN_CACHE` when it is set, else the
 * platform's own cache folder with `quern` below it. The folder need not exist.
 * Variables that the process may not read count as unset.
 *
 * @returns an absolute path
 * @throws Error when no variable that would name the folder can be read
 *
 * @example
 * ```ts
 * console.log(cacheFolder()); // for example /home/me/.cache/quern
 * ```
 */
export function cacheFolder(): string {
  const chosen = environment("QUERN_CACHE");
  if (chosen !== undefined) return absolute(chosen);
  const home = environment("HOME");
  switch (Deno.build.os) {
    case "windows": {
      const local = environment("LOCALAPPDATA");
      if (local !== undefined) return join(local, "quern", "cache");
      break;
    }
    case "darwin":
      if (home !== undefined) return join(home, "Library", "Caches", "quern");
      break;
    default: {
      const xdg = environment("XDG_CACHE_HOME");
      // The XDG specification says that a relative path is to be ignored.
      if (xdg?.startsWith("/")) return join(xdg, "quern");
      if (home !== undefined) return join(home, ".cache", "quern");
    }
  }
  throw new Error(
    "the cache folder is unknown: neither QUERN_CACHE nor the variables that name this user's " +
      "cache folder can be read; set QUERN_CACHE, or allow it with --allow-env",
  );
}

function absolute(path: string): string {
  return /^([A-Za-z]:)?[\\/]/.test(path) ? path : join(Deno.cwd(), path);
}

/** Makes a folder and those above it, with an error that says what to do. */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw cacheError(`cannot make the folder ${path}`, error);
  }
}

/** A working folder inside the cache that is removed, with all in it, when disposed of. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a working folder on the cache's own file system, so that files can be renamed out of it. */
export async function temporaryFolder(cache: string): Promise<TemporaryFolder> {
  const parent = join(cache, "temporary");
  const path = join(parent, crypto.randomUUID());
  await ensureFolder(path);
  await removeAbandoned(parent);
  return {
    path,
    async [Symbol.asyncDispose]() {
      // What cannot be removed must not hide the outcome of the work.
      await Deno.remove(path, { recursive: true }).catch(() => {});
    },
  };
}

const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** Removes what a process left behind that was killed; a day is longer than any pull takes. */
async function removeAbandoned(parent: string): Promise<void> {
  try {
    for await (const entry of Deno.readDir(parent)) {
      const path = join(parent, entry.name);
      const changed = (await Deno.stat(path)).mtime?.getTime() ?? Date.now();
      if (Date.now() - changed > ABANDONED_MS) await Deno.remove(path, { recursive: true });
    }
  } catch {
    // Another process tidies at the same time; nothing depends on it.
  }
}

/**
 * Waits until this process alone works on a model. The lock belongs to an open
 * file, so the operating system frees it when a process dies.
 *
 * @param cache the cache folder
 * @param name what is locked; any text
 * @param options `signal` ends the wait, `onWait` is called once when another holds the lock
 */
export async function lockModel(
  cache: string,
  name: string,
  options: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<Disposable> {
  const folder = join(cache, "locks");
  await ensureFolder(folder);
  const path = join(folder, `${name.replaceAll(/[^A-Za-z0-9._-]+/g, "_").slice(-120)}.lock`);
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { create: true, write: true });
  } catch (error) {
    throw cacheError(`cannot write ${path}`, error);
  }
  try {
    let waited = false;
    while (!file.tryLockSync(true)) {
      if (!waited) options.onWait?.();
      waited = true;
      await delay(200, options.signal);
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}

/**
 * Puts a finished file or folder into its place. Where another process was
 * faster its result stays, since both checked the same bytes.
 */
export async function moveIntoPlace(from: string, to: string): Promise<void> {
  await ensureFolder(dirname(to));
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if (await isThere(to)) return;
    throw cacheError(`cannot move the finished model to ${to}`, error);
  }
}

/** Whether a path exists. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

/** Flushes a file to the disk, so that the rename after it cannot outlive its bytes. */
export async function flushFile(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  await file.sync();
}

/**
 * Turns a failure of the file system into one line that says what to do. Other
 * errors, such as an aborted signal, are given back as they are.
 */
export function cacheError(what: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  // The operating system's codes are texts; a DOMException, such as an abort, has a number.
  const code = (error as Error & { code?: unknown }).code;
  const advice = typeof code === "string" ? ADVICE[code] : undefined;
  if (advice !== undefined) return new Error(`${what}: ${advice}`, { cause: error });
  if (error instanceof Deno.errors.NotCapable) {
    return new Error(`${what}: ${firstLine(error.message)}`, { cause: error });
  }
  if (typeof code !== "string") return error;
  return new Error(`${what}: ${firstLine(error.message)}`, { cause: error });
}

const OTHER_FOLDER = "or set QUERN_CACHE to another folder";
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: `no space left on that disk; free some space, ${OTHER_FOLDER}`,
  EDQUOT: `the disk quota is used up; free some space, ${OTHER_FOLDER}`,
  EFBIG: `the file is larger than this disk or process may write; lift that limit, ${OTHER_FOLDER}`,
  EROFS: `that disk is read-only; make it writable, ${OTHER_FOLDER}`,
  EACCES: `permission denied; make the folder writable, ${OTHER_FOLDER}`,
  EPERM: `the operating system does not permit it; make the folder writable, ${OTHER_FOLDER}`,
  ENOTDIR: `a part of that path is not a folder; set QUERN_CACHE to a folder`,
  ENOENT: `a part of that path cannot be made; set QUERN_CACHE to another folder`,
};

/** The first line of a text, for messages that must stay one line. */
export function firstLine(text: string): string {
  return text.split("\n", 1)[0].trim();
}
