/**
 * The tensor pool as an isolate sees it.
 *
 * The pool itself is native and shared by the whole process. In front of it
 * each isolate keeps returned blocks on shelves, so that renting in a loop makes
 * no native call and no garbage:
 *
 *     acquire ── shelf of the size ── empty? ──▶ native pool
 *     release ─▶ shelf of the size ── full?  ──▶ native pool
 *
 * There are two ways to hold memory. *Raw*, `acquire` and `release`: the block
 * objects are used again, and one that is kept for too long shows the data of its
 * next holder; for library code and hot loops. *Safe*, `rent` and everything
 * above it, tensors included: a small handle each time, which is an error to use
 * after its disposal, and which the finalisation net watches over.
 */
import type { DType } from "../core/dtype.ts";
import { parseSize } from "../core/sizes.ts";
import { check, native } from "../ffi/mod.ts";
import { planLimits, type TuneReport } from "./auto_tune.ts";
import { PooledBatch } from "./batch.ts";
import type { Block } from "./block.ts";
import { PooledBuffer } from "./buffer.ts";
import { bufferBytes, checkAlignment, checkBatch, checkBytes } from "./checks.ts";
import { DebugGuard, debugMode, setDebugMode, warnForgotten } from "./debug.ts";
import { debugBacking, giveGuarded, giveGuardedBatch, takeGuardedBatch } from "./debug_backing.ts";
import { describePool } from "./diagnostics.ts";
import { describeForgotten, type ForgottenBlock } from "./forgotten.ts";
import { type EpochToken, Net } from "./net.ts";
import { type PoolClassStats, type PoolStats, readClassStats, readStats } from "./pool_stats.ts";
import { plannedBytes, type PrewarmPlan } from "./prewarm.ts";
import { blockAlignment } from "./size_class.ts";
import { type KnownBlock, type PoolSnapshot, takeSnapshot } from "./snapshot.ts";
import { Supply } from "./supply.ts";

export { Block } from "./block.ts";
export type { PoolClassStats, PoolStats } from "./pool_stats.ts";

/** Elements of float32 whose bytes are small enough to need no check. */
const plainLength = 2 ** 28;

