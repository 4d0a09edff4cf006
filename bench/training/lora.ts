/**
 * Steps of low-rank adapters on a Llama of the sizes of SmolLM2-135M: their time and memory, and
 * how far their losses are from PyTorch's with the same weights and tokens.
 *
 *     deno run -A bench/training/lora.ts [--tokens N] [--steps N] [--python FILE]
 *
 * Weights are random: what a step costs does not depend on them. They go through files of 540 MB.
 */
import { cpuUsage } from "node:process";
import { fileURLToPath } from "node:url";
import { preparePython } from "../../lib/cli/bench/peer_files.ts";
import { listenForInterrupt } from "../../lib/cli/interrupt.ts";
import type { OptionTable, ParsedOptions } from "../../lib/cli/options.ts";
import { writeLog, writeOut } from "../../lib/cli/output.ts";
import { formatBytes } from "../../lib/core/sizes.ts";
import { threads } from "../../lib/ffi/mod.ts";
import { pool } from "../../lib/memory/mod.ts";
import { Decoder } from "../../lib/models/mod.ts";
import { LoraAdapters } from "../../lib/nn/mod.ts";
import { AdamW } from "../../lib/optim/mod.ts";
import { saveTensors, Tensor } from "../../lib/tensor/mod.ts";
import { formulaText } from "../../tests/support/formula_decoder.ts";
import { runMain, runPython } from "./program.ts";

const PACKAGES = ["numpy==2.4.6", "torch==2.15.0"];
const SIZES = {
  vocabularySize: 49152,
  dim: 576,
  layers: 30,
  heads: 9,
  keyValueHeads: 3,
  hidden: 1536,
  contextLength: 2048,
  epsilon: 1e-5,
  positions: "rotary",
  normalization: "rms",
  activation: "swiglu",
} as const;
const RANK = 8;
const RATE = 1e-3;

const OPTIONS: OptionTable = {
  tokens: { type: "integer", value: "N", min: 1, max: 2048, help: "tokens of a step (256)" },
  steps: { type: "integer", value: "N", min: 2, max: 1000, help: "steps of each (20)" },
  python: { type: "text", value: "FILE", help: "a Python that has numpy and torch already" },
  help: { type: "flag", help: "show this help" },
};

/** What one step was. */
interface Step {
  readonly loss: number;
  /** The most memory that was resident up to then, in bytes. */
  readonly resident: number;
}

/** One of ours. */
interface TimedStep extends Step {
  readonly seconds: number;
  /** The same of all threads' work, which other programs on the machine disturb less. */
  readonly work: number;
}

/** PyTorch's process, which takes a step when it is asked. */
class Torch implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(python: string, folder: string, signal: AbortSignal) {
    const script = fileURLToPath(new URL("torch_lora.py", import.meta.url));
    const args = ["-B", script, folder, `${threads()}`];
    const pipes = { stdin: "piped", stdout: "piped", stderr: "inherit", signal } as const;
    this.#process = new Deno.Command(python, { args, ...pipes }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#reader = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  async line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("PyTorch's process ended");
      this.#rest += value;
    }
    const [line, ...others] = this.#rest.split("\n");
    this.#rest = others.join("\n");
    return line;
  }

  async step(): Promise<Step> {
    await this.#writer.write(new TextEncoder().encode("\n"));
    const [loss, resident] = JSON.parse(await this.line());
    return { loss, resident };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#process.status;
  }
}

/** One after the other, with files in a folder of their own. */
async function run(tokens: number, steps: number, python: string | undefined): Promise<void> {
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  const interpreter = python ?? await preparePython(PACKAGES, signal);
  // Fails before anything large is made.
  await runPython(interpreter, ["-c", "import torch"], signal);
  const folder = await Deno.makeTempDir({ prefix: "quern-lora-" });
  try {
    using model = new Decoder<"float32">({ ...SIZES, seed: 1 });
    await saveTensors(`${folder}/weights.safetensors`, model.state());
    using adapters = new LoraAdapters(model, { rank: RANK, targets: ["query", "value"], seed: 2 });
    await saveTensors(`${folder}/adapters.safetensors`, adapters.state());
    using flat = Tensor.from(formulaText(tokens + 1, SIZES.vocabularySize), "int32");
    using batch = flat.reshape([1, tokens + 1]);
    await saveTensors(`${folder}/batch.safetensors`, { batch });
    const settings = { sizes: SIZES, learningRate: RATE, scale: 2 };
    await Deno.writeTextFile(`${folder}/settings.json`, JSON.stringify(settings));
    using optimizer = new AdamW(model.parameters(), { learningRate: RATE, weightDecay: 0 });
    const [ours, theirs]: [TimedStep[], Step[]] = [[], []];
    for (let step = 1; step <= steps; step++) {
      signal.throwIfAborted();
      ours.push(takeStep(model, batch, optimizer));
      writeLog(`step ${step}: ${lineOf(ours.at(-1)!)}`);
    }
    writeLog("PyTorch takes its steps");
    await using torch = new Torch(interpreter, folder, signal);
    await torch.line();
    while (theirs.length < steps) theirs.push(await torch.step());
    show(ours, theirs);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function takeStep(model: Decoder, batch: Tensor<"int32">, optimizer: AdamW): TimedStep {
  const [began, worked] = [performance.now(), cpuUsage()];
  using ids = batch.slice(0, -1, { axis: 1 });
  using targets = batch.slice(1, batch.shape[1], { axis: 1 });
  using loss = model.loss(ids, targets);
  loss.backward();
  optimizer.step();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = cpuUsage(worked);
  const resident = Deno.memoryUsage().rss;
  return { loss: loss.get(), seconds, work: (user + system) / 1e6, resident };
}

function lineOf({ loss, seconds, work }: TimedStep): string {
  return `${loss.toFixed(6)} in ${milliseconds(seconds)}, ${milliseconds(work)} of work`;
}

function milliseconds(seconds: number): string {
  return `${(1000 * seconds).toFixed(0)} ms`;
}

/** Medians without the first step, in which weights are packed and memory is touched. */
function show(ours: readonly TimedStep[], theirs: readonly Step[]): void {
  const median = (what: "seconds" | "work") => {
    const sorted = ours.slice(1).map((step) => step[what]).sort((a, b) => a - b);
    return milliseconds(sorted[sorted.length >> 1]);
  };
  const resident = (steps: readonly Step[]) =>
    formatBytes(Math.max(...steps.map((step) => step.resident)));
  const apart = Math.max(...ours.map(({ loss }, i) => Math.abs(loss - theirs[i].loss)));
  writeOut(
    `${threads()} threads, medians: ${median("seconds")} a step, ${median("work")} of work\n` +
      `resident ${resident(ours)} (the pool's peak ${formatBytes(pool.stats().peakBytes)}), ` +
      `PyTorch ${resident(theirs)}\nlosses apart by at most ${apart.toExponential(1)}\n`,
  );
}

async function main(options: ParsedOptions): Promise<void> {
  const [tokens, steps] = [options.number("tokens") ?? 256, options.number("steps") ?? 20];
  await run(tokens, steps, options.text("python"));
}

if (import.meta.main) await runMain("lora.ts", OPTIONS, main);
