/**
 * What the pool is compared with: the C library's malloc and free, called from C,
 * and the memory of numpy-ts, which lives in WebAssembly.
 *
 * Both run in this process, so that they take turns with the pool in one run. Nothing
 * of them is a dependency: the C file is compiled and the package installed only for
 * `--peer`.
 *
 * @module
 */

import { native } from "../../ffi/mod.ts";
import { findZig } from "../../ffi/zig.ts";
import { runProgram } from "../../ffi/process.ts";
import { fileURLToPath, pathToFileURL } from "node:url";
import { oneLine } from "../errors.ts";
import { writeLog } from "../output.ts";
import type { Loop } from "./measure.ts";
import { installPackage, peerFile, peersFolder } from "./peer_files.ts";

const NUMPY_VERSION = "1.7.0";

/** Where the peers are; plain data, so that workers can be told. */
export interface PoolPeers {
  /** The shared library of `bench/peers/pairs.c`. */
  readonly pairs: string;
  /** The folder of the package numpy-ts. */
  readonly numpy: string;
}

/** A peer's operation at one size. */
export interface PeerCase {
  readonly name: string;
  readonly loop: Loop;
}

/** Makes the peers ready: compiles the C file and installs the package, once. */
export async function preparePoolPeers(signal: AbortSignal): Promise<PoolPeers> {
  return {
    pairs: await compilePairs(signal),
    numpy: await installPackage("numpy-ts", NUMPY_VERSION, [], signal),
  };
}

async function compilePairs(signal: AbortSignal): Promise<string> {
  const source = fileURLToPath(peerFile("pairs.c"));
  const zig = await findZig({ signal });
  if (zig === undefined) throw new Error("--peer needs Zig, as building the library does");
  const folder = `${peersFolder()}/pairs`;
  await Deno.mkdir(folder, { recursive: true });
  const library = `${folder}/pairs-${Deno.pid}.so`;
  writeLog("compiling the C pairs");
  const args = ["cc", "-O2", "-shared", "-fPIC", "-o", library, source];
  const outcome = await runProgram([...zig.command, ...args], { signal });
  if (outcome?.code === 0) return library;
  throw new Error(`zig cc failed: ${oneLine(outcome?.stderr.slice(0, 300) ?? "it vanished")}`);
}

/** Removes what only this run needs. */
export async function removePoolPeers(peers: PoolPeers): Promise<void> {
  await Deno.remove(peers.pairs).catch(() => {});
}

/** The peers' operations, by number of float32 elements. */
export async function openPoolPeers(peers: PoolPeers): Promise<(length: number) => PeerCase[]> {
  const inC = openPairs(peers.pairs);
  const numpy = await openNumpy(peers.numpy);
  return (length) => [...inC(length), ...numpy(length)];
}

function openPairs(path: string): (length: number) => PeerCase[] {
  const { symbols } = Deno.dlopen(path, {
    malloc_pairs: { parameters: ["usize", "u32"], result: "u32" },
    pool_pairs: { parameters: ["usize", "usize", "usize", "u32"], result: "u32" },
  });
  const { path: library } = native();
  const pool = Deno.dlopen(library.startsWith("file:") ? new URL(library) : library, {
    qn_pool_rent: { type: "pointer" },
    qn_pool_return: { type: "pointer" },
  }).symbols;
  const rent = Deno.UnsafePointer.value(pool.qn_pool_rent);
  const giveBack = Deno.UnsafePointer.value(pool.qn_pool_return);
  const origin = Deno.build.os === "linux" ? "glibc" : "C library";
  return (length) => {
    const bytes = BigInt(length * 4);
    return [{
      name: `native pool ${length}, from C`,
      loop: (count) => served(symbols.pool_pairs(rent, giveBack, bytes, count), count),
    }, {
      name: `malloc ${length}, from C (${origin})`,
      loop: (count) => served(symbols.malloc_pairs(bytes, count), count),
    }];
  };
}

function served(actual: number, count: number): void {
  if (actual !== count) throw new Error(`only ${actual} of ${count} requests were served`);
}

/** What is used of numpy-ts: an array of its own, and the allocator below it. */
interface Numpy {
  empty(shape: number[], dtype: string): { dispose(): void };
}
interface NumpyMemory {
  wasmMalloc(bytes: number): { release(): void } | null;
}

async function openNumpy(folder: string): Promise<(length: number) => PeerCase[]> {
  const load = async (path: string) => await import(pathToFileURL(`${folder}/${path}`).href);
  const numpy: Numpy = await load("dist/esm/index.js");
  const memory: NumpyMemory = await load("dist/esm/common/wasm/runtime.js");
  return (length) => {
    const bytes = length * 4;
    const shape = [length];
    return [{
      name: `numpy-ts wasmMalloc ${length}`,
      loop(count) {
        for (let i = 0; i < count; i++) memory.wasmMalloc(bytes)!.release();
      },
    }, {
      name: `numpy-ts empty ${length}`,
      loop(count) {
        for (let i = 0; i < count; i++) numpy.empty(shape, "float32").dispose();
      },
    }];
  };
}
