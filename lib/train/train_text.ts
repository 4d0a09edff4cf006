/**
 * From a text to a language model that runs, in a folder:
 *
 *     model.gguf           the best so far, by its loss on the part for validation
 *     tokenizer.json       its vocabulary, for other programs
 *     training.json        the settings, which a training that is resumed takes over
 *     checkpoints/         what it goes on from
 *     loss.svg             the losses over the steps
 *
 * Every file is whole or not there, whenever the process ends.
 */
import type { Progress } from "../core/progress.ts";
import { writeWholeText } from "../formats/whole_file.ts";
import { Decoder } from "../models/mod.ts";
import { AdamW, cosineSchedule } from "../optim/mod.ts";
import { saveDecoder } from "../runtime/save_decoder.ts";
import type { Tensor } from "../tensor/mod.ts";
import { ggufVocabulary, tokenizerJson } from "../tokenizers/mod.ts";
import { latestCheckpoint } from "./checkpoint_folder.ts";
import { lossCurve } from "./loss_curve.ts";
import type { LossContext, TrainProgress } from "./options.ts";
import type { LossPoint } from "./loss_history.ts";
import { prepareText, type TextData } from "./text_data.ts";
import { completeSettings, type TextSettings, writeSettings } from "./text_settings.ts";
import { type TokenBatch, TokenWindows } from "./token_windows.ts";
import { train } from "./train.ts";

/** Options of {@linkcode trainOnText}, beside the settings. */
export interface TrainOnTextOptions extends Partial<TextSettings> {
  /** What the model is trained on. `<|endoftext|>` in it separates texts. */
  text: string;
  /** Where all is saved; made where there is none. */
  folder: string;
  /** The model's name, for its file; that of the folder when left out. */
  name?: string;
  /** Whether to go on with the training in the folder, if there is one; false when left out. */
  resume?: boolean;
  /** After how many validations in a row that were no better the training ends. */
  patience?: number;
  /** Ends the training after the step that is being taken; a checkpoint is saved first. */
  signal?: AbortSignal;
  /** Told how far the text's preparation is, then after each step. */
  onProgress?: (progress: Progress | TrainProgress) => void;
}

/** What a training on a text came to. */
export interface TextTraining {
  /** The path of the model. */
  readonly model: string;
  /** How it was trained. */
  readonly settings: TextSettings;
  /** How many numbers were trained. */
  readonly parameters: number;
  /** Tokens of the part for training, and of that for validation. */
  readonly tokens: { readonly training: number; readonly validation: number };
  /** How many steps were taken. */
  readonly step: number;
  /** The mean loss of the last twentieth of the steps, in nats a token. */
  readonly trainingLoss: number;
  /** The lowest loss on the part for validation: that of the model, in nats a token. */
  readonly validationLoss: number;
  /** The same in bits a byte of UTF-8, which does not depend on the vocabulary. */
  readonly bitsPerByte: number;
  /** Every step. */
  readonly history: readonly LossPoint[];
}

/**
 * Trains a small Llama on a text: its vocabulary first, then the model. The file in the folder
 * is the best so far, and runs with `loadModel`, `quern generate`, and whatever runs Llama
 * models in GGUF.
 *
 * @param options The text, the folder, and what is to be otherwise than it is by default.
 * @returns What it came to.
 * @throws The signal's reason when it is aborted, after a checkpoint was saved.
 * @throws {RangeError} When a setting is out of range, the text too short, or the folder holds
 * another training.
 * @throws {Error} When a loss is no finite number, or the last checkpoint cannot be written.
 *
 * @example
 * ```ts ignore
 * import { loadModel } from "@quern/quern/models";
 * import { trainOnText } from "@quern/quern/train";
 *
 * const text = await Deno.readTextFile("book.txt");
 * const { model, validationLoss } = await trainOnText({ text, folder: "book", steps: 500 });
 * using book = await loadModel(model);
 * using session = book.createSession();
 * console.log(validationLoss, (await session.generate("The ").finish()).text);
 * ```
 */
