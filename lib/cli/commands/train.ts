/**
 * `quern train`: makes a language model of a text file.
 *
 * @module
 */

import type { Progress } from "../../core/progress.ts";
import { formatBytes } from "../../core/sizes.ts";
import { pool } from "../../memory/mod.ts";
import {
  type TextTraining,
  trainOnText,
  type TrainOnTextOptions,
  type TrainProgress,
} from "../../train/mod.ts";
import type { Command } from "../command.ts";
import { fileError, InterruptedError } from "../errors.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { prepareNative } from "../native_library.ts";
import type { ParsedOptions } from "../options.ts";
import { writeJson, writeLog, writeOut } from "../output.ts";
import { ProgressDisplay } from "../progress.ts";

/** The settings of a training that are whole numbers, by their options. */
const SIZES = {
  steps: "steps",
  vocabulary: "vocabularySize",
  dim: "dim",
  layers: "layers",
  heads: "heads",
  context: "contextLength",
  batch: "batch",
  every: "every",
  seed: "seed",
} as const satisfies Record<string, keyof TrainOnTextOptions>;

/** The others. */
const NUMBERS = {
  "learning-rate": "learningRate",
  dropout: "dropout",
  validation: "validationShare",
} as const satisfies Record<string, keyof TrainOnTextOptions>;

const MOST = 0x7fffffff;

/** The command. */
export const command: Command = {
  name: "train",
  summary: "train a small language model on a text file",
  usage: "--data FILE --out FOLDER [--resume]",
  positionals: { min: 0, max: 0 },
  options: {
    data: { type: "text", value: "FILE", help: "a text in UTF-8; <|endoftext|> separates texts" },
    out: { type: "text", value: "FOLDER", help: "where the model and its checkpoints are saved" },
    resume: { type: "flag", help: "go on with the training in the folder" },
    steps: { type: "integer", value: "N", min: 1, max: MOST, help: "steps to take (2000)" },
    vocabulary: { type: "integer", value: "N", min: 257, max: 1 << 20, help: "tokens (1024)" },
    dim: { type: "integer", value: "N", min: 2, max: MOST, help: "elements of a token (128)" },
    layers: { type: "integer", value: "N", min: 1, max: 1024, help: "blocks (4)" },
    heads: { type: "integer", value: "N", min: 1, max: 1024, help: "heads, which divide dim (4)" },
    context: { type: "integer", value: "N", min: 1, max: MOST, help: "tokens seen at once (128)" },
    batch: { type: "integer", value: "N", min: 1, max: MOST, help: "sequences in a step (16)" },
    "learning-rate": {
      type: "number",
      value: "X",
      min: 0,
      aboveMin: true,
      max: 10,
      help: "the highest rate (0.003)",
    },
    dropout: { type: "number", value: "P", min: 0, max: 0.99, help: "share left out (0.1)" },
    validation: {
      type: "number",
      value: "P",
      min: 0,
      aboveMin: true,
      max: 0.9,
      help: "share of the text kept for validation (0.1, at most 200,000 characters)",
    },
    every: {
      type: "integer",
      value: "N",
      min: 1,
      max: MOST,
      help: "steps between validations and checkpoints (a twentieth of all)",
    },
    patience: {
      type: "integer",
      value: "N",
      min: 1,
      max: MOST,
      help: "end after so many validations that were no better",
    },
    seed: { type: "integer", value: "N", min: 0, max: 2 ** 32 - 1, help: "of all random choices" },
    json: { type: "flag", help: "print one JSON object" },
  },
  notes: [
    "Trains a byte-level BPE vocabulary on the file, then a small Llama. FOLDER/model.gguf is the\n" +
    "best model so far, by its loss on the end of the text; quern generate and llama.cpp run it,\n" +
    "and quern quantize makes it smaller. Ctrl-C saves a checkpoint and ends; --resume goes on\n" +
    "with the same bits as if the training had never stopped.",
  ],
  examples: [
    "quern train --data book.txt --out book",
    "quern train --data book.txt --out book --resume --steps 4000",
    'quern generate --model book/model.gguf --prompt "The "',
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const file = options.required("data");
  const folder = options.required("out");
  const text = await readText(file);
  using interrupt = listenForInterrupt();
  await prepareNative(options, interrupt.signal);
  using display = await ProgressDisplay.create();
  const log = new TrainingLog(display);
  const began = performance.now();
  try {
    const result = await trainOnText({
      ...settingsOf(options),
      text,
      folder,
      resume: options.flag("resume"),
      patience: options.number("patience"),
      signal: interrupt.signal,
      onProgress: log.report,
    });
    display.clear();
    writeResult(result, (performance.now() - began) / 1000, options.flag("json"));
  } catch (error) {
    display.clear();
    if (error instanceof InterruptedError && log.hasBegun) {
      writeLog("interrupted; a checkpoint is saved: --resume goes on with it");
    }
    throw fileError(folder, error);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(file));
  } catch (error) {
    if (error instanceof TypeError) {
      throw new Error(`${file}: is no text in UTF-8; convert it first`, { cause: error });
    }
    throw fileError(file, error);
  }
}

