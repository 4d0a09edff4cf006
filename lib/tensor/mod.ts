/**
 * Tensors: arrays of numbers in pool memory.
 */
export { copyBytes } from "./copy.ts";
export type { RandomOptions } from "./fill.ts";
export { endedError } from "./lifetime.ts";
export { overlaps } from "./overlap.ts";
export { type SliceOptions, Tensor } from "./tensor.ts";
export type { NestedNumbers } from "./nested.ts";
export { Workspace, type WorkspaceOptions, type WorkspaceStats } from "./workspace.ts";
