/**
 * Peers that benchmarks compare with: their programs in a checkout's `bench/peers`,
 * and packages that npm and pip install into the cache.
 *
 * @module
 */

import { runProgram } from "../../ffi/process.ts";
import { PYTHONS } from "../../ffi/python.ts";
import { cacheFolder } from "../../hub/mod.ts";
import { oneLine } from "../errors.ts";
import { writeLog } from "../output.ts";

/**
 * A file of `bench/peers`.
 *
 * @throws {Error} when the module is no part of a checkout
 */
export function peerFile(name: string): URL {
  const file = new URL(`../../../bench/peers/${name}`, import.meta.url);
  if (file.protocol !== "file:") throw new Error("--peer needs a checkout of the project");
  return file;
}

/** Where peers are kept. */
export function peersFolder(): string {
  return `${cacheFolder()}/peers`;
}

/**
 * Installs a package of npm in a folder of its own, once.
 *
 * @param name the package
 * @param version exactly this one
 * @param besides other packages that it needs, with their versions
 * @param signal ends the installation
 * @returns the package's folder
 */
export async function installPackage(
  name: string,
  version: string,
  besides: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const folder = `${peersFolder()}/${name}-${version}`;
  const installed = `${folder}/node_modules/${name}`;
  const done = `${folder}/installed`;
  try {
    await Deno.stat(done);
    return installed;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  writeLog(`installing ${name} ${version} with npm into ${folder}`);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/package.json`, '{ "private": true }\n');
  await npmInstall(folder, [`${name}@${version}`, ...besides], signal);
  await Deno.writeTextFile(done, "");
  return installed;
}

/** Optional packages are left out: where a binary is one, the caller names this platform's. */
async function npmInstall(
  folder: string,
  packages: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const npm = Deno.build.os === "windows" ? "npm.cmd" : "npm";
  const options = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"];
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(npm, {
      args: ["install", ...options, "--loglevel=error", ...packages],
      cwd: folder,
      stdin: "null",
      signal,
    }).output();
  } catch (error) {
    signal.throwIfAborted();
    throw new Error("--peer needs Node.js with npm; install it, or leave --peer out", {
      cause: error,
    });
  }
  signal.throwIfAborted();
  if (output.success) return;
  const said = oneLine(new TextDecoder().decode(output.stderr).slice(0, 300));
  throw new Error(`npm install ${packages[0]} failed: ${said}`);
}

/**
 * The interpreter of a virtual environment in the cache that has some packages.
 *
 * @param packages each with its version, as pip takes them
 * @param signal ends the installation
 * @throws {Error} when there is no Python, or pip cannot install one
 */
export async function preparePython(
  packages: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const folder = `${peersFolder()}/python`;
  const interpreter = Deno.build.os === "windows"
    ? `${folder}/Scripts/python.exe`
    : `${folder}/bin/python`;
  await makeEnvironment(folder, interpreter, signal);
  for (const wanted of packages) await pipInstall(folder, interpreter, wanted, signal);
  return interpreter;
}

async function makeEnvironment(
  folder: string,
  interpreter: string,
  signal: AbortSignal,
): Promise<void> {
  const found = await runProgram([interpreter, "-m", "pip", "--version"], { signal });
  if (found?.code === 0) return;
  for (const command of PYTHONS) {
    const outcome = await runProgram([...command, "-m", "venv", "--clear", folder], { signal });
    if (outcome === undefined) continue;
    if (outcome.code === 0) return;
    const said = oneLine((outcome.stdout + outcome.stderr).trimEnd().slice(-300));
    throw new Error(`${command.join(" ")} -m venv failed: ${said}`);
  }
  throw new Error("needs Python with its venv module");
}

/** Installs a package once; a file in the environment tells that it is there. */
async function pipInstall(
  folder: string,
  interpreter: string,
  wanted: string,
  signal: AbortSignal,
): Promise<void> {
  const done = `${folder}/installed-${wanted}`;
  if (await Deno.stat(done).then(() => true, () => false)) return;
  writeLog(`installing ${wanted} with pip into ${folder}`);
  const pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  // Where a build of torch for processors only is to be had, it is a tenth of the other.
  const builds = wanted.startsWith("torch==") ? [`${wanted}+cpu`, wanted] : [wanted];
  let said = "";
  for (const build of builds) {
    const outcome = await runProgram([...pip, build], { signal });
    if (outcome?.code === 0) return await Deno.writeTextFile(done, "");
    said = oneLine((outcome?.stderr ?? "it vanished").trimEnd().slice(-300));
  }
  throw new Error(`pip install ${wanted} failed: ${said}`);
}
