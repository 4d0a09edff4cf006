/**
 * Quern's and PyTorch's training of one decoder from the same weights with the same batches:
 * how far the gradients of the first batch are apart, and the losses of the steps of AdamW.
 *
 *     deno run -A bench/training/curve.ts [--size small|large|…] [--steps N] [--python FILE]
 *
 * Weights and batches go through safetensors files, as do PyTorch's results. The tests hold
 * smaller decoders to figures of the same program: tests/models/decoder_gradients_test.ts.
 */
import { fileURLToPath } from "node:url";
import { preparePython } from "../../lib/cli/bench/peer_files.ts";
import { trainedDecoder } from "../../lib/cli/bench/train_cases.ts";
import { UsageError } from "../../lib/cli/errors.ts";
import { listenForInterrupt } from "../../lib/cli/interrupt.ts";
import type { OptionTable, ParsedOptions } from "../../lib/cli/options.ts";
import { formatTable, writeJson, writeLog, writeOut } from "../../lib/cli/output.ts";
import { threads } from "../../lib/ffi/mod.ts";
import { Decoder } from "../../lib/models/mod.ts";
import type { LayerDType } from "../../lib/nn/mod.ts";
import { AdamW } from "../../lib/optim/mod.ts";
import { openTensors, saveTensors, Tensor } from "../../lib/tensor/mod.ts";
import { formulaText } from "../../tests/support/formula_decoder.ts";
import { runMain, runPython } from "./program.ts";

const SETTINGS = { learningRate: 1e-3, betas: [0.9, 0.99] as [number, number], weightDecay: 0.1 };
const PACKAGES = ["numpy==2.4.6", "torch==2.15.0"];

/** A decoder, and how many sequences a batch has. */
interface TrainedSizes {
  readonly decoder: ReturnType<typeof trainedDecoder>;
  readonly batch: number;
}

const SMALL = [4, 128, 4, 64];
const LARGE = [6, 384, 6, 256];
/** Those of `quern bench train`. */
const TRAINED = {
  small: { decoder: trainedDecoder("gpt", SMALL), batch: 12 },
  large: { decoder: trainedDecoder("gpt", LARGE), batch: 8 },
  "small-llama": { decoder: trainedDecoder("llama", SMALL), batch: 12 },
  "large-llama": { decoder: trainedDecoder("llama", LARGE), batch: 8 },
} as const satisfies Record<string, TrainedSizes>;

const OPTIONS: OptionTable = {
  size: { type: "text", value: "NAME", help: `${Object.keys(TRAINED).join(", ")} (small)` },
  steps: { type: "integer", value: "N", min: 1, max: 100_000, help: "steps of the curve (200)" },
  python: { type: "text", value: "FILE", help: "a Python that has numpy and torch already" },
  json: { type: "flag", help: "print the results as JSON" },
  help: { type: "flag", help: "show this help" },
};

type Gradients = Readonly<Record<string, Float64Array>>;

/** What one side computed. */
interface Side {
  readonly float32: Gradients;
  readonly float64: Gradients;
  readonly losses: Float64Array;
}

/** The norms of differences as parts of the norms of PyTorch's gradients in float64. */
interface GradientRow {
  readonly parameter: string;
  readonly ours32: number;
  readonly theirs32: number;
  /** Of the two in float32, as a part of PyTorch's. */
  readonly apart32: number;
  readonly ours64: number;
}

/** Batches `[steps, batch, tokens + 1]`. */
function makeBatches({ decoder, batch }: TrainedSizes, steps: number): Tensor<"int32"> {
  const shape = [steps, batch, decoder.contextLength + 1];
  const size = shape.reduce((a, b) => a * b);
  using flat = Tensor.from(formulaText(size, decoder.vocabularySize), "int32");
  return flat.reshape(shape);
}

function lossOf(model: Decoder<LayerDType>, batches: Tensor<"int32">, step: number): Tensor {
  using at = batches.slice(step, step + 1);
  using rows = at.squeeze(0);
  using ids = rows.slice(0, -1, { axis: 1 });
  using targets = rows.slice(1, rows.shape[1], { axis: 1 });
  return model.loss(ids, targets);
}

/** The gradients of the first batch. */
function gradientsOf(model: Decoder<LayerDType>, batches: Tensor<"int32">): Gradients {
  using loss = lossOf(model, batches, 0);
  loss.backward();
  const found: Record<string, Float64Array> = {};
  for (const [name, tensor] of Object.entries(model.parameters())) {
    found[name] = Float64Array.from((tensor.grad as Tensor<"float32">).data);
    tensor.zeroGrad();
  }
  return found;
}

