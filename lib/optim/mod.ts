/**
 * Optimisers, schedules of their learning rate, and what goes with a step.
 */
export { Adafactor, type AdafactorOptions } from "./adafactor.ts";
export { AdamW, type AdamWOptions } from "./adamw.ts";
export { clipGradNorm } from "./clip.ts";
export { Lion, type LionOptions } from "./lion.ts";
export { MovingAverage } from "./moving_average.ts";
export type { Optimizer, OptimizerOptions, ParameterGroup, Parameters, Slot } from "./optimizer.ts";
export {
  cosineSchedule,
  type DecayOptions,
  linearSchedule,
  type OneCycleOptions,
  oneCycleSchedule,
  type Schedule,
} from "./schedules.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
export type { NamedTensors } from "../tensor/mod.ts";