/** Those that were given; what was not is undefined. */
function settingsOf(options: ParsedOptions): Partial<TrainOnTextOptions> {
  const names = Object.entries({ ...SIZES, ...NUMBERS });
  return Object.fromEntries(names.map(([option, name]) => [name, options.number(option)]));
}

/** Shows a bar on a terminal, and everywhere a line for each validation. */
class TrainingLog {
  readonly #display: ProgressDisplay;
  #validationLoss: number | undefined;
  /** Whether steps are being taken, so that an interruption leaves a checkpoint. */
  hasBegun = false;

  constructor(display: ProgressDisplay) {
    this.#display = display;
  }

  readonly report = (progress: Progress | TrainProgress): void => {
    if (!("itemsPerSecond" in progress)) return this.#display.report(progress);
    const { completed, loss, validationLoss, problem } = progress;
    this.hasBegun = true;
    if (problem !== undefined) this.#write(problem);
    if (validationLoss !== undefined && validationLoss !== this.#validationLoss) {
      this.#validationLoss = validationLoss;
      this.#write(
        `step ${completed}: loss ${loss?.toFixed(4)}, validation ${validationLoss.toFixed(4)}, ` +
          speedOf(progress),
      );
    }
    this.#display.report(progress, `, loss ${loss?.toFixed(4)}, ${speedOf(progress)}`);
  };

  #write(line: string): void {
    this.#display.clear();
    writeLog(line);
  }
}

function speedOf({ itemsPerSecond, peakBytes, secondsLeft }: TrainProgress): string {
  const left = secondsLeft === undefined ? "" : `, ${formatSeconds(secondsLeft)} left`;
  return `${Math.round(itemsPerSecond)} tokens/s, ${formatBytes(peakBytes)}${left}`;
}

function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  return minutes === 0 ? `${rest} s` : `${minutes} min ${rest} s`;
}

function writeResult(result: TextTraining, seconds: number, isJson: boolean): void {
  const { model, settings, parameters, tokens, step, trainingLoss } = result;
  const { validationLoss, bitsPerByte } = result;
  if (isJson) {
    const { peakBytes, liveBytes } = pool.stats();
    const losses = { trainingLoss, validationLoss, bitsPerByte };
    const memory = { poolPeakBytes: peakBytes, poolLiveBytes: liveBytes };
    writeJson({ model, parameters, tokens, steps: step, ...losses, seconds, settings, memory });
    return;
  }
  writeOut(
    `${model}: ${parameters} parameters after ${step} steps, validation loss ` +
      `${validationLoss.toFixed(4)} a token, ${bitsPerByte.toFixed(4)} bits a byte\n`,
  );
}
