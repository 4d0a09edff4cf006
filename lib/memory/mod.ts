/**
 * Memory: the pool, safe handles over its blocks, storage that tensors share,
 * scopes, and what shows how memory is used.
 */
export type { TunedClass, TuneReport } from "./auto_tune.ts";
export { PooledBatch } from "./batch.ts";
export type { Block, BlockPlace } from "./block.ts";
export { PooledBuffer } from "./buffer.ts";
export { debugMode } from "./debug.ts";
export type { ForgottenBlock } from "./forgotten.ts";
export { Pool, pool } from "./pool.ts";
export type { PoolClassStats, PoolStats } from "./pool_stats.ts";
export type { PrewarmPlan } from "./prewarm.ts";
export { enterScope, keep, leaveScope, scope, type Scoped } from "./scope.ts";
export type {
  BlockSnapshot,
  PoolSnapshot,
  SegmentSnapshot,
  SnapshotState,
  SnapshotTensor,
} from "./snapshot.ts";
export { snapshotPage } from "./snapshot_page.ts";
export { MappedStorage, PooledStorage, type SharedMemory, Storage } from "./storage.ts";
