/**
 * Tensors: arrays of numbers in pool memory.
 */
export { checkWritable, copyBytes, copyElements } from "./copy.ts";
export { checkValue, fillChoices, itemOf, type RandomOptions, writeFill } from "./fill.ts";
export { resolveIndex } from "./layout.ts";
export { endedError } from "./lifetime.ts";
export { type NamedTensors, saveTensors } from "./save_tensors.ts";
export type { SequenceDType } from "./make.ts";
export { checkPlain as checkPlainDType, type SliceOptions } from "./part.ts";
export type { SharedTensor, ShareOptions } from "./share.ts";
export { openTensors, TensorFile } from "./tensor_file.ts";
export { sumTo } from "./sum_to.ts";
export {
  countedMemory,
  firstElements,
  holdTensor,
  isShown,
  noteWrite,
  overlaps,
  packedAddress,
  releaseHeld,
  setTrace,
  Tensor,
  traceOf,
} from "./tensor.ts";
export {
  type BackwardOptions,
  beginTracing,
  installRecorder,
  memoryNotes,
  type Recorder,
  type Trace,
  tracing,
  type ViewGradient,
} from "./trace.ts";
export { type SaveOptions, writeSafetensorsFile } from "./write_safetensors.ts";
export type { Nested, NestedNumbers } from "./nested.ts";
export { Workspace, type WorkspaceOptions, type WorkspaceStats } from "./workspace.ts";
