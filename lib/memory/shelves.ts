/**
 * The shelves of an isolate: returned blocks that are rented again without a
 * native call.
 *
 * There is a shelf for each class of small blocks, at first of 1 MiB or 4 blocks,
 * and one for large blocks. That is 49 MiB if every shelf is full, and 32 MiB of
 * large blocks on top: the most that an isolate keeps to itself. A shelf that
 * served nobody for some time is emptied, and all are when the native pool asks
 * for it, at the next return of a block.
 *
 * Every change is counted in the isolate's account (see isolate.ts), here alone.
 *
 * Invariants: a block on a shelf has `held` false and `requested` 0; class c has
 * `RETURNS[c] − RENTS[c]` blocks on its shelf, or kept by debug mode.
 */
import { IsolateField } from "../ffi/symbols.ts";
import type { ShelfUse } from "./auto_tune.ts";
import type { Block } from "./block.ts";
import { isolate, ticksOf } from "./isolate.ts";
import { LargeShelf } from "./large_shelf.ts";
import { returnNative } from "./native_blocks.ts";
import { Shelf } from "./shelf.ts";
import { largeClass, smallClasses } from "./size_class.ts";

const { NOW, FLUSHES, REQUESTED, LARGE_SHELVED, RENTS, RETURNS } = IsolateField;
const defaultIdleMs = 10_000;

/** Returned blocks of one isolate. */
export class Shelves {
  readonly #small = Array.from({ length: smallClasses }, (_, sizeClass) => new Shelf(sizeClass));
  readonly #large = new LargeShelf();
  /** Until the account is open there is nothing to count. */
  #fields = new Float64Array(IsolateField.FIELDS);
  #flushes = 0;
  #idleTicks = ticksOf(defaultIdleMs);
  /** When to look for shelves that served nobody, and their rents at the last look. */
  #lookAt = Infinity;
  #rentsBefore = new Float64Array(smallClasses + 1);
  /** Rents of each class when the limits were last changed. */
  readonly #rentsTuned = new Float64Array(smallClasses);

  /** Begins to count in the isolate's account. */
  open(): void {
    this.#fields = isolate().fields;
    this.#flushes = this.#fields[FLUSHES];
    this.#rentsTuned.set(this.#rents().subarray(0, smallClasses));
    this.#lookLater();
  }

  /** Gives every block back, and lets go of the account. */
  close(): void {
    this.clear();
    this.#fields = new Float64Array(IsolateField.FIELDS);
    this.#flushes = 0;
    this.#lookAt = Infinity;
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
    const block = sizeClass === largeClass ? this.#takeLarge(bytes) : this.#small[sizeClass].pop();
    if (block === undefined) return undefined;
    const fields = this.#fields;
    fields[RENTS + sizeClass]++;
    fields[REQUESTED] += bytes;
    block.requested = bytes;
    block.held = true;
    return block;
  }

  /**
   * Takes blocks of one size, as many as there are.
   *
   * @param bytes The bytes that are needed in each.
   * @param sizeClass Their class; -1: none.
   * @param into Where they go, from the first position to at most the last.
   * @returns How many there were.
   */
  takeMany(bytes: number, sizeClass: number, into: Block[]): number {
    let taken = 0;
    if (sizeClass < 0 || sizeClass === largeClass) {
      for (; taken < into.length; taken++) {
        const block = this.take(bytes, sizeClass);
        if (block === undefined) break;
        into[taken] = block;
      }
      return taken;
    }
    const fields = this.#fields;
    const shelf = this.#small[sizeClass];
    for (; taken < into.length; taken++) {
      const block = shelf.pop();
      if (block === undefined) break;
      block.requested = bytes;
      block.held = true;
      into[taken] = block;
    }
    fields[RENTS + sizeClass] += taken;
    fields[REQUESTED] += taken * bytes;
    return taken;
  }

