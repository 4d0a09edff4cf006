/**
 * The tensor pool as an isolate sees it.
 *
 * The pool itself is native and shared by the whole process. In front of it
 * each isolate keeps returned blocks on a shelf a size class, so that renting
 * in a loop makes no native call and no garbage: a block is an object that is
 * used again, with its address as a bigint made once.
 *
 *     rent(bytes) ── shelf of the class ── empty? ──▶ qn_pool_rent
 *     return      ─▶ shelf of the class ── full?  ──▶ qn_pool_return
 *
 * Size classes are those of the native pool: 256 bytes, then four steps to a
 * doubling, up to 1 MiB. Larger blocks always go to the native pool, which
 * splits and joins them.
 */
import { OutOfMemoryError } from "../core/errors.ts";
import { formatBytes, parseSize } from "../core/sizes.ts";
import { check, native, Status, statusError } from "../ffi/mod.ts";
import { PoolStat } from "../ffi/symbols.ts";

const smallestClassBytes = 256;
const largestClassBytes = 1 << 20;
/** What one shelf may hold; beyond it, blocks go back to the native pool. */
const shelfBytes = 4 << 20;

/** A piece of pool memory, aligned to 64 bytes. */
export interface Block {
  /** Its native address. */
  readonly address: bigint;
  /** The bytes it may hold, at least what was asked for. */
  readonly byteLength: number;
  /** The native address of the segment that holds it. */
  readonly segmentAddress: bigint;
  /** The bytes of that segment. */
  readonly segmentBytes: number;
  /** Where the block begins in its segment, in bytes. */
  readonly segmentOffset: number;
}

/** What the pool has done and holds. Counters run since the last reset. */
export interface PoolStats {
  /** Blocks handed out. */
  rents: number;
  /** Blocks taken back. */
  returns: number;
  /** Rents served from memory that was used before. */
  hits: number;
  /** Rents that took memory never used before. */
  misses: number;
  /** hits / rents; 1 before the first rent. */
  hitRate: number;
  /** Blocks handed out now. */
  outstanding: number;
  /** Bytes of the blocks handed out now. */
  liveBytes: number;
  /** Bytes of returned blocks that are kept for reuse. */
  cachedBytes: number;
  /** Bytes obtained from the operating system. */
  reservedBytes: number;
  /** The most bytes handed out at one time, isolates' shelves included. */
  peakBytes: number;
  /** Segments obtained from the operating system, ever. */
  segments: number;
  /** The limit of bytes handed out; Infinity when there is none. */
  budgetBytes: number;
}

/** Memory for tensors, shared by the process, with a cache for this isolate. */
export class Pool {
  readonly #shelves: Block[][] = [];
  readonly #mailbox: BigUint64Array<ArrayBuffer> = new BigUint64Array(PoolStat.COUNT);
  #shelvedBlocks = 0;
  #shelvedBytes = 0;
  #shelfHits = 0;
  #shelfReturns = 0;

  /**
   * Rents memory. Its contents are unspecified.
   *
   * @param bytes How many bytes are needed, 1 or more.
   * @returns A block of at least that size, to be given to `release` once.
   * @throws {OutOfMemoryError} When the budget or the system refuses it.
   */
  acquire(bytes: number): Block {
    const index = sizeClass(bytes);
    const block = this.#shelves[index]?.pop();
    if (block === undefined) return this.#rentNative(bytes);
    this.#shelfHits++;
    this.#shelvedBlocks--;
    this.#shelvedBytes -= block.byteLength;
    return block;
  }