/** Our side, which leaves the model trained. */
function trainOurs({ decoder }: TrainedSizes, model: Decoder, batches: Tensor<"int32">): Side {
  using exact = new Decoder<"float64">({ ...decoder, dtype: "float64" });
  exact.load(model.state());
  const [float32, float64] = [gradientsOf(model, batches), gradientsOf(exact, batches)];
  using optimizer = new AdamW(model.parameters(), SETTINGS);
  const losses = Float64Array.from({ length: batches.shape[0] }, (_, step) => {
    using loss = lossOf(model, batches, step);
    loss.backward();
    optimizer.step();
    return Number(loss.get());
  });
  return { float32, float64, losses };
}

/** PyTorch's side, from what lies in a folder. */
async function trainTheirs(folder: string, python: string, signal: AbortSignal): Promise<Side> {
  const script = fileURLToPath(new URL("torch_decoder.py", import.meta.url));
  await runPython(python, ["-B", script, folder, `${threads()}`], signal);
  using file = openTensors(`${folder}/torch.safetensors`);
  const read = (name: string) => {
    using tensor = file.open(name) as Tensor<"float64">;
    return Float64Array.from(tensor.data);
  };
  const all = (prefix: string) => {
    const names = file.names.filter((name) => name.startsWith(prefix));
    return Object.fromEntries(names.map((name) => [name.slice(prefix.length), read(name)]));
  };
  return { float32: all("float32/"), float64: all("float64/"), losses: read("losses") };
}

/** The norm of a difference as a part of the norm of `exact`. */
function distance(x: Float64Array, exact: Float64Array): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < exact.length; i++) {
    difference += (x[i] - exact[i]) ** 2;
    size += exact[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

function compare(ours: Side, theirs: Side): { gradients: GradientRow[]; lossDifference: number } {
  const gradients = Object.entries(theirs.float64).map(([parameter, exact]) => ({
    parameter,
    ours32: distance(ours.float32[parameter], exact),
    theirs32: distance(theirs.float32[parameter], exact),
    apart32: distance(ours.float32[parameter], theirs.float32[parameter]),
    ours64: distance(ours.float64[parameter], exact),
  }));
  const differences = ours.losses.map((loss, i) => Math.abs(loss - theirs.losses[i]));
  return { gradients, lossDifference: differences.reduce((a, b) => Math.max(a, b)) };
}

/** Trains both, with files in a folder of their own. */
async function run(name: keyof typeof TRAINED, steps: number, python?: string) {
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  const sizes: TrainedSizes = TRAINED[name];
  const interpreter = python ?? await preparePython(PACKAGES, signal);
  const folder = await Deno.makeTempDir({ prefix: "quern-training-" });
  try {
    using model = new Decoder<"float32">({ ...sizes.decoder, seed: 1 });
    using batches = makeBatches(sizes, steps);
    const settings = { sizes: sizes.decoder, ...SETTINGS };
    await Deno.writeTextFile(`${folder}/settings.json`, JSON.stringify(settings));
    await saveTensors(`${folder}/weights.safetensors`, model.state());
    await saveTensors(`${folder}/batches.safetensors`, { batches });
    writeLog("PyTorch trains");
    const theirs = await trainTheirs(folder, interpreter, signal);
    writeLog("Quern trains");
    const ours = trainOurs(sizes, model, batches);
    const losses = { ours: [...ours.losses], theirs: [...theirs.losses] };
    return { size: name, steps, threads: threads(), ...compare(ours, theirs), losses };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function show({ gradients, losses, lossDifference }: Awaited<ReturnType<typeof run>>): void {
  const columns = ["ours32", "theirs32", "apart32", "ours64"] as const;
  const head = ["gradient of", "ours", "PyTorch's", "apart", "ours, float64"];
  const worst = columns.map((column) => Math.max(...gradients.map((row) => row[column])));
  const rows = gradients.map((row) => [row.parameter, ...columns.map((name) => figure(row[name]))]);
  const all = [head, ...rows, ["the largest", ...worst.map(figure)]];
  writeOut(`${formatTable(all, new Set([1, 2, 3, 4]))}\n\n`);
  const last = losses.ours.length - 1;
  const shown = [0, last >> 2, last >> 1, last].map((step) =>
    `step ${step + 1}: ${losses.ours[step].toFixed(6)}, PyTorch's ${losses.theirs[step].toFixed(6)}`
  );
  writeOut(`${shown.join("\n")}\n`);
  writeOut(`largest difference of ${last + 1} losses: ${figure(lossDifference)}\n`);
}

function figure(x: number): string {
  return x.toExponential(1);
}

async function main(options: ParsedOptions): Promise<void> {
  const size = options.text("size") ?? "small";
  if (!Object.hasOwn(TRAINED, size)) {
    throw new UsageError(`--size is ${Object.keys(TRAINED).join(", ")}, not ${size}`);
  }
  const steps = options.number("steps") ?? 200;
  const result = await run(size as keyof typeof TRAINED, steps, options.text("python"));
  if (options.flag("json")) return writeJson(result);
  show(result);
}

if (import.meta.main) await runMain("curve.ts", OPTIONS, main);
