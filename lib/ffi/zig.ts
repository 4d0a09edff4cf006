/**
 * Finds or installs Zig, and builds the native library with it, in a checkout.
 *
 * Zig is the only tool that the build needs: it is a C compiler for every target. It is taken from
 * `PATH`, from Python's `ziglang` package, or installed by `pip` into `.zig`, a folder that git
 * ignores. Nothing here prints: what happens is reported a line at a time.
 *
 * Installing and building hold an operating system's lock on `.zig/lock`, so that two processes
 * never do it at once; the lock vanishes with its process, however that ends.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** The version of Zig that is installed when there is none. */
export const ZIG_VERSION = "0.17.0";

/** Versions that build the library; Zig's build files change with each minor version. */
const FITTING = /^0\.17\./;

/** How Python may be called here, best first. */
const PYTHONS: readonly (readonly string[])[] = [["python3"], ["python"], ["py", "-3"]];

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

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
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
 * Looks for a Zig that fits: on `PATH`, as Python's `ziglang`, and in the checkout's `.zig`.
 *
 * @param options a signal
 * @returns how to call it, or undefined when there is none
 */
export async function findZig(options: ToolchainOptions = {}): Promise<ZigCommand | undefined> {
  const folder = checkoutFolder();
  const commands = [
    ...(folder === undefined ? [] : [[installedZig(folder)]]),
    ["zig"],
    ...PYTHONS.map((python) => [...python, "-m", "ziglang"]),
  ];
  for (const command of commands) {
    const outcome = await run([...command, "version"], { signal: options.signal });
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
 * @throws {Error} when no Python has pip, or pip fails: says what was tried and what to do
 */
export async function installZig(options: ToolchainOptions = {}): Promise<ZigCommand> {
  const folder = requireCheckout("Installing Zig");
  return await withLock(folder, options, async () => {
    const zig = { command: [installedZig(folder)], version: ZIG_VERSION };
    // Another process may have installed it while this one waited for the lock.
    if (await run([...zig.command, "version"], options) !== undefined) return zig;
    const pip = await findPip(options.signal);
    await pipInstall(pip, folder, options);
    const outcome = await run([...zig.command, "version"], options);
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
    const outcome = await run(command, { ...options, cwd: folder, doing: "Still building" });
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

async function findPip(signal: AbortSignal | undefined): Promise<readonly string[]> {
  for (const python of PYTHONS) {
    const pip = [...python, "-m", "pip"];
    const outcome = await run([...pip, "--version"], { signal });
    if (outcome?.code === 0) return pip;
  }
  const tried = PYTHONS.map((python) => `${python.join(" ")} -m pip`).join(", ");
  throw new Error(
    `Zig ${ZIG_VERSION} was not found, and pip, which would install it, neither (tried ${tried}). ` +
      `Install Python with pip, or put Zig ${ZIG_VERSION} on PATH`,
  );
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
  const outcome = await run(command, { ...options, doing: "Still installing Zig" });
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

function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Runs a command to its end. `doing` names long work: a line says every few seconds that it goes
 * on. Aborting ends the command and throws the signal's reason.
 *
 * @returns its exit status and output, or undefined when there is no such program
 */
async function run(
  command: readonly string[],
  options: ToolchainOptions & { cwd?: string; doing?: string },
): Promise<Outcome | undefined> {
  options.signal?.throwIfAborted();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command[0], {
      args: command.slice(1),
      cwd: options.cwd,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const started = performance.now();
  const timer = options.doing === undefined ? undefined : setInterval(() => {
    const seconds = Math.round((performance.now() - started) / 1000);
    options.onProgress?.(`${options.doing} (${seconds} s)`);
  }, REPORT_MS);
  const stop = () => endChild(child);
  options.signal?.addEventListener("abort", stop, { once: true });
  try {
    const [status, stdout, stderr] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    options.signal?.throwIfAborted();
    return { code: status.code, stdout, stderr };
  } finally {
    clearInterval(timer);
    options.signal?.removeEventListener("abort", stop);
  }
}

function endChild(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGTERM");
  } catch {
    // It ended by itself in the meantime.
  }
}