  /**
   * Puts a block back, unless its shelf is full.
   *
   * @param block A block that is no longer held.
   * @returns Whether it is on a shelf now.
   */
  put(block: Block): boolean {
    const fields = this.#fields;
    if (fields[FLUSHES] !== this.#flushes || fields[NOW] >= this.#lookAt) this.#tidy();
    const { sizeClass } = block;
    const fits = sizeClass === largeClass
      ? this.#putLarge(block)
      : this.#small[sizeClass].push(block);
    if (!fits) return false;
    fields[RETURNS + sizeClass]++;
    fields[REQUESTED] -= block.requested;
    block.requested = 0;
    return true;
  }

  /**
   * Puts blocks back, as far as the shelves have room.
   *
   * @param blocks Blocks that are no longer held.
   * @returns Those that found none.
   */
  putMany(blocks: readonly Block[]): Block[] {
    const fields = this.#fields;
    if (fields[FLUSHES] !== this.#flushes || fields[NOW] >= this.#lookAt) this.#tidy();
    const rest: Block[] = [];
    for (let next = 0; next < blocks.length;) {
      if (blocks[next].sizeClass !== largeClass) {
        next = this.#putRun(blocks, next, rest);
      } else {
        const block = blocks[next++];
        if (block.shared || !this.put(block)) rest.push(block);
      }
    }
    return rest;
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
    this.#flushes = this.#fields[FLUSHES];
    const blocks: Block[] = [];
    for (const shelf of this.#small) shelf.clear(blocks);
    this.#large.clear(blocks);
    this.passOn(blocks);
  }

  /**
   * Says when a shelf that serves nobody is emptied.
   *
   * @param milliseconds After so long, or twice; Infinity: never.
   */
  setIdle(milliseconds: number): void {
    this.#idleTicks = ticksOf(milliseconds);
    this.#lookLater();
  }

  /** How many blocks the shelf of each class may hold. */
  get limits(): number[] {
    return this.#small.map(({ limit }) => limit);
  }

  /**
   * What each shelf of small blocks did since it was last tuned.
   *
   * @returns One entry a class.
   */
  use(): ShelfUse[] {
    const rents = this.#rents();
    return this.#small.map((shelf, sizeClass) =>
      shelf.use(rents[sizeClass] - this.#rentsTuned[sizeClass])
    );
  }

  /**
   * Changes the limits.
   *
   * @param limits One a class of small blocks.
   */
  tune(limits: readonly number[]): void {
    this.#small.forEach((shelf, sizeClass) => shelf.tune(limits[sizeClass]));
    this.#rentsTuned.set(this.#rents().subarray(0, smallClasses));
  }

  /** The blocks on all shelves. */
  *[Symbol.iterator](): Generator<Block> {
    for (const shelf of this.#small) yield* shelf;
    yield* this.#large;
  }

  #takeLarge(bytes: number): Block | undefined {
    const block = this.#large.pop(bytes);
    if (block !== undefined) this.#fields[LARGE_SHELVED] -= block.byteLength;
    return block;
  }

  /** Puts blocks back that have the class of the first one; gives the position after them. */
  #putRun(blocks: readonly Block[], first: number, rest: Block[]): number {
    const { sizeClass } = blocks[first];
    const shelf = this.#small[sizeClass];
    let put = 0;
    let requested = 0;
    let next = first;
    for (; next < blocks.length; next++) {
      const block = blocks[next];
      if (block.sizeClass !== sizeClass) break;
      if (block.shared || !shelf.push(block)) {
        rest.push(block);
        continue;
      }
      put++;
      requested += block.requested;
      block.requested = 0;
    }
    this.#fields[RETURNS + sizeClass] += put;
    this.#fields[REQUESTED] -= requested;
    return next;
  }

  #putLarge(block: Block): boolean {
    const fits = this.#large.push(block, displaced);
    if (fits) this.#fields[LARGE_SHELVED] += block.byteLength;
    if (displaced.length > 0) this.passOn(displaced.splice(0));
    return fits;
  }

  /** Rents from the shelf of each class, that of large blocks last. */
  #rents(): Float64Array<ArrayBuffer> {
    return this.#fields.subarray(RENTS, RENTS + smallClasses + 1);
  }

  #tidy(): void {
    if (this.#fields[FLUSHES] !== this.#flushes) this.clear();
    if (this.#fields[NOW] < this.#lookAt) return;
    const rents = this.#rents();
    const blocks: Block[] = [];
    for (let sizeClass = 0; sizeClass <= smallClasses; sizeClass++) {
      if (rents[sizeClass] !== this.#rentsBefore[sizeClass]) continue;
      if (sizeClass === largeClass) this.#large.clear(blocks);
      else this.#small[sizeClass].clear(blocks);
    }
    this.passOn(blocks);
    this.#lookLater();
  }

  #lookLater(): void {
    this.#lookAt = this.#fields[NOW] + this.#idleTicks;
    this.#rentsBefore.set(this.#rents());
  }
}

/** What one large block displaces; used again, since it is nearly always nothing. */
const displaced: Block[] = [];
