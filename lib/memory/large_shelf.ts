/**
 * The shelf of large blocks, over 1 MiB: the block that came last, and a few
 * slots, each with blocks of one size, found by a hash of the size in units of
 * 64 KiB.
 *
 *     last ■     slot   0         1                2      …
 *                       80 × 64K  –                33 × 64K
 *                       ■ ■ ■                      ■
 *
 * The unit is a multiple of every system's page, so that a request and the block
 * granted for it fall into the same unit; what a request gets too much is less
 * than one unit, 6 % at most. Sizes that meet in a slot displace each other.
 *
 * Invariants: the blocks of a slot have its key; the bytes of all blocks are
 * within the limit.
 */
import type { Block } from "./block.ts";

const unitBytes = 1 << 16;
const slotBits = 5;
/** What the shelf may hold together: 32 MiB. */
export const largeShelfBytes = 32 << 20;

interface Slot {
  /** The size of its blocks in units. */
  key: number;
  /** The blocks are the first `count`. */
  count: number;
  readonly blocks: Block[];
}

/** Returned large blocks. */
export class LargeShelf {
  readonly #slots: Slot[] = Array.from(
    { length: 1 << slotBits },
    () => ({ key: 0, count: 0, blocks: [] }),
  );
  #last: Block | undefined;
  #bytes = 0;
  #victim = 0;

  /** The bytes of its blocks. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a block that fits.
   *
   * @param bytes The bytes that are needed, more than 1 MiB.
   * @returns A block of less than a unit more, or undefined.
   */
  pop(bytes: number): Block | undefined {
    const last = this.#last;
    if (last === undefined || !fits(last, bytes)) return this.#popSlot(bytes);
    this.#last = undefined;
    this.#bytes -= last.byteLength;
    return last;
  }

  /**
   * Puts a block on the shelf; others may have to make room.
   *
   * @param block The block.
   * @param displaced Where blocks go that left the shelf for it.
   * @returns False when the block itself is too large for the shelf.
   */
  push(block: Block, displaced: Block[]): boolean {
    const { byteLength } = block;
    if (byteLength > largeShelfBytes) return false;
    const last = this.#last;
    if (last !== undefined) this.#file(last, displaced);
    if (this.#bytes + byteLength > largeShelfBytes) this.#makeRoom(byteLength, displaced);
    this.#last = block;
    this.#bytes += byteLength;
    return true;
  }

  /**
   * Takes all blocks off the shelf.
   *
   * @param into Where they go.
   */
  clear(into: Block[]): void {
    if (this.#last !== undefined) this.#file(this.#last, into);
    this.#last = undefined;
    for (const slot of this.#slots) this.#empty(slot, into);
  }

  /** The blocks on the shelf. */
  *[Symbol.iterator](): Generator<Block> {
    if (this.#last !== undefined) yield this.#last;
    for (const { blocks, count } of this.#slots) yield* blocks.slice(0, count);
  }

  #popSlot(bytes: number): Block | undefined {
    const key = keyOf(bytes);
    const slot = this.#slots[slotOf(key)];
    if (slot.key !== key || slot.count === 0) return undefined;
    const block = slot.blocks[slot.count - 1];
    if (block.byteLength < bytes) return undefined;
    slot.count--;
    this.#bytes -= block.byteLength;
    return block;
  }

  /** Moves the last block into its slot. */
  #file(block: Block, displaced: Block[]): void {
    const key = keyOf(block.byteLength);
    const slot = this.#slots[slotOf(key)];
    if (slot.key !== key) {
      this.#empty(slot, displaced);
      slot.key = key;
    }
    slot.blocks[slot.count++] = block;
  }

  /** Slots take turns, so that sizes that are no longer used leave in the end. */
  #makeRoom(bytes: number, displaced: Block[]): void {
    while (this.#bytes + bytes > largeShelfBytes) {
      const slot = this.#slots[this.#victim];
      this.#victim = (this.#victim + 1) % this.#slots.length;
      if (slot.count > 0) this.#drop(slot, displaced);
    }
  }

  #drop(slot: Slot, into: Block[]): void {
    const block = slot.blocks[--slot.count];
    this.#bytes -= block.byteLength;
    into.push(block);
  }

  #empty(slot: Slot, into: Block[]): void {
    while (slot.count > 0) this.#drop(slot, into);
    slot.blocks.length = 0;
  }
}

function fits(block: Block, bytes: number): boolean {
  const excess = block.byteLength - bytes;
  return excess >= 0 && excess < unitBytes;
}

function keyOf(bytes: number): number {
  return (bytes + unitBytes - 1) >>> 16;
}

/** Sizes are often powers of two, so the low bits of the key tell little. */
function slotOf(key: number): number {
  return Math.imul(key, 0x9e3779b1) >>> (32 - slotBits);
}