export async function trainOnText(options: TrainOnTextOptions): Promise<TextTraining> {
  const { text, folder, name, resume = false, patience, signal, onProgress, ...given } = options;
  signal?.throwIfAborted();
  await checkFolder(folder, resume);
  const settings = await completeSettings(given, resume ? { folder, text } : undefined);
  const data = await prepareText(text, { ...settings, signal, onProgress });
  const { contextLength: length, batch, seed } = settings;
  const windows = new TokenWindows(data.training, { length, batch, seed });
  const kept = new TokenWindows(data.validation, { length, batch });
  using learner = new Learner(settings, data, name ?? nameOf(folder));
  await Deno.mkdir(folder, { recursive: true });
  await writeSettings(folder, settings, text);
  await writeWholeText(`${folder}/tokenizer.json`, JSON.stringify(tokenizerJson(data.vocabulary)));
  const { model, optimizer } = learner;
  const path = `${folder}/model.gguf`;
  const checkpoint = { folder: `${folder}/checkpoints`, every: settings.every, resume };
  const { history, step, bestValidationLoss = NaN } = await train<TokenBatch>({
    parameters: model.parameters(),
    optimizer,
    data: windows,
    loss: learner.loss,
    steps: settings.steps,
    schedule: scheduleOf(settings),
    clip: 1,
    validation: {
      data: kept,
      every: settings.every,
      onBest: () => learner.save(path),
    },
    checkpoint: { ...checkpoint, state: learner.buffers() },
    earlyStopping: patience === undefined ? undefined : { patience },
    seed,
    itemsOf: ({ ids }) => ids.size,
    signal,
    onProgress,
  });
  await writeWholeText(`${folder}/loss.svg`, lossCurve(history));
  return {
    model: path,
    settings,
    parameters: learner.size,
    tokens: { training: data.training.length, validation: data.validation.length },
    step,
    trainingLoss: meanOfLast(history),
    validationLoss: bestValidationLoss,
    bitsPerByte: bestValidationLoss * data.validation.length / data.validationBytes / Math.LN2,
    history,
  };
}

/** The model in training, and what saves it. */
class Learner implements Disposable {
  readonly model: Decoder;
  readonly optimizer: AdamW;
  readonly #data: TextData;
  readonly #name: string;

  constructor(settings: TextSettings, data: TextData, name: string) {
    const { learningRate, weightDecay } = settings;
    this.#data = data;
    this.#name = name;
    this.model = new Decoder({
      ...settings,
      vocabularySize: data.tokenizer.vocabularySize,
    });
    const all = Object.entries(this.model.parameters());
    const vectors = Object.fromEntries(all.filter(([, { shape }]) => shape.length < 2));
    const matrices = Object.fromEntries(all.filter(([, { shape }]) => shape.length >= 2));
    const groups = [{ parameters: matrices }, { parameters: vectors, weightDecay: 0 }];
    this.optimizer = new AdamW(groups, { learningRate, weightDecay, betas: [0.9, 0.99] });
  }

  /** How many numbers are trained. */
  get size(): number {
    return Object.values(this.model.parameters()).reduce((sum, { size }) => sum + size, 0);
  }

  /** The loss of a batch. */
  readonly loss = ({ ids, targets }: TokenBatch, { training }: LossContext): Tensor => {
    if (this.model.training !== training) this.model.train(training);
    return this.model.loss(ids, targets);
  };

  /** What training changes besides parameters: the states of random choices. */
  buffers(): Record<string, Tensor> {
    const parameters = this.model.parameters();
    return Object.fromEntries(
      Object.entries(this.model.state()).filter(([name]) => !(name in parameters)),
    );
  }

  /** Writes the model as it is now. */
  async save(path: string): Promise<void> {
    const metadata = ggufVocabulary(this.#data.vocabulary).set("general.name", this.#name);
    await saveDecoder(path, this.model, { metadata });
  }

  [Symbol.dispose](): void {
    this.optimizer.dispose();
    this.model.dispose();
  }
}

/** Up over the first twentieth of the steps, then down to a tenth. */
function scheduleOf({ learningRate, steps }: TextSettings) {
  const warmup = Math.floor(steps / 20);
  return cosineSchedule({ peak: learningRate, steps, warmup, floor: learningRate / 10 });
}

function meanOfLast(history: readonly LossPoint[]): number {
  const last = history.slice(-Math.max(1, Math.round(history.length / 20)));
  return last.reduce((sum, { loss }) => sum + loss, 0) / last.length;
}

function nameOf(folder: string): string {
  return folder.split(/[/\\]/).findLast((part) => !["", ".", ".."].includes(part)) ?? "model";
}

/** A new training does not write over one that is there. */
async function checkFolder(folder: string, resume: boolean): Promise<void> {
  if (resume) return;
  const { path } = await latestCheckpoint(`${folder}/checkpoints`);
  if (path === undefined) return;
  throw new RangeError(
    `trainOnText: ${folder} holds a training; pass resume: true to go on with it, or name ` +
      `another folder`,
  );
}