  /**
   * Gives a block back.
   *
   * @param block What `acquire` returned; it must not be used any more.
   */
  release(block: Block): void {
    const index = sizeClass(block.byteLength);
    const shelf = index < 0 ? undefined : (this.#shelves[index] ??= []);
    if (shelf === undefined || (shelf.length + 1) * block.byteLength > shelfBytes) {
      check(native().symbols.qn_pool_return(block.address, 0, 0), "pool.release");
      return;
    }
    this.#shelfReturns++;
    this.#shelvedBlocks++;
    this.#shelvedBytes += block.byteLength;
    shelf.push(block);
  }

  /**
   * What the pool has done and holds, over the whole process; blocks on this
   * isolate's shelves count as cached.
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
    check(native().symbols.qn_pool_stats(this.#mailbox), "pool.stats");
    const read = (stat: number) => Number(this.#mailbox[stat]);
    const rents = read(PoolStat.RENTS) + this.#shelfHits;
    const hits = read(PoolStat.HITS) + this.#shelfHits;
    return {
      rents,
      returns: read(PoolStat.RETURNS) + this.#shelfReturns,
      hits,
      misses: read(PoolStat.MISSES),
      hitRate: rents === 0 ? 1 : hits / rents,
      outstanding: read(PoolStat.OUTSTANDING) - this.#shelvedBlocks,
      liveBytes: read(PoolStat.LIVE_BYTES) - this.#shelvedBytes,
      cachedBytes: read(PoolStat.CACHED_BYTES) + this.#shelvedBytes,
      reservedBytes: read(PoolStat.RESERVED_BYTES),
      peakBytes: read(PoolStat.PEAK_BYTES),
      segments: read(PoolStat.SEGMENTS),
      budgetBytes: read(PoolStat.BUDGET_BYTES) || Infinity,
    };
  }

  /** Sets the counters of `stats()` to zero, and the peak to what is live. */
  resetStats(): void {
    this.#shelfHits = 0;
    this.#shelfReturns = 0;
    check(native().symbols.qn_pool_stats_reset(), "pool.resetStats");
  }

  /**
   * Limits the bytes that may be handed out in the whole process.
   *
   * @param size Bytes, or a text such as `"512MiB"`; Infinity for no limit.
   * @throws {RangeError} When the size is not a positive number of bytes.
   */
  setBudget(size: number | string): void {
    const bytes = size === Infinity ? 0 : parseSize(size);
    if (size !== Infinity && bytes < 1) {
      throw new RangeError(`pool.setBudget: the budget is at least 1 byte, not ${size}`);
    }
    this.#clearShelves();
    check(native().symbols.qn_pool_budget_set(BigInt(bytes)), "pool.setBudget", `${size}`);
  }

  /**
   * Gives the memory of returned blocks back to the operating system.
   *
   * @returns The number of bytes given back.
   */
  trim(): number {
    this.#clearShelves();
    check(native().symbols.qn_pool_trim(this.#mailbox), "pool.trim");
    return Number(this.#mailbox[0]);
  }

  #rentNative(bytes: number): Block {
    if (!Number.isSafeInteger(bytes) || bytes < 1) {
      throw new RangeError(`pool.acquire: a block has 1 or more bytes, not ${bytes}`);
    }
    const { symbols } = native();
    const size = BigInt(bytes);
    let status = symbols.qn_pool_rent(this.#mailbox, size, 64, 0);
    if (status !== Status.OK && this.#shelvedBlocks > 0) {
      this.#clearShelves();
      status = symbols.qn_pool_rent(this.#mailbox, size, 64, 0);
    }
    if (status !== Status.OK) throw this.#rentError(status, bytes);
    const [address, granted, segmentAddress, segmentBytes] = this.#mailbox;
    return {
      address,
      byteLength: Number(granted),
      segmentAddress,
      segmentBytes: Number(segmentBytes),
      segmentOffset: Number(address - segmentAddress),
    };
  }

  #rentError(status: number, bytes: number): Error {
    const { liveBytes, cachedBytes, budgetBytes } = this.stats();
    const budget = budgetBytes === Infinity ? "none" : formatBytes(budgetBytes);
    const details = `asked for ${formatBytes(bytes)}, live ${formatBytes(liveBytes)}, ` +
      `cached ${formatBytes(cachedBytes)}, budget ${budget}`;
    const { message } = statusError(status, "pool.acquire", details);
    return new OutOfMemoryError(`${message}: dispose of tensors, or raise the budget`);
  }

  #clearShelves(): void {
    const { symbols } = native();
    for (const shelf of this.#shelves) {
      for (const block of shelf ?? []) {
        check(symbols.qn_pool_return(block.address, 0, 0), "pool.trim");
      }
    }
    this.#shelves.length = 0;
    this.#shelvedBlocks = 0;
    this.#shelvedBytes = 0;
  }
}

/** The class of a size, or -1 for sizes that have none and for what is not a size. */
function sizeClass(bytes: number): number {
  if ((bytes | 0) !== bytes || bytes < 1 || bytes > largestClassBytes) return -1;
  if (bytes <= smallestClassBytes) return 0;
  const last = bytes - 1;
  const exponent = 31 - Math.clz32(last);
  return (exponent - 8) * 4 + ((last >> (exponent - 2)) & 3) + 1;
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
