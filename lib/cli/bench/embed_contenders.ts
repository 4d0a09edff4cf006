/**
 * Who takes part in `bench embed`: Quern in both precisions and, with peers, Transformers.js
 * in Node and onnxruntime with the `tokenizers` library in Python, which run the model's
 * export to ONNX. Each is a process; `embed_worker.ts` says what is asked and answered.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { threads } from "../../ffi/mod.ts";
import { LineProcess } from "./line_process.ts";
import { installPackage, peerFile, preparePython } from "./peer_files.ts";

/** One of them, to be started as often as it is needed. */
export interface EmbedContender {
  readonly name: string;
  readonly command: readonly string[];
}

/** What peers need. */
export interface PeerSetup {
  /** The model's folder, with its tokenizer. */
  readonly model: string;
  /** Its export to ONNX. */
  readonly onnx: string;
  /** Where files of a peer are put for the time of the benchmark. */
  readonly folder: string;
  /** An interpreter that has the packages already. */
  readonly python?: string;
  readonly signal: AbortSignal;
}

const TRANSFORMERS = { name: "@huggingface/transformers", version: "4.3.1" } as const;
/** It imports sharp, for pictures, whose binaries are packages of their own. */
const SHARP = "0.35.5";
const SHARP_LIBVIPS = "1.3.4";
const PYTHON_PACKAGES = ["numpy==2.4.6", "onnxruntime==1.31.1", "tokenizers==0.22.2"] as const;

/** Quern, exact and fast. */
export function ourContenders(model: string): EmbedContender[] {
  const worker = new URL("embed_worker.ts", import.meta.url).href;
  return ["exact", "fast"].map((precision) => ({
    name: `Quern, ${precision}`,
    command: [Deno.execPath(), "run", "-A", worker, model, `${threads()}`, precision],
  }));
}

/** Those whom Quern is compared with; installs what they need. */
export async function peerContenders(setup: PeerSetup): Promise<EmbedContender[]> {
  return [await transformersJs(setup), await onnxruntime(setup)];
}

async function transformersJs({ model, onnx, folder, signal }: PeerSetup): Promise<EmbedContender> {
  const { name, version } = TRANSFORMERS;
  const platform = `${nodePlatform()}-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}`;
  const besides = [`@img/sharp-${platform}@${SHARP}`];
  if (Deno.build.os !== "windows") besides.push(`@img/sharp-libvips-${platform}@${SHARP_LIBVIPS}`);
  const installed = await installPackage(name, version, besides, signal);
  // Its models lie in folders of a certain form.
  await Deno.mkdir(`${folder}/model/onnx`, { recursive: true });
  for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(`${model}/${file}`, `${folder}/model/${file}`);
  }
  await Deno.copyFile(onnx, `${folder}/model/onnx/model.onnx`);
  const script = fileURLToPath(peerFile("transformers_js.mjs"));
  return {
    name: `Transformers.js ${version}`,
    command: ["node", script, installed, folder, `${threads()}`],
  };
}

function nodePlatform(): string {
  return Deno.build.os === "windows" ? "win32" : Deno.build.os;
}

async function onnxruntime({ model, onnx, python, signal }: PeerSetup): Promise<EmbedContender> {
  const interpreter = python ?? await preparePython(PYTHON_PACKAGES, signal);
  const script = fileURLToPath(peerFile("onnxruntime_embed.py"));
  return {
    name: "onnxruntime in Python",
    command: [interpreter, "-B", script, `${model}/tokenizer.json`, onnx, `${threads()}`],
  };
}

/** A contender at work; disposing of it ends it. */
export interface RunningContender extends AsyncDisposable {
  readonly name: string;
  /** Nanoseconds from before its imports to its first vector. */
  readonly firstNs: number;
  /** The time of embedding some texts, and the vector of the first. */
  run(
    texts: readonly string[],
    repeat: number,
  ): Promise<{ readonly ns: number; readonly sample: readonly number[] }>;
}

/** Texts of a batch, where a contender cuts them into batches. */
const BATCH = 32;

/** Starts one and waits for its first vector. */
export async function startContender(
  { name, command }: EmbedContender,
  signal: AbortSignal,
): Promise<RunningContender> {
  const lines = LineProcess.start(name, command, { signal });
  try {
    const { firstNs } = await lines.next() as { firstNs: number };
    return {
      name,
      firstNs,
      async run(texts, repeat) {
        const answer = await lines.ask({ texts, repeat, batch: BATCH });
        return answer as { ns: number; sample: number[] };
      },
      [Symbol.asyncDispose]: () => lines[Symbol.asyncDispose](),
    };
  } catch (error) {
    await lines[Symbol.asyncDispose]();
    throw error;
  }
}
