/**
 * Tensors: arrays of numbers in pool memory.
 */
export { checkWritable, copyBytes, copyElements } from "./copy.ts";
export { checkValue, itemOf, type RandomOptions, writeFill } from "./fill.ts";
export { resolveIndex } from "./layout.ts";
export { endedError } from "./lifetime.ts";
export { saveTensors } from "./save_tensors.ts";
export type { SequenceDType } from "./make.ts";
export { checkPlain as checkPlainDType, type SliceOptions } from "./part.ts";
export type { SharedTensor, ShareOptions } from "./share.ts";
export { openTensors, TensorFile } from "./tensor_file.ts";
export { firstElements, noteWrite, overlaps, packedAddress, Tensor } from "./tensor.ts";
export { type SaveOptions, writeSafetensorsFile } from "./write_safetensors.ts";
export type { Nested, NestedNumbers } from "./nested.ts";
export { Workspace, type WorkspaceOptions, type WorkspaceStats } from "./workspace.ts";
