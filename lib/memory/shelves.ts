/**
 * The shelves of an isolate: returned blocks that are rented again without a
 * native call, last in, first out, so that the warmest memory comes first.
 *
 * There is a shelf for each class of small blocks, and one for large blocks. The
 * shelf of a class holds `limits[class]` blocks: at first as many as make 1 MiB,
 * but at least 4 and at most 256. That is 49 MiB if every shelf is full,
 * and 32 MiB of large blocks on top: the most that an isolate keeps to itself.
 *
 * Every change is counted in the isolate's account (see isolate.ts), here alone.
 *
 * Invariants: a block on a shelf has `held` false and `requested` 0; class c has
 * `RETURNS[c] − RENTS[c]` blocks on its shelf.
 */
import { IsolateField } from "../ffi/symbols.ts";
import { ShelfDemand, type ShelfUse } from "./auto_tune.ts";
import type { Block } from "./block.ts";
import { isolate } from "./isolate.ts";
import { LargeShelf } from "./large_shelf.ts";
import { returnNative } from "./native_blocks.ts";
import { classBytes, largeClass, smallClasses } from "./size_class.ts";

const shelfBytes = 1 << 20;
const fewestBlocks = 4;
const mostBlocks = 256;

const { NOW, FLUSHES, REQUESTED, LARGE_SHELVED, RENTS, RETURNS } = IsolateField;

/** Returned blocks of one isolate. */
export class Shelves {
  /** How many blocks the shelf of each class of small blocks may hold. */
  readonly limits: Int32Array<ArrayBuffer> = Int32Array.from(
    { length: smallClasses },
    (_, sizeClass) => defaultLimit(sizeClass),
  );
  readonly #counts = new Int32Array(smallClasses);
  readonly #small: Block[][] = Array.from({ length: smallClasses }, () => []);
  readonly #large = new LargeShelf();
  /** Until the account is open there is nothing to count. */
  #fields = new Float64Array(IsolateField.FIELDS);
  #flushes = 0;
  readonly #demands = Array.from({ length: smallClasses }, () => new ShelfDemand());
  readonly #misses = new Float64Array(smallClasses);
  /** Rents of each class when the limits were last changed. */
  readonly #tunedAt = new Float64Array(smallClasses);

  /** Begins to count in the isolate's account. */
  open(): void {
    this.#fields = isolate().fields;
    this.#flushes = this.#fields[FLUSHES];
    this.#markTuned();
  }

  /**
   * Takes a block that fits, and hands it out.
   *
   * @param bytes The bytes that are needed.
   * @param sizeClass Their class, or that of blocks with a stricter alignment; -1: none.
   * @returns A block, or undefined when the shelf is empty.
   */
  take(bytes: number, sizeClass: number): Block | undefined {
    if (sizeClass < 0) return undefined;
    const block = sizeClass === largeClass ? this.#takeLarge(bytes) : this.#takeSmall(sizeClass);
    if (block === undefined) return undefined;
    const fields = this.#fields;
    fields[RENTS + sizeClass]++;
    fields[REQUESTED] += bytes;
    block.requested = bytes;
    block.since = fields[NOW] | 0;
    block.held = true;
    return block;
  }

