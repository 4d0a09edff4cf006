/**
 * A shelf: returned blocks of one class of small sizes, last in, first out, so
 * that the warmest memory is used again first.
 *
 * It also counts what `pool.autoTune` wants to know, on its slow paths only.
 */
import { ShelfDemand, type ShelfUse } from "./auto_tune.ts";
import type { Block } from "./block.ts";
import { classBytes } from "./size_class.ts";

const shelfBytes = 1 << 20;
const fewestBlocks = 4;
const mostBlocks = 256;

/** Returned blocks of one class. */
export class Shelf {
  /** How many blocks it may hold. */
  limit: number;
  readonly #bytes: number;
  /** The first `#count` are on the shelf; the rest are left over. */
  readonly #blocks: Block[] = [];
  #count = 0;
  #misses = 0;
  readonly #demand = new ShelfDemand();

  /**
   * An empty shelf. At first it may hold as many blocks as make 1 MiB, but at
   * least 4 and at most 256.
   *
   * @param sizeClass A class of small blocks.
   */
  constructor(sizeClass: number) {
    this.#bytes = classBytes(sizeClass);
    const fitting = Math.floor(shelfBytes / this.#bytes);
    this.limit = Math.min(Math.max(fitting, fewestBlocks), mostBlocks);
  }

  /** How many blocks it holds. */
  get count(): number {
    return this.#count;
  }

  /**
   * Takes the block that was put here last.
   *
   * @returns The block; undefined when there is none.
   */
  pop(): Block | undefined {
    const count = this.#count;
    if (count === 0) return this.#missed();
    this.#count = count - 1;
    return this.#blocks[count - 1];
  }

  /**
   * Puts a block on the shelf.
   *
   * @param block A block of the class.
   * @returns False when the shelf is full.
   */
  push(block: Block): boolean {
    const count = this.#count;
    if (count >= this.limit) return this.#passedOn();
    this.#blocks[count] = block;
    this.#count = count + 1;
    return true;
  }

  /**
   * Takes all blocks off the shelf.
   *
   * @param into Where they go.
   */
  clear(into: Block[]): void {
    for (let i = 0; i < this.#count; i++) into.push(this.#blocks[i]);
    this.#blocks.length = 0;
    this.#count = 0;
  }

  /** The blocks on the shelf. */
  [Symbol.iterator](): Iterator<Block> {
    return this.#blocks.slice(0, this.#count)[Symbol.iterator]();
  }

  /**
   * What the shelf did since it was last tuned.
   *
   * @param hits Rents that it served since then.
   * @returns What `planLimits` takes.
   */
  use(hits: number): ShelfUse {
    const { avoidable, missing } = this.#demand;
    const { limit } = this;
    const misses = this.#misses;
    return { bytes: this.#bytes, limit, hits, misses, avoidable, needed: limit + missing };
  }

  /**
   * Changes the limit, and begins to count anew. A shelf that holds more shrinks
   * as it is used.
   *
   * @param limit How many blocks it may hold.
   */
  tune(limit: number): void {
    this.limit = limit;
    this.#misses = 0;
    this.#demand.reset();
  }

  #missed(): undefined {
    this.#misses++;
    this.#demand.missed();
  }

  #passedOn(): false {
    this.#demand.passedOn();
    return false;
  }
}
