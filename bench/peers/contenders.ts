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
import { installPackage, preparePython } from "../../lib/cli/bench/peer_files.ts";
import { oneLine } from "../../lib/cli/errors.ts";
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

function fileOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
