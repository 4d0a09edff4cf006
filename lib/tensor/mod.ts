/**
 * Tensors: arrays of numbers in pool memory.
 */
export { copyBytes, type RandomOptions, Tensor } from "./tensor.ts";
export type { NestedNumbers } from "./nested.ts";
export { Workspace, type WorkspaceOptions, type WorkspaceStats } from "./workspace.ts";
