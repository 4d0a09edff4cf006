/**
 * What the pool has done and holds, as the native pool counts it: over the whole
 * process, the shelves of every isolate included.
 */
import { check, native } from "../ffi/mod.ts";
import { ClassStat, PoolSize, PoolStat } from "../ffi/symbols.ts";

/** What the pool has done and holds. Counters run since the last reset. */
export interface PoolStats {
  /** Blocks handed out. */
  rents: number;
  /** Blocks taken back. */
  returns: number;
  /** Rents served from memory that held its pages. */
  hits: number;
  /** Rents that needed pages from the operating system. */
  misses: number;
  /** hits / rents; 1 before the first rent. */
  hitRate: number;
  /** Blocks handed out now. */
  outstanding: number;
  /** Bytes of the blocks handed out now, as granted. */
  liveBytes: number;
  /** Bytes that were asked for, of the blocks handed out now. */
  requestedBytes: number;
  /** Bytes of returned blocks that are kept for reuse, isolates' shelves included. */
  cachedBytes: number;
  /** Of the cached bytes, those on isolates' shelves. */
  shelvedBytes: number;
  /** Live and cached bytes together: what the budget limits. */
  heldBytes: number;
  /** The largest `heldBytes`. */
  peakHeldBytes: number;
  /** The most bytes handed out at one time, isolates' shelves included. */
  peakBytes: number;
  /** Address space obtained from the operating system. */
  reservedBytes: number;
  /** Segments obtained from the operating system, ever. */
  segments: number;
  /** Bytes given back to the operating system. */
  trimmedBytes: number;
  /** Bytes of mapped files. */
  mappedBytes: number;
  /** The limit of held bytes; Infinity when there is none. */
  budgetBytes: number;
  /** Pieces of memory that several isolates hold, or that are on the way to one. */
  shared: number;
  /** Isolates that use the pool. */
  isolates: number;
  /** Blocks of this isolate that nobody gave back until their handle was collected. */
  forgotten: number;
}

/** What the pool has done and holds in blocks of one size. */
export interface PoolClassStats {
  /** Bytes that each block grants; Infinity for the class of all blocks over 1 MiB. */
  bytes: number;
  /** Blocks handed out since the last reset. */
  rents: number;
  /** Blocks taken back since the last reset. */
  returns: number;
  /** Rents that needed pages from the operating system, since the last reset. */
  misses: number;
  /** Blocks handed out now. */
  outstanding: number;
  /** Bytes of the blocks handed out now. */
  liveBytes: number;
  /** Bytes of returned blocks that are kept for reuse. */
  cachedBytes: number;
}

const mailbox = new BigUint64Array(PoolStat.COUNT);
const classMailbox = new BigUint64Array(ClassStat.STAT_COUNT * (PoolSize.CLASSES + 1));

/**
 * Reads the statistics of the process.
 *
 * @param forgotten What this isolate counted.
 * @returns A fresh object of plain numbers.
 */
export function readStats(forgotten: number): PoolStats {
  check(native().symbols.qn_pool_stats(mailbox), "pool.stats");
  const read = (stat: number) => Number(mailbox[stat]);
  const rents = read(PoolStat.RENTS);
  const hits = read(PoolStat.HITS);
  return {
    rents,
    returns: read(PoolStat.RETURNS),
    hits,
    misses: read(PoolStat.MISSES),
    hitRate: rents === 0 ? 1 : hits / rents,
    outstanding: read(PoolStat.OUTSTANDING),
    liveBytes: read(PoolStat.LIVE_BYTES),
    requestedBytes: read(PoolStat.REQUESTED_BYTES),
    cachedBytes: read(PoolStat.CACHED_BYTES),
    shelvedBytes: read(PoolStat.SHELVED_BYTES),
    heldBytes: read(PoolStat.HELD_BYTES),
    peakHeldBytes: read(PoolStat.PEAK_HELD_BYTES),
    peakBytes: read(PoolStat.PEAK_BYTES),
    reservedBytes: read(PoolStat.RESERVED_BYTES),
    segments: read(PoolStat.SEGMENTS),
    trimmedBytes: read(PoolStat.TRIMMED_BYTES),
    mappedBytes: read(PoolStat.MAPPED_BYTES),
    budgetBytes: read(PoolStat.BUDGET_BYTES) || Infinity,
    shared: read(PoolStat.SHARED),
    isolates: read(PoolStat.ISOLATES),
    forgotten,
  };
}

/**
 * Reads the statistics of every size.
 *
 * @returns The classes of small blocks by size, then that of all large blocks.
 */
export function readClassStats(): PoolClassStats[] {
  check(native().symbols.qn_pool_class_stats(classMailbox), "pool.classStats");
  return Array.from({ length: PoolSize.CLASSES + 1 }, (_, sizeClass) => {
    const read = (stat: number) => Number(classMailbox[sizeClass * ClassStat.STAT_COUNT + stat]);
    return {
      bytes: read(ClassStat.BYTES) || Infinity,
      rents: read(ClassStat.RENTS),
      returns: read(ClassStat.RETURNS),
      misses: read(ClassStat.MISSES),
      outstanding: read(ClassStat.OUTSTANDING),
      liveBytes: read(ClassStat.LIVE_BYTES),
      cachedBytes: read(ClassStat.CACHED_BYTES),
    };
  });
}
