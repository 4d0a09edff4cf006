/**
 * Makes the native library ready for a command: builds it first in a checkout
 * that has none, then applies the options that every command takes.
 *
 * @module
 */

import { environment, native, NativeLibraryError, setThreads } from "../ffi/mod.ts";
import { buildLibrary, checkoutFolder } from "../ffi/zig.ts";
import { pool } from "../memory/mod.ts";
import type { ParsedOptions } from "./options.ts";
import { writeLog } from "./output.ts";

/**
 * Opens the native library and applies `--threads` and `--memory-limit`.
 *
 * @param options the command's options
 * @param signal ends a build
 */
export async function prepareNative(options: ParsedOptions, signal: AbortSignal): Promise<void> {
  await openOrBuild(signal);
  const threads = options.number("threads");
  if (threads !== undefined) setThreads(threads);
  const limit = options.number("memory-limit");
  if (limit !== undefined) pool.setBudget(limit);
}

async function openOrBuild(signal: AbortSignal): Promise<void> {
  try {
    native();
  } catch (error) {
    // A path that the user chose is not ours to build.
    const chosen = environment("QUERN_LIBRARY") !== undefined;
    const buildable = error instanceof NativeLibraryError && !chosen &&
      !(error.cause instanceof Deno.errors.NotCapable) && checkoutFolder() !== undefined;
    if (!buildable) throw error;
    await buildLibrary({ signal, onProgress: writeLog });
    native();
  }
}

/** Whether the library can be opened as things are; nothing is built. */
export function nativeProblem(): Error | undefined {
  try {
    native();
    return undefined;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}