  /**
   * Puts a block back, unless its shelf is full. Empties all shelves first when
   * the native pool asked for it.
   *
   * @param block A block that is no longer held.
   * @returns Whether it is on a shelf now.
   */
  put(block: Block): boolean {
    const fields = this.#fields;
    if (fields[FLUSHES] !== this.#flushes) this.#flush();
    const { sizeClass } = block;
    const fits = sizeClass === largeClass
      ? this.#putLarge(block)
      : this.#putSmall(block, sizeClass);
    if (!fits) return false;
    fields[RETURNS + sizeClass]++;
    fields[REQUESTED] -= block.requested;
    block.requested = 0;
    return true;
  }

  /**
   * Counts a block as returned that somebody keeps instead of a shelf.
   *
   * @param block A block that is no longer held.
   */
  countKept(block: Block): void {
    const fields = this.#fields;
    fields[RETURNS + block.sizeClass]++;
    if (block.sizeClass === largeClass) fields[LARGE_SHELVED] += block.byteLength;
    fields[REQUESTED] -= block.requested;
    block.requested = 0;
  }

  /**
   * Gives blocks back to the native pool that left their shelf, or were kept instead.
   *
   * @param blocks The blocks.
   */
  passOn(blocks: readonly Block[]): void {
    for (const { sizeClass, byteLength } of blocks) {
      this.#fields[RETURNS + sizeClass]--;
      if (sizeClass === largeClass) this.#fields[LARGE_SHELVED] -= byteLength;
    }
    returnNative(blocks, "pool.trim");
  }

  /** Gives every block back to the native pool. */
  clear(): void {
    const blocks: Block[] = [];
    for (let sizeClass = 0; sizeClass < smallClasses; sizeClass++) {
      const shelf = this.#small[sizeClass];
      for (let i = 0; i < this.#counts[sizeClass]; i++) blocks.push(shelf[i]);
      this.#counts[sizeClass] = 0;
      shelf.length = 0;
    }
    this.#large.clear(blocks);
    this.passOn(blocks);
  }

  /**
   * What each shelf of small blocks did since its limit was last changed.
   *
   * @returns One entry a class.
   */
  use(): ShelfUse[] {
    return Array.from(this.limits, (limit, sizeClass) => ({
      bytes: classBytes(sizeClass),
      limit,
      hits: this.#fields[RENTS + sizeClass] - this.#tunedAt[sizeClass],
      misses: this.#misses[sizeClass],
      avoidable: this.#demands[sizeClass].avoidable,
      needed: limit + this.#demands[sizeClass].missing,
    }));
  }

  /**
   * Changes the limits. Shelves that hold more shrink as they are used.
   *
   * @param limits One a class of small blocks.
   */
  tune(limits: readonly number[]): void {
    this.limits.set(limits);
    this.#misses.fill(0);
    for (const demand of this.#demands) demand.reset();
    this.#markTuned();
  }

  /** The blocks on all shelves. */
  *[Symbol.iterator](): Generator<Block> {
    for (let sizeClass = 0; sizeClass < smallClasses; sizeClass++) {
      yield* this.#small[sizeClass].slice(0, this.#counts[sizeClass]);
    }
    yield* this.#large;
  }

  #takeSmall(sizeClass: number): Block | undefined {
    const count = this.#counts[sizeClass];
    if (count === 0) {
      this.#misses[sizeClass]++;
      this.#demands[sizeClass].missed();
      return undefined;
    }
    this.#counts[sizeClass] = count - 1;
    return this.#small[sizeClass][count - 1];
  }

  #putSmall(block: Block, sizeClass: number): boolean {
    const count = this.#counts[sizeClass];
    if (count >= this.limits[sizeClass]) {
      this.#demands[sizeClass].passedOn();
      return false;
    }
    this.#small[sizeClass][count] = block;
    this.#counts[sizeClass] = count + 1;
    return true;
  }

  #takeLarge(bytes: number): Block | undefined {
    const block = this.#large.pop(bytes);
    if (block !== undefined) this.#fields[LARGE_SHELVED] -= block.byteLength;
    return block;
  }

  #putLarge(block: Block): boolean {
    displaced.length = 0;
    const fits = this.#large.push(block, displaced);
    if (fits) this.#fields[LARGE_SHELVED] += block.byteLength;
    if (displaced.length > 0) this.passOn(displaced);
    return fits;
  }

  #markTuned(): void {
    this.#tunedAt.set(this.#fields.subarray(RENTS, RENTS + smallClasses));
  }

  #flush(): void {
    this.#flushes = this.#fields[FLUSHES];
    this.clear();
  }
}

/** What one large block displaces; used again, since it is nearly always nothing. */
const displaced: Block[] = [];

/**
 * How many blocks a shelf holds at first.
 *
 * @param sizeClass A class of small blocks.
 * @returns As many as make 1 MiB, but at least 4 and at most 256.
 */
export function defaultLimit(sizeClass: number): number {
  const blocks = Math.floor(shelfBytes / classBytes(sizeClass));
  return Math.min(Math.max(blocks, fewestBlocks), mostBlocks);
}
