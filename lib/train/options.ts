/**
 * What a training is told, and what it tells.
 */
import type { Progress } from "../core/progress.ts";
import { checkSetting } from "../optim/optimizer.ts";
import type { Optimizer, Schedule } from "../optim/mod.ts";
import type { NamedTensors, Tensor } from "../tensor/mod.ts";
import type { Batches } from "./batches.ts";
import type { LossPoint } from "./loss_history.ts";
import { checkNames } from "./snapshot.ts";

/** What a loss is computed for. */
export interface LossContext {
  /** How many steps were taken before this one. */
  step: number;
  /**
   * A seed for random operations such as dropout: another for each batch, and the same again
   * after a training was resumed.
   */
  seed: number;
  /** False for the validation data, where gradients are not recorded. */
  training: boolean;
}

/** Computes the loss of a batch: a tensor of one number. What else it makes is disposed of. */
export type Loss<B> = (batch: B, context: LossContext) => Tensor;

/** How a training is validated. */
export interface ValidationOptions<B> {
  /** All of it is read each time. */
  data: Batches<B>;
  /** After how many steps, again and again, and at the end. */
  every: number;
  /** In place of the training's loss. */
  loss?: Loss<B>;
  /**
   * Told, and waited for, when a loss is better than all before: whoever wants the best
   * parameters saves them then.
   */
  onBest?: (loss: number, step: number) => void | Promise<void>;
}

/** Where a training is saved. */
export interface CheckpointOptions {
  /** The folder, which is made where there is none. */
  folder: string;
  /** After how many steps, again and again; at the end, and when it is aborted, always. */
  every?: number;
  /** How many checkpoints stay; 2 when left out. */
  keep?: number;
  /** Whether to go on from the newest checkpoint, where there is one; false when left out. */
  resume?: boolean;
  /** Tensors besides parameters that training changes, such as a module's buffers. */
  state?: NamedTensors;
}

/** When a training ends before all of its steps. */
export interface EarlyStoppingOptions {
  /** After how many validations in a row that were no better than the best before. */
  patience: number;
  /** By how much a loss must be lower to be better; 0 when left out. */
  margin?: number;
}

/** What a training tells after each step. */
export interface TrainProgress extends Progress {
  /** The loss of the last step; undefined before the first. */
  loss: number | undefined;
  /** The last loss on the validation data. */
  validationLoss: number | undefined;
  /** The learning rate of the last step. */
  learningRate: number;
  /** The norm of the gradients before they were clipped; undefined where they are not. */
  gradientNorm: number | undefined;
  /** Items, or else batches, a second, since this call began. */
  itemsPerSecond: number;
  /** How long the steps to come will take; undefined before the first. */
  secondsLeft: number | undefined;
  /** Bytes of the pool that are in use. */
  liveBytes: number;
  /** The most that were. */
  peakBytes: number;
  /** One line on what went wrong without ending the training, such as a full disk. */
  problem?: string;
}

/** Options of {@linkcode train}. */
export interface TrainOptions<B> {
  /** What is trained, by name: as the optimiser has it. */
  parameters: NamedTensors;
  /** What takes the steps. */
  optimizer: Optimizer;
  /** The batches. */
  data: Batches<B>;
  /** The loss of one. */
  loss: Loss<B>;
  /** How many steps the whole training has, those before it was resumed included. */
  steps: number;
  /** The learning rate of each step; the optimiser's own when left out. */
  schedule?: Schedule;
  /** The norm that gradients are clipped to. */
  clip?: number;
  /** How many batches make one step; 1 when left out. */
  accumulate?: number;
  /** How it is validated. */
  validation?: ValidationOptions<B>;
  /** Where it is saved. */
  checkpoint?: CheckpointOptions;
  /** When it ends early; needs `validation`. */
  earlyStopping?: EarlyStoppingOptions;
  /** What the seeds of the loss depend on; drawn at random when left out. */
  seed?: number;
  /** How many items a batch has, for instance tokens, to tell the speed. */
  itemsOf?: (batch: B) => number;
  /** Ends the training after the step that is being taken; a checkpoint is saved first. */
  signal?: AbortSignal;
  /** Told after each step. */
  onProgress?: (progress: TrainProgress) => void;
}

/** What a training came to. */
export interface TrainResult {
  /** How many steps were taken, those before it was resumed included. */
  step: number;
  /** Every step, those before it was resumed included. */
  history: readonly LossPoint[];
  /** The lowest loss on the validation data; undefined without. */
  bestValidationLoss: number | undefined;
  /** Whether it ended early, since validations were no better. */
  stoppedEarly: boolean;
}

/**
 * Checks what a training is told.
 *
 * @param options What it is told.
 * @throws {RangeError} When a number is out of range, or options do not go together.
 */
export function checkOptions<B>(options: TrainOptions<B>): void {
  const { steps, accumulate, clip, validation, checkpoint, earlyStopping, seed } = options;
  checkNames(options.parameters);
  checkCount("steps", steps);
  checkCount("accumulate", accumulate);
  checkCount("validation.every", validation?.every);
  checkCount("checkpoint.every", checkpoint?.every);
  checkCount("checkpoint.keep", checkpoint?.keep);
  checkCount("earlyStopping.patience", earlyStopping?.patience);
  checkSetting("train", "clip", clip ?? 0);
  checkSetting("train", "earlyStopping.margin", earlyStopping?.margin ?? 0);
  if (earlyStopping !== undefined && validation === undefined) {
    throw new RangeError("train: earlyStopping needs validation");
  }
  if (seed !== undefined && !(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    throw new RangeError(`train: seed is ${seed}, expected an integer from 0 to 2^32 - 1`);
  }
}

function checkCount(name: string, value = 1): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new RangeError(`train: ${name} is ${value}, expected an integer of 1 or more`);
}
