/**
 * Memory: the pool, storage that tensors share, and scopes.
 */
export { type Block, Pool, pool, type PoolStats } from "./pool.ts";
export { MappedStorage, PooledStorage, Storage } from "./storage.ts";
export { enterScope, keep, leaveScope, scope, type Scoped } from "./scope.ts";