/** Memory for tensors, shared by the process, with shelves for this isolate. */
export class Pool {
  /** Called with blocks that nobody gave back, after they were taken back. */
  onForgotten: ((blocks: ForgottenBlock[]) => void) | undefined = undefined;
  readonly #supply = new Supply(this);
  readonly #net = new Net((blocks) => this.#takeForgotten(blocks));
  #guard: DebugGuard | undefined = debugMode()
    ? new DebugGuard(debugBacking(this.#supply))
    : undefined;
  #forgotten = 0;

  // ---- Raw ----------------------------------------------------------------

  /**
   * Takes a block, to be released by hand. Its contents are unspecified. The
   * object is used again after its release: one that is kept for longer shows
   * the data of its next holder. `rent` has handles without that danger.
   *
   * @param bytes How many bytes are needed, 1 or more.
   * @param alignment Of the address: a power of two from 1 to 4096.
   * @returns A block of at least that size, to be given to `release` once.
   * @throws {RangeError} When the size or the alignment is out of range.
   * @throws {OutOfMemoryError} When the budget or the system refuses it.
   *
   * @example
   * ```ts
   * import { pool } from "@quern/quern";
   *
   * const block = pool.acquire(16_384);
   * try {
   *   new Float32Array(block.buffer, block.bufferOffset, 4096).fill(1);
   * } finally {
   *   pool.release(block);
   * }
   * ```
   */
  acquire(bytes: number, alignment: number = blockAlignment): Block {
    if (alignment !== blockAlignment || this.#guard !== undefined) {
      return this.#acquireOther(bytes, alignment);
    }
    return this.#supply.take(bytes);
  }

  /**
   * Gives a block back.
   *
   * @param block What `acquire` returned; it must not be used any more.
   * @throws {TypeError} When it is not a block of this pool.
   * @throws {Error} When it was released before.
   */
  release(block: Block): void {
    if (this.#guard === undefined) this.#supply.give(block);
    else giveGuarded(this.#guard, block, this.#supply);
  }

  /**
   * Takes several blocks of one size: all of them, or none.
   *
   * @param bytes How many bytes are needed in each, 1 or more.
   * @param count How many blocks, from 0 to 65,536.
   * @param into An array to put them in, in place of what it holds; otherwise a new one.
   * @returns The array of exactly `count` blocks.
   * @throws {RangeError} When the size or the count is out of range.
   * @throws {OutOfMemoryError} When the budget or the system refuses them.
   */
  acquireBatch(bytes: number, count: number, into: Block[] = []): Block[] {
    checkBatch(bytes, count, "pool.acquireBatch");
    into.length = count;
    if (this.#guard === undefined) this.#supply.takeBatch(bytes, into);
    else takeGuardedBatch(this.#guard, bytes, into);
    return into;
  }

  /**
   * Gives several blocks back. One that cannot be released does not keep the
   * others from it.
   *
   * @param blocks The blocks; of any sizes.
   * @throws {TypeError} When one is not a block of this pool.
   * @throws {Error} When one was released before.
   */
  releaseBatch(blocks: readonly Block[]): void {
    if (this.#guard === undefined) this.#supply.giveBatch(blocks);
    else giveGuardedBatch(this.#guard, blocks, this.#supply);
  }

  // ---- Safe ---------------------------------------------------------------

  /**
   * Rents memory for elements. Dispose of the buffer, or bind it with `using`.
   *
   * @param length The number of elements; 0 is allowed.
   * @param dtype The element type; float32 when left out.
   * @returns A new handle; its contents are unspecified.
   * @throws {RangeError} When the length is out of range, or does not fill whole blocks of the dtype.
   * @throws {TypeError} When there is no such dtype.
   * @throws {OutOfMemoryError} When the budget or the system refuses it.
   *
   * @example
   * ```ts
   * import { pool } from "@quern/quern";
   *
   * using buffer = pool.rent(4096, "float32");
   * buffer.data.fill(0.5);
   * ```
   */
  rent<D extends DType = "float32">(
    length: number,
    dtype: D = "float32" as D,
  ): PooledBuffer<D> {
    const bytes = dtype === "float32" && (length | 0) === length && length > 0 &&
        length <= plainLength
      ? length * 4
      : bufferBytes(length, dtype, "pool.rent");
    const block = this.acquire(bytes === 0 ? 1 : bytes);
    return new PooledBuffer(block, this.#net.enter(block), length, dtype, bytes);
  }

  /**
   * Rents memory for several buffers of one size, under one handle.
   *
   * @param count How many buffers, from 0 to 65,536.
   * @param length The number of elements of each.
   * @param dtype The element type; float32 when left out.
   * @returns A new handle; all contents are unspecified.
   * @throws {RangeError} When the count or the length is out of range.
   * @throws {TypeError} When there is no such dtype.
   * @throws {OutOfMemoryError} When the budget or the system refuses them.
   *
   * @example
   * ```ts
   * import { pool } from "@quern/quern";
   *
   * using heads = pool.rentBatch(12, 64 * 64);
   * console.log(heads.count, heads.data(0).length); // 12 4096
   * ```
   */
  rentBatch<D extends DType = "float32">(
    count: number,
    length: number,
    dtype: D = "float32" as D,
  ): PooledBatch<D> {
    const bytes = Math.max(bufferBytes(length, dtype, "pool.rentBatch"), 1);
    checkBatch(bytes, count, "pool.rentBatch");
    const blocks = this.acquireBatch(bytes, count);
    return new PooledBatch(this, blocks, this.#net.enterAll(blocks), length, dtype);
  }

  /**
   * A block is held by a safe handle from now on.
   *
   * @param block A block that is handed out.
   * @returns What the handle must hold on to until it gives the block back.
   * @internal
   */
  watch(block: Block): EpochToken {
    return this.#net.enter(block);
  }

  /**
   * Takes a block back from a safe handle.
   *
   * @param block The block.
   * @param token What `watch` gave for it.
   * @internal
   */
  giveBack(block: Block, token: EpochToken): void {
    this.#net.leave(block, token);
    this.release(block);
  }

  /**
   * Takes the blocks of a batch back.
   *
   * @param blocks The blocks.
   * @param token What the net gave for them.
   * @internal
   */
  giveBackAll(blocks: readonly Block[], token: EpochToken): void {
    this.#net.leaveAll(blocks, token);
    this.releaseBatch(blocks);
  }

  // ---- Looking ------------------------------------------------------------

  /**
   * What the pool has done and holds, over the whole process; blocks on the
   * shelves of isolates count as cached.
   *
   * @returns A fresh object of plain numbers.
   *
   * @example
   * ```ts
   * import { pool } from "@quern/quern";
   *
   * console.log(pool.stats().hitRate);
   * ```
   */
  stats(): PoolStats {
    return readStats(this.#forgotten);
  }

  /**
   * The same by size of the blocks.
   *
   * @returns The classes of small blocks by size, then that of all blocks over 1 MiB.
   *
   * @example
   * ```ts
   * import { pool } from "@quern/quern";
   *
   * const busy = pool.classStats().filter(({ rents }) => rents > 0);
   * console.table(busy);
   * ```
   */
  classStats(): PoolClassStats[] {
    return readClassStats();
  }

  /** Sets the counters of `stats()` to zero, and its peaks to what is held now. */
  resetStats(): void {
    this.#forgotten = 0;
    check(native().symbols.qn_pool_stats_reset(), "pool.resetStats");
  }

  /**
   * Every block of the process, with its size, state and age, and in debug mode
   * where it was rented.
   *
   * @returns Plain data.
   */
  snapshot(): PoolSnapshot {
    const known = this.#guard?.known() ?? new Map<bigint, KnownBlock>();
    for (const block of this.#supply.shelves) known.set(block.address, { shelved: true });
    return takeSnapshot({ stats: this.stats(), known });
  }

  /**
   * How the pool is doing, in words: what needs attention, and how memory is used.
   *
   * @returns Lines of text.
   *
   * @example
   * ```ts
   * import { pool } from "@quern/quern";
   *
   * console.log(pool.diagnostics());
   * ```
   */
  diagnostics(): string {
    const shelves = this.#supply.shelves.use();
    return describePool({ stats: this.stats(), snapshot: this.snapshot(), shelves });
  }

  // ---- Governing ----------------------------------------------------------

  /**
   * Limits the bytes of memory that the pool holds in the whole process, handed
   * out or cached. What is over the limit already is trimmed where it is cached.
   *
   * @param size Bytes, or a text such as `"512MiB"`; Infinity for no limit.
   * @throws {RangeError} When the size is not a positive number of bytes.
   */
  setBudget(size: number | string): void {
    const bytes = size === Infinity ? 0 : parseSize(size);
    if (size !== Infinity && bytes < 1) {
      throw new RangeError(`pool.setBudget: the budget is at least 1 byte, not ${size}`);
    }
    this.#supply.shelves.clear();
    check(native().symbols.qn_pool_budget_set(BigInt(bytes)), "pool.setBudget", `${size}`);
  }

  /**
   * Gives the memory of returned blocks back to the operating system, and asks
   * other isolates to give up what is on their shelves.
   *
   * @returns The number of bytes given back.
   */
  trim(): number {
    this.#guard?.flush();
    return this.#supply.trim();
  }

  /**
   * Says how long returned memory may wait to be used again before it goes back
   * to the operating system; 10 seconds unless it is set.
   *
   * @param milliseconds At least so long; Infinity: until `trim` is called.
   * @throws {RangeError} When it is not an integer from 1 to 2^32 - 1, or Infinity.
   */
  setIdle(milliseconds: number): void {
    const isForever = milliseconds === Infinity;
    const isTime = Number.isInteger(milliseconds) && milliseconds >= 1 && milliseconds < 2 ** 32;
    if (!isForever && !isTime) {
      throw new RangeError(
        "pool.setIdle: a time is an integer from 1 to 2^32 - 1 milliseconds, or Infinity, " +
          `not ${milliseconds}`,
      );
    }
    check(native().symbols.qn_pool_idle_set(isForever ? 0 : milliseconds), "pool.setIdle");
    this.#supply.shelves.setIdle(milliseconds);
  }

  /**
   * Makes memory ready, pages touched, so that the first rents meet neither the
   * operating system nor page faults.
   *
   * @param plans What will be needed at the same time.
   * @throws {RangeError} When a size or a count is out of range.
   * @throws {OutOfMemoryError} When the budget or the system refuses it.
   *
   * @example
   * ```ts
   * import { pool } from "@quern/quern";
   *
   * pool.prewarm([{ shape: [32, 512], count: 8 }, { bytes: 1 << 20, count: 2 }]);
   * ```
   */
  prewarm(plans: PrewarmPlan | readonly PrewarmPlan[]): void {
    const list = Array.isArray(plans) ? plans as readonly PrewarmPlan[] : [plans as PrewarmPlan];
    const sizes = list.map(plannedBytes);
    list.forEach(({ count }, index) => this.#supply.prewarm(sizes[index], count));
  }

  /** How many blocks this isolate's shelf of each class of small ones may hold; `autoTune` changes it. */
  get limits(): number[] {
    return this.#supply.shelves.limits;
  }

  /**
   * Changes how many blocks this isolate's shelves may hold, from what was rented
   * since the last time.
   *
   * @param targetHitRate The part of all rents that shelves should serve, above 0 and up to 1.
   * @returns What was changed.
   * @throws {RangeError} When the target is no such number.
   */
  autoTune(targetHitRate = 0.99): TuneReport {
    const { limits, report } = planLimits(this.#supply.shelves.use(), targetHitRate);
    this.#supply.shelves.tune(limits);
    return report;
  }

  /**
   * Debug mode: poison, guards, buffers that are detached when they are returned,
   * origins. It holds for blocks that are rented from now on.
   */
  get debug(): boolean {
    return this.#guard !== undefined;
  }

  /** Turns debug mode on; or off, when no block that was rented in it is in use. */
  set debug(on: boolean) {
    if (on === this.debug) return;
    if (!on) this.#guard?.[Symbol.dispose]();
    setDebugMode(on);
    this.#guard = on ? new DebugGuard(debugBacking(this.#supply)) : undefined;
  }

  /**
   * Looks for writes outside blocks and after their return; debug mode only.
   *
   * @throws {Error} When there was one.
   */
  checkGuards(): void {
    this.#guard?.checkGuards();
  }

  /**
   * Where a block was rented and returned, in debug mode.
   *
   * @param block The block.
   * @returns Words for an error, or undefined.
   * @internal
   */
  historyOf(block: Block): string | undefined {
    return block.native === 0n ? undefined : this.#guard?.history(block);
  }

  // ---- Slow paths ---------------------------------------------------------

  #acquireOther(bytes: number, alignment: number): Block {
    checkAlignment(alignment, "pool.acquire");
    checkBytes(bytes, "pool.acquire");
    return this.#guard?.acquire(bytes, alignment) ?? this.#supply.takeAligned(bytes, alignment);
  }

  #takeForgotten(blocks: Block[]): void {
    const report = describeForgotten(blocks, this.#guard);
    this.#forgotten += blocks.length;
    try {
      this.releaseBatch(blocks);
    } finally {
      const tell = this.onForgotten ?? (this.debug ? warnForgotten : undefined);
      tell?.(report);
    }
  }
}

/**
 * The pool of this process.
 *
 * @example
 * ```ts
 * import { pool, Tensor } from "@quern/quern";
 *
 * pool.setBudget("512MiB");
 * {
 *   using x = Tensor.zeros([32, 512]);
 *   console.log(x.shape, pool.stats().outstanding);
 * }
 * ```
 */
export const pool: Pool = new Pool();
