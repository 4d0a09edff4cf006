/**
 * Peers that benchmarks compare with: their programs in a checkout's `bench/peers`,
 * and packages that npm installs into the cache.
 *
 * @module
 */

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
