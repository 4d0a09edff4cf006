/**
 * Finds or installs Zig, and builds the native library with it, in a checkout.
 *
 * Zig is the only tool that the build needs: it is a C compiler for every target. It is taken from
 * `.zig`, a folder that git ignores, from `PATH` or from Python's `ziglang` package; where none of
 * them has it, `pip` installs it into `.zig`. Nothing here prints: what happens is reported a line
 * at a time.
 *
 * Installing and building hold an operating system's lock on `.zig/lock`, so that two processes
 * never do it at once; the lock vanishes with its process, however that ends.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { delay } from "../core/delay.ts";
import { type Outcome, runProgram } from "./process.ts";
import { findPip, PYTHONS } from "./python.ts";

/** The version of Zig that is installed when there is none. */
const ZIG_VERSION = "0.17.0";

/** Versions that build the library; Zig's build files change with each minor version. */
const FITTING = /^0\.17\./;

/** How often a line says that long work goes on. */
const REPORT_MS = 10_000;

/** A Zig that fits. */
export interface ZigCommand {
  /** The program and its first arguments. */
  readonly command: readonly string[];
  /** Its version. */
  readonly version: string;
}

/** What work on the toolchain takes. */
export interface ToolchainOptions {
  /** Ends the work. */
  signal?: AbortSignal;
  /** Gets one line of text at a time: what is done now. */
  onProgress?: (line: string) => void;
}

/** What {@linkcode buildLibrary} takes. */
export interface BuildOptions extends ToolchainOptions {
  /** The Zig to use; found, or else installed, when it is absent. */
  zig?: ZigCommand;
  /** Steps and options of `build.zig`; none builds the library for this machine. */
  args?: readonly string[];
}

/**
 * The folder of the checkout that this module belongs to.
 *
 * @returns its path, or undefined where the module is no part of a checkout
 */
