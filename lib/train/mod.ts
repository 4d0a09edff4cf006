/**
 * The loop of a training, its checkpoints, and a picture of its losses.
 */
export type { Batches } from "./batches.ts";
export {
  type DamagedCheckpoint,
  type LatestCheckpoint,
  latestCheckpoint,
} from "./checkpoint_folder.ts";
export { lossCurve } from "./loss_curve.ts";
export type {
  CheckpointOptions,
  EarlyStoppingOptions,
  Loss,
  LossContext,
  TrainOptions,
  TrainProgress,
  TrainResult,
  ValidationOptions,
} from "./options.ts";
export type { LossPoint } from "./loss_history.ts";
export type { TextSettings } from "./text_settings.ts";
export { type TokenBatch, TokenWindows, type TokenWindowsOptions } from "./token_windows.ts";
export { train } from "./train.ts";
export { type TextTraining, trainOnText, type TrainOnTextOptions } from "./train_text.ts";
