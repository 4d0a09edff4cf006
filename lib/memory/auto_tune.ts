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
import { classBytes } from "./size_class.ts";

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
export const defaultShelfBytes: number = 32 << 20;

/** The shelves of an isolate, as tuning sees them. */
export interface TunableShelves {
  /** How many blocks the shelf of each class may hold. */
  readonly limits: Int32Array;
  /** What was counted at the slow calls. */
  readonly demand: ShelfDemand;
  /**
   * How often a shelf served a rent, since any fixed moment.
   *
   * @param sizeClass The class.
   */
  hits(sizeClass: number): number;
  /** Passes on the blocks that are beyond the limits. */
  shrink(): void;
}

/** Counts what the shelf of each class would need; see the head of this file. */
export class ShelfDemand {
  readonly #misses: Float64Array;
  readonly #avoidable: Float64Array;
  readonly #beyond: Int32Array;
  readonly #inARow: Int32Array;
  readonly #longest: Int32Array;
  /** Hits as of the last tuning. */
  readonly #hits: Float64Array;

  /**
   * Counts for shelves that were not used yet.
   *
   * @param classes How many shelves there are.
   */
  constructor(classes: number) {
    this.#misses = new Float64Array(classes);
    this.#avoidable = new Float64Array(classes);
    this.#beyond = new Int32Array(classes);
    this.#inARow = new Int32Array(classes);
    this.#longest = new Int32Array(classes);
    this.#hits = new Float64Array(classes);
  }

  /**
   * A block was returned to a full shelf, and passed on.
   *
   * @param sizeClass Its class.
   */
  passedOn(sizeClass: number): void {
    this.#beyond[sizeClass]++;
    if (this.#inARow[sizeClass] > 0) this.#inARow[sizeClass]--;
  }

  /**
   * A block was wanted of an empty shelf.
   *
   * @param sizeClass Its class.
   */
  missed(sizeClass: number): void {
    this.#misses[sizeClass]++;
    if (this.#beyond[sizeClass] === 0) return;
    this.#beyond[sizeClass]--;
    this.#avoidable[sizeClass]++;
    const inARow = ++this.#inARow[sizeClass];
    if (inARow > this.#longest[sizeClass]) this.#longest[sizeClass] = inARow;
  }

  /** The shelves were emptied on purpose: what they held is not missed by their limits. */
  emptied(): void {
    this.#beyond.fill(0);
    this.#inARow.fill(0);
  }

  /**
   * What the shelf of a class did since the last call of `restart`.
   *
   * @param sizeClass The class.
   * @param limit The number of blocks that its shelf may hold.
   * @param hits How often it served a rent, since any fixed moment.
   * @returns Its use.
   */
  use(sizeClass: number, limit: number, hits: number): ShelfUse {
    const longest = this.#longest[sizeClass];
    return {
      bytes: classBytes(sizeClass),
      limit,
      hits: Math.max(hits - this.#hits[sizeClass], 0),
      misses: this.#misses[sizeClass],
      avoidable: this.#avoidable[sizeClass],
      needed: longest === 0 ? 0 : limit + longest,
    };
  }

  /**
   * Begins to count anew.
   *
   * @param hits How often the shelf of a class served a rent until now.
   */
  restart(hits: (sizeClass: number) => number): void {
    for (let c = 0; c < this.#hits.length; c++) this.#hits[c] = hits(c);
    this.#misses.fill(0);
    this.#avoidable.fill(0);
    this.#longest.fill(0);
    this.emptied();
  }
}

/**
 * Sets the limits of shelves by what was seen since the last call.
 *
 * @param shelves The shelves of an isolate.
 * @param target The hit rate that is wanted, above 0 and up to 1.
 * @param mostBytes What all shelves together may hold.
 * @returns What was found and done.
 * @throws {RangeError} When the target is no such number.
 */
export function tuneShelves(
  shelves: TunableShelves,
  target: number,
  mostBytes: number = defaultShelfBytes,
): TuneReport {
  const { demand, limits } = shelves;
  const uses = shelfUses(shelves);
  const planned = planLimits(uses, target, mostBytes);
  limits.set(planned.limits);
  demand.restart((sizeClass) => shelves.hits(sizeClass));
  shelves.shrink();
  return planned.report;
}

/**
 * What each shelf did since it was last tuned.
 *
 * @param shelves The shelves of an isolate.
 * @returns One entry a class.
 */
export function shelfUses(shelves: TunableShelves): ShelfUse[] {
  return Array.from(
    shelves.limits,
    (limit, sizeClass) => shelves.demand.use(sizeClass, limit, shelves.hits(sizeClass)),
  );
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
