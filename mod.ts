/**
 * Quern: tensors in pooled native memory, and operations on them at the
 * machine's speed.
 *
 * Every tensor's bytes come from a pool and go back to it at the end of the
 * block that a `using` declaration stands in.
 *
 * @example
 * ```ts
 * import { linear, softmax, Tensor } from "@quern/quern";
 *
 * using x = Tensor.randn([2, 8], { seed: 1 });
 * using weight = Tensor.randn([4, 8], { seed: 2 });
 * using logits = linear(x, weight);
 * using y = softmax(logits);
 * console.log(y.shape); // [2, 4]
 * ```
 *
 * @module
 */
export {
  checkpoint,
  grad,
  noGrad,
  type ScalarFunction,
  valueAndGrad,
  type ValueAndGradients,
} from "./lib/autograd/mod.ts";
export type { DataOf, DType, DTypeLayout, ElementOf, PlainDType } from "./lib/core/dtype.ts";
export type { ElementSource } from "./lib/core/element.ts";
export { DisposedError, OutOfMemoryError } from "./lib/core/errors.ts";
export type { Progress } from "./lib/core/progress.ts";
export type { Shape } from "./lib/core/shape.ts";
export {
  type InstructionSet,
  instructionSets,
  NativeLibraryError,
  selectInstructionSet,
  setThreads,
  threads,
} from "./lib/ffi/mod.ts";
export {
  type Block,
  type BlockSnapshot,
  debugMode,
  type ForgottenBlock,
  keep,
  type Pool,
  pool,
  type PoolClassStats,
  type PooledBatch,
  type PooledBuffer,
  type PoolSnapshot,
  type PoolStats,
  type PrewarmPlan,
  scope,
  type Scoped,
  type SegmentSnapshot,
  type SharedMemory,
  snapshotPage,
  type SnapshotState,
  type SnapshotTensor,
  type Storage,
  type TunedClass,
  type TuneReport,
} from "./lib/memory/mod.ts";
export { type LineUse, type OperationUse, type Profile, profile } from "./lib/memory/profile.ts";
export * from "./lib/ops/mod.ts";
export {
  type BackwardOptions,
  type NamedTensors,
  type Nested,
  type NestedNumbers,
  openTensors,
  type RandomOptions,
  type SaveOptions,
  saveTensors,
  type SequenceDType,
  type SharedTensor,
  type ShareOptions,
  type SliceOptions,
  Tensor,
  type TensorFile,
  Workspace,
  type WorkspaceOptions,
  type WorkspaceStats,
} from "./lib/tensor/mod.ts";