export function checkoutFolder(): string | undefined {
  const root = new URL("../../", import.meta.url);
  if (root.protocol !== "file:") return undefined;
  const folder = fileURLToPath(root);
  try {
    return Deno.statSync(`${folder}build.zig`).isFile ? folder : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Looks for a Zig that fits: in the checkout's `.zig`, on `PATH`, and as Python's `ziglang`.
 *
 * @param options a signal
 * @returns how to call it, or undefined when there is none
 */
export async function findZig(options: ToolchainOptions = {}): Promise<ZigCommand | undefined> {
  const { signal } = options;
  const folder = checkoutFolder();
  const commands = [
    ...(folder === undefined ? [] : [[installedZig(folder)]]),
    ["zig"],
    ...PYTHONS.map((python) => [...python, "-m", "ziglang"]),
  ];
  for (const command of commands) {
    const outcome = await runProgram([...command, "version"], { signal });
    const version = outcome?.code === 0 ? outcome.stdout.trim() : "";
    if (FITTING.test(version)) return { command, version };
  }
  return undefined;
}

/**
 * Installs Zig with pip into the checkout's `.zig`.
 *
 * @param options a signal, and what is called with lines about the progress
 * @returns how to call it
 * @throws {Error} when there is no pip, or it fails: says what was tried and what to do
 */
async function installZig(options: ToolchainOptions = {}): Promise<ZigCommand> {
  const { signal } = options;
  const folder = requireCheckout("Installing Zig");
  return await withLock(folder, options, async () => {
    const zig = { command: [installedZig(folder)], version: ZIG_VERSION };
    const version = [...zig.command, "version"];
    // Another process may have installed it while this one waited for the lock.
    if (await runProgram(version, { signal }) !== undefined) return zig;
    const pip = await findPip({
      needed: `to install Zig ${ZIG_VERSION}`,
      instead: `put Zig ${ZIG_VERSION} on PATH`,
    }, signal);
    await pipInstall(pip, folder, options);
    const outcome = await runProgram(version, { signal });
    if (outcome?.code !== 0) {
      throw new Error(`Zig was installed, but ${installedZig(folder)} does not run here`);
    }
    return zig;
  });
}

/**
 * Builds the native library of the checkout, and gets Zig first when there is none.
 *
 * @param options the Zig to use, the steps of `build.zig`, a signal, and what is called with lines
 * about the progress
 * @returns what Zig wrote, for the steps that report something
 * @throws {Error} when there is no checkout, or the build fails: with all that Zig wrote
 */
export async function buildLibrary(options: BuildOptions = {}): Promise<string> {
  const folder = requireCheckout("Building the native library");
  const zig = options.zig ?? await findZig(options) ?? await installZig(options);
  return await withLock(folder, options, async () => {
    const args = ["build", ...options.args ?? []];
    const command = [...zig.command, ...args];
    options.onProgress?.(
      `Building the native library: zig ${args.join(" ")}, Zig ${zig.version} ` +
        `(about a minute and a half the first time, seconds later)`,
    );
    const outcome = await withReports(
      "Still building",
      options,
      () => runProgram(command, { signal: options.signal, cwd: folder }),
    );
    const output = (outcome?.stderr ?? "") + (outcome?.stdout ?? "");
    if (outcome?.code === 0) return output;
    throw new Error(
      `${command.join(" ")} failed in ${folder} (${describeEnd(outcome)}):\n${output.trimEnd()}`,
    );
  });
}

function requireCheckout(what: string): string {
  const folder = checkoutFolder();
  if (folder !== undefined) return folder;
  throw new Error(`${what} needs a checkout of Quern: there is no build.zig beside this module`);
}

function describeEnd(outcome: Outcome | undefined): string {
  return outcome === undefined ? "it could not be started" : `exit status ${outcome.code}`;
}

/** Where pip puts the program; the version is in the path, so that another one never stands in. */
function installedZig(folder: string): string {
  const program = Deno.build.os === "windows" ? "zig.exe" : "zig";
  return `${folder}.zig/${ZIG_VERSION}/ziglang/${program}`;
}

/** Installs beside the final place and renames, so that an interrupted installation leaves nothing. */
async function pipInstall(
  pip: readonly string[],
  folder: string,
  options: ToolchainOptions,
): Promise<void> {
  const fresh = `${folder}.zig/installing`;
  await removeFolder(fresh);
  options.onProgress?.(`Installing Zig ${ZIG_VERSION} with pip into .zig (about 100 MB)`);
  const command = [
    ...pip,
    "install",
    "--target",
    fresh,
    "--no-deps",
    "--only-binary=:all:",
    "--no-input",
    "--disable-pip-version-check",
    `ziglang==${ZIG_VERSION}`,
  ];
  const outcome = await withReports(
    "Still installing Zig",
    options,
    () => runProgram(command, { signal: options.signal }),
  );
  if (outcome?.code !== 0) {
    await removeFolder(fresh);
    throw new Error(
      `${command.join(" ")} failed (${describeEnd(outcome)}): ${outcome?.stderr.trimEnd()}\n` +
        `Check the network and pip's configuration, or put Zig ${ZIG_VERSION} on PATH`,
    );
  }
  await removeFolder(`${folder}.zig/${ZIG_VERSION}`);
  await Deno.rename(fresh, `${folder}.zig/${ZIG_VERSION}`);
}

async function removeFolder(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Runs `work` while holding the checkout's lock; waits for it, and says so, when another has it. */
async function withLock<T>(
  folder: string,
  options: ToolchainOptions,
  work: () => Promise<T>,
): Promise<T> {
  await Deno.mkdir(`${folder}.zig`, { recursive: true });
  using file = await Deno.open(`${folder}.zig/lock`, { create: true, write: true });
  for (let attempt = 0; !await file.tryLock(true); attempt++) {
    if (attempt === 0) options.onProgress?.("Waiting for another process that builds Quern");
    await delay(200, options.signal);
  }
  return await work();
}

/** Does long work, and says every few seconds that it goes on. */
async function withReports<T>(
  doing: string,
  options: ToolchainOptions,
  work: () => Promise<T>,
): Promise<T> {
  const started = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - started) / 1000);
    options.onProgress?.(`${doing} (${seconds} s)`);
  }, REPORT_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
