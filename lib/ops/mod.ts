/**
 * Operations on tensors, one a file. Each is a function that borrows its
 * operands and gives back a new tensor, or writes into `out`.
 */
export { add, addInPlace } from "./add.ts";
export { argmax } from "./argmax.ts";
export { attention, type AttentionOptions } from "./attention.ts";
export { crossEntropy } from "./cross_entropy.ts";
export { dequantize } from "./dequantize.ts";
export { embedding } from "./embedding.ts";
export { type Activation, linear, type LinearOptions, type Precision } from "./linear.ts";
export { matmul } from "./matmul.ts";
export type { OutOption } from "./operands.ts";
export { rmsNorm, type RmsNormOptions } from "./rms_norm.ts";
export {
  rope,
  type RopeOptions,
  type RopeTable,
  ropeTable,
  type RopeTableOptions,
} from "./rope.ts";
export { sample, type SampleOptions } from "./sample.ts";
export { softmax } from "./softmax.ts";
export { swiglu } from "./swiglu.ts";
