/**
 * The supply of blocks: shelves first, the native pool when they have none, and
 * when that refuses too, once more after everything returned was given up.
 *
 * Debug mode lies on top: it takes its blocks from here and cuts its own out of
 * them (see debug.ts).
 */
import { formatBytes } from "../core/sizes.ts";
import { check, native, Status, statusError } from "../ffi/mod.ts";
import { Block, type BlockOwner } from "./block.ts";
import { checkBytes, typeName } from "./checks.ts";
import { beforeClosing } from "./isolate.ts";
import { rentNative, rentNativeBatch, returnNative } from "./native_blocks.ts";
import type { PoolStats } from "./pool_stats.ts";
import { refusal } from "./refusal.ts";
import { Shelves } from "./shelves.ts";
import { alignedSizeClassOf, blockAlignment, sizeClassOf } from "./size_class.ts";
import type { PoolSnapshot } from "./snapshot.ts";

/** What the supply serves. */
export interface SupplyOwner extends BlockOwner {
  /** What is told when memory is refused. */
  stats(): PoolStats;
  /** Who is named when memory is refused. */
  snapshot(): PoolSnapshot;
  /** Gives up everything that was returned. */
  trim(): number;
}

/** Blocks from shelves and from the native pool. */
export class Supply {
  /** Returned blocks. */
  readonly shelves: Shelves = new Shelves();
  readonly #owner: SupplyOwner;
  #isOpen = false;

  /**
   * A supply that has taken nothing yet.
   *
   * @param owner The pool that the blocks go back to.
   */
  constructor(owner: SupplyOwner) {
    this.#owner = owner;
  }

  /**
   * Takes a block of the usual alignment.
   *
   * @param bytes How many bytes are needed.
   * @returns A block, handed out.
   */
  take(bytes: number): Block {
    return this.shelves.take(bytes, sizeClassOf(bytes)) ?? this.#takeNative(bytes, blockAlignment);
  }

  /**
   * Takes a block of any alignment.
   *
   * @param bytes How many bytes are needed.
   * @param alignment A power of two, checked.
   * @returns A block, handed out.
   */
  takeAligned(bytes: number, alignment: number): Block {
    if (alignment <= blockAlignment) return this.take(bytes);
    const block = this.shelves.take(bytes, alignedSizeClassOf(bytes, alignment));
    if (block === undefined) return this.#takeNative(bytes, alignment);
    if (block.segmentOffset % alignment === 0) return block;
    this.give(block);
    return this.#takeNative(bytes, alignment);
  }

  /**
   * Fills an array with blocks of one size: all, or none.
   *
   * @param bytes How many bytes are needed in each.
   * @param into The array, as long as there are blocks to be.
   */
  takeBatch(bytes: number, into: Block[]): void {
    const taken = this.shelves.takeMany(bytes, sizeClassOf(bytes), into);
    if (taken < into.length) this.#takeNativeBatch(bytes, into, taken);
  }

  /**
   * Takes a block back.
   *
   * @param block A block that was handed out.
   * @throws {TypeError} When it is not a block of this pool.
   * @throws {Error} When it is not handed out.
   */
  give(block: Block): void {
    if (!this.#isOut(block)) throw this.#releaseError(block);
    block.held = false;
    if (block.shared || !this.shelves.put(block)) returnNative([block], "pool.release");
  }

  /**
   * Takes blocks back; those for which the shelves have no room in one native call.
   *
   * @param blocks Blocks that were handed out.
   * @throws {TypeError} When one is not a block of this pool; the others were taken back.
   * @throws {Error} When one is not handed out; the others were taken back.
   */
  giveBatch(blocks: readonly Block[]): void {
    let out: Block[] | undefined;
    let problem: Error | undefined;
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i];
      if (this.#isOut(block)) {
        block.held = false;
        out?.push(block);
      } else {
        out ??= blocks.slice(0, i);
        problem ??= this.#releaseError(block);
      }
    }
    const rest = this.shelves.putMany(out ?? blocks);
    if (rest.length > 0) returnNative(rest, "pool.releaseBatch");
    if (problem !== undefined) throw problem;
  }

  /**
   * Gives the memory of returned blocks back to the operating system.
   *
   * @returns The number of bytes given back in the whole process.
   */
  trim(): number {
    this.shelves.clear();
    const released = new BigUint64Array(1);
    check(native().symbols.qn_pool_trim(released), "pool.trim");
    return Number(released[0]);
  }

  /**
   * Makes blocks ready in the native pool.
   *
   * @param bytes The bytes of each.
   * @param count How many.
   */
  prewarm(bytes: number, count: number): void {
    const warm = () => native().symbols.qn_pool_prewarm(BigInt(bytes), count);
    this.#attempt(warm, "pool.prewarm", bytes, count);
  }

  #isOut(block: Block): boolean {
    return Block.ownerOf(block) === this.#owner && block.held;
  }

  #releaseError(block: Block): Error {
    if (Block.ownerOf(block) !== this.#owner) return notABlock(block);
    return new Error(`pool.release: a block of ${block.byteLength} bytes was released twice`);
  }

  #takeNative(bytes: number, alignment: number): Block {
    checkBytes(bytes, "pool.acquire");
    this.#open();
    let block: Block | undefined;
    const rent = () => {
      const rented = rentNative(this.#owner, bytes, alignment);
      if (typeof rented === "number") return rented;
      block = rented;
      return Status.OK;
    };
    this.#attempt(rent, "pool.acquire", bytes, 1);
    return block!;
  }

  #takeNativeBatch(bytes: number, into: Block[], start: number): void {
    const count = into.length - start;
    this.#open();
    const rent = () => rentNativeBatch(this.#owner, bytes, into, start, count);
    try {
      this.#attempt(rent, "pool.acquireBatch", bytes, count);
    } catch (error) {
      for (let i = 0; i < start; i++) this.give(into[i]);
      into.length = 0;
      throw error;
    }
  }

  #open(): void {
    if (this.#isOpen) return;
    this.shelves.open();
    this.#isOpen = true;
    beforeClosing(() => {
      this.shelves.close();
      this.#isOpen = false;
    });
  }

  /** Tries once more, after all returned memory was given up, when memory is refused. */
  #attempt(call: () => number, operation: string, bytes: number, count: number): void {
    let status = call();
    if (isRefusal(status)) {
      this.#owner.trim();
      status = call();
    }
    if (status === Status.OK) return;
    const request = `${count === 1 ? "" : `${count} × `}${formatBytes(bytes)}`;
    if (!isRefusal(status)) throw statusError(status, operation, request);
    throw refusal(status, operation, request, this.#owner.stats(), this.#owner.snapshot());
  }
}

/** A size that was checked here and is still refused is more than there can ever be. */
function isRefusal(status: number): boolean {
  return status === Status.OVER_BUDGET || status === Status.OUT_OF_MEMORY ||
    status === Status.BAD_SIZE;
}

/**
 * The error for the release of something else than a block of the pool.
 *
 * @param value What was to be released.
 * @returns The error, not thrown.
 */
export function notABlock(value: unknown): TypeError {
  const what = Block.ownerOf(value) !== undefined ? "one of another pool" : typeName(value);
  return new TypeError(
    `pool.release: only a block that pool.acquire() returned can be released, not ${what}`,
  );
}
