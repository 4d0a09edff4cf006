/**
 * Who takes part in `deno task bench:peers`, how each is set up and started. A peer that
 * cannot be had is left out and its reason told; Quern cannot be.
 *
 * Peers are no dependencies: npm and pip install them, at the versions below, into the
 * cache folder when they are first asked for.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { LineProcess } from "../../lib/cli/bench/line_process.ts";
import { installPackage, peersFolder } from "../../lib/cli/bench/peer_files.ts";
import { oneLine } from "../../lib/cli/errors.ts";
import { writeLog } from "../../lib/cli/output.ts";
import { PYTHONS } from "../../lib/ffi/python.ts";
import { runProgram } from "../../lib/ffi/process.ts";
import type { BenchCase } from "./cases.ts";

/** A process that takes part, once or in several variants. */
export interface Running extends AsyncDisposable {
  readonly name: string;
  readonly version: string;
  readonly process: LineProcess;
}

/** What setting up needs to know. */
export interface Setup {
  readonly threads: number;
  /** An interpreter that has the packages already. */
  readonly python?: string;
  readonly signal: AbortSignal;
}

/** A program that can be started. */
interface Program {
  /** What tables call it. */
  readonly name: string;
  /** Installs what it needs; returns the program and its arguments. */
  readonly command: (setup: Setup) => Promise<string[]>;
}

/** Ours. */
export const QUERN = "Quern";

const PROGRAMS: readonly Program[] = [
  {
    name: QUERN,
    command: ({ threads }) =>
      Promise.resolve([Deno.execPath(), "run", "-A", fileOf("quern_peer.ts"), `${threads}`]),
  },
  python("numpy", "numpy_peer.py"),
  python("torch", "torch_peer.py", "torch==2.15.0"),
  python("onnxruntime", "onnxruntime_peer.py", "onnxruntime==1.31.1"),
  node("onnxruntime-node", "onnxruntime_node_peer.mjs", "onnxruntime-node", "1.30.0"),
  node("tfjs-wasm", "tfjs_wasm_peer.mjs", "@tensorflow/tfjs-backend-wasm", "4.22.0", [
    "@tensorflow/tfjs-core@4.22.0",
    "@tensorflow/tfjs-backend-cpu@4.22.0",
  ]),
  node("numpy-ts", "numpy_ts_peer.mjs", "numpy-ts", "1.7.0"),
];

/** Every Python peer computes its operands with it. */
const NUMPY = "numpy==2.4.6";

/** Whom Quern is compared with, in the order of the tables. */
export const PEERS: readonly string[] = PROGRAMS.slice(1).map(({ name }) => name);

/** The ways in which Quern computes a case; each is compared with the peers by itself. */
export function variantsOf({ family }: BenchCase): readonly string[] {
  return family === "gemm" ? ["linear", "matmul"] : [""];
}

/**
 * Whether a peer is given what one of our variants is given: onnxruntime's weights are
 * constants, which it packs ahead as `linear` does and `matmul` cannot.
 */
export function isAlike(variant: string, peer: string): boolean {
  return variant !== "matmul" || !peer.startsWith("onnxruntime");
}

/** Who could be started, and why others could not. */
export interface Started extends AsyncDisposable {
  readonly running: readonly Running[];
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
}

/** Starts Quern and the named peers; disposing of what is returned ends them. */
export async function startContenders(peers: readonly string[], setup: Setup): Promise<Started> {
  const running: Running[] = [];
  const missing: { name: string; reason: string }[] = [];
  const started = {
    running,
    missing,
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((one) => one[Symbol.asyncDispose]()));
    },
  };
  for (const program of PROGRAMS) {
    if (program.name !== QUERN && !peers.includes(program.name)) continue;
    try {
      running.push(await start(program, setup));
    } catch (error) {
      if (program.name !== QUERN && !setup.signal.aborted) {
        missing.push({ name: program.name, reason: oneLine((error as Error).message) });
        continue;
      }
      await started[Symbol.asyncDispose]();
      setup.signal.throwIfAborted();
      throw error;
    }
  }
  return started;
}

async function start({ name, command }: Program, setup: Setup): Promise<Running> {
  const { signal } = setup;
  const process = LineProcess.start(name, await command(setup), { signal });
  try {
    const { version } = await process.next() as { version: string };
    return { name, version, process, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
}

function node(
  name: string,
  script: string,
  packageName: string,
  version: string,
  besides: readonly string[] = [],
): Program {
  return {
    name,
    async command({ threads, signal }) {
      const folder = await installPackage(packageName, version, besides, signal);
      return ["node", fileOf(script), `${threads}`, folder];
    },
  };
}

function python(name: string, script: string, ...packages: readonly string[]): Program {
  return {
    name,
    async command({ threads, python, signal }) {
      const interpreter = python ?? await preparePython([NUMPY, ...packages], signal);
      // Compiled files would stand beside the sources.
      return [interpreter, "-B", fileOf(script), `${threads}`];
    },
  };
}

/** The interpreter of a virtual environment in the cache that has some packages. */
async function preparePython(packages: readonly string[], signal: AbortSignal): Promise<string> {
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

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
