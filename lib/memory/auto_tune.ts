/**
 * Learns how many blocks each shelf of an isolate should hold.
 *
 * A shelf that is too small sends blocks to the native pool and fetches them
 * back; one that is too large keeps memory that nobody uses. What a shelf would
 * have needed is found by counting, at the slow calls only, what an endless
 * shelf would hold beyond its limit:
 *
 *     return, shelf full     beyond + 1
 *     rent, shelf empty      beyond > 0?  beyond - 1, and the miss was avoidable
 *                            else         the block was not there to be had
 *
 * The greatest number of avoidable misses in a row is how much longer the shelf
 * should have been: a block that was passed on and is never fetched back costs
 * nothing, and does not raise the limit.
 */
/** What a shelf did since it was last tuned. */
export interface ShelfUse {
  /** Bytes of its blocks. */
  readonly bytes: number;
  /** The number of blocks that it may hold. */
  readonly limit: number;
  /** Rents that it served. */
  readonly hits: number;
  /** Rents that found it empty. */
  readonly misses: number;
  /** Those of them that a longer shelf would have served. */
  readonly avoidable: number;
  /** The number of blocks that would have served them too. */
  readonly needed: number;
}

/** What became of a shelf's limit. */
export interface TunedClass {
  /** Bytes of its blocks. */
  bytes: number;
  /** Of the rents, the part that the shelf served; 1 when there were none. */
  hitRate: number;
  /** The number of blocks that it could hold. */
  limit: number;
  /** The number of blocks that it can hold now. */
  newLimit: number;
}

/** What tuning found and did. */
export interface TuneReport {
  /** The hit rate that was wanted. */
  target: number;
  /** The part of all rents that the shelves served. */
  before: number;
  /** The part that they would have served with the new limits. */
  after: number;
  /** Bytes that the shelves may hold in all, with the new limits. */
  shelfBytes: number;
  /** The shelves that were used, or whose limit changed. */
  classes: TunedClass[];
}

/** What all shelves of an isolate may hold. */
const defaultShelfBytes = 32 << 20;

/** Counts what the shelf of one class would need; see the head of this file. */
export class ShelfDemand {
  #beyond = 0;
  #inARow = 0;
  #longest = 0;
  #avoidable = 0;

  /** Misses that a longer shelf would have served. */
  get avoidable(): number {
    return this.#avoidable;
  }

  /** By how many blocks the shelf was too short. */
  get missing(): number {
    return this.#longest;
  }

  /** A block was returned to a full shelf, and passed on. */
  passedOn(): void {
    this.#beyond++;
    if (this.#inARow > 0) this.#inARow--;
  }

  /** A block was wanted of an empty shelf. */
  missed(): void {
    if (this.#beyond === 0) return;
    this.#beyond--;
    this.#avoidable++;
    this.#longest = Math.max(this.#longest, ++this.#inARow);
  }

  /** The shelf was emptied on purpose: what it misses then is not for want of a higher limit. */
  emptied(): void {
    this.#beyond = this.#inARow = 0;
  }

  /** Begins to count anew. */
  reset(): void {
    this.emptied();
    this.#longest = this.#avoidable = 0;
  }
}

/**
 * Works out new limits. A class whose hit rate is below the target gets as many
 * as it needed; one that was not used loses half, down to one. When all that does
 * not fit into the bound, the classes come first that are rented most for their
 * bytes.
 *
 * @param shelves What each shelf did since it was last tuned.
 * @param target The hit rate that is wanted, above 0 and up to 1.
 * @param mostBytes What all shelves together may hold.
 * @returns The new limits, in the order of the shelves, and the report.
 * @throws {RangeError} When the target is no such number.
 */
export function planLimits(
  shelves: readonly ShelfUse[],
  target: number,
  mostBytes: number = defaultShelfBytes,
): { limits: number[]; report: TuneReport } {
  if (!(target > 0 && target <= 1)) {
    throw new RangeError(
      `pool.autoTune: the hit rate is a number above 0 and up to 1, not ${target}`,
    );
  }
  const limits = fitLimits(shelves, shelves.map((use) => wantedLimit(use, target)), mostBytes);
  return { limits, report: report(shelves, limits, target) };
}

function wantedLimit(use: ShelfUse, target: number): number {
  const { limit, needed } = use;
  if (!wasUsed(use)) return Math.min(limit, Math.max(Math.floor(limit / 2), 1));
  return hitRate(use) < target ? Math.max(limit, needed) : limit;
}

/** Gives out the bytes, to the classes first that are rented most for what they want. */
function fitLimits(
  shelves: readonly ShelfUse[],
  wanted: readonly number[],
  mostBytes: number,
): number[] {
  const density = shelves.map(({ hits, misses, bytes }, index) =>
    (hits + misses) / (Math.max(wanted[index], 1) * bytes)
  );
  const order = shelves.map((_, index) => index).sort((a, b) => density[b] - density[a]);
  const limits = shelves.map(() => 0);
  let left = mostBytes;
  for (const index of order) {
    const { bytes } = shelves[index];
    limits[index] = Math.min(wanted[index], Math.floor(left / bytes));
    left -= limits[index] * bytes;
  }
  return limits;
}

function report(
  shelves: readonly ShelfUse[],
  limits: readonly number[],
  target: number,
): TuneReport {
  let [rents, hits, gained, shelfBytes] = [0, 0, 0, 0];
  const classes: TunedClass[] = [];
  shelves.forEach((use, index) => {
    const newLimit = limits[index];
    rents += use.hits + use.misses;
    hits += use.hits;
    gained += expectedGain(use, newLimit);
    shelfBytes += newLimit * use.bytes;
    if (!wasUsed(use) && newLimit === use.limit) return;
    classes.push({ bytes: use.bytes, hitRate: hitRate(use), limit: use.limit, newLimit });
  });
  const rate = (served: number) => rents === 0 ? 1 : served / rents;
  return { target, before: rate(hits), after: rate(hits + gained), shelfBytes, classes };
}

/** Rents that the new limit would have served besides; fewer, when it is lower. */
function expectedGain({ limit, needed, avoidable, hits }: ShelfUse, newLimit: number): number {
  if (newLimit < limit) return -hits * (1 - newLimit / limit);
  if (needed <= limit) return 0;
  return avoidable * Math.min((newLimit - limit) / (needed - limit), 1);
}

function wasUsed({ hits, misses }: ShelfUse): boolean {
  return hits + misses > 0;
}

function hitRate({ hits, misses }: ShelfUse): number {
  return hits + misses === 0 ? 1 : hits / (hits + misses);
}
