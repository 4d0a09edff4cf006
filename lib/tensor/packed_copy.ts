/**
 * A copy of a weight in the order in which kernels read it, kept with the tensor
 * and made again when the elements were written.
 *
 *     Tensor ──▶ memory { writes: 7 }
 *        └─────▶ PackedCopy { writes: 7 } ──▶ PooledStorage
 *
 * Memory counts how often it was written, through whichever tensor or view. What
 * JavaScript or another isolate may write at any time, because it holds a typed
 * array or a claim, cannot be counted: such a copy is made for each use.
 */
import { PooledStorage } from "../memory/mod.ts";
import type { Tensor } from "./tensor.ts";

/** What counts writes: a block or a storage. */
export interface Counted {
  /** How often the elements were written; -1 when that is not known. */
  writes: number;
}

/** Notes that memory was written. */
export function countWrite(memory: Counted): void {
  if (memory.writes >= 0) memory.writes++;
}

/** Packs a tensor's elements into memory at an address; throws when it cannot. */
export type Packer = (target: bigint, source: Tensor) => void;

/** Memory for a copy, and which state of the elements it holds. */
export class PackedCopy {
  /** What makes it. */
  readonly pack: Packer;
  readonly #storage: PooledStorage;
  #writes = -1;

  /**
   * Rents memory; nothing is copied yet.
   *
   * @param byteLength The bytes of the copy.
   * @param pack Makes it.
   * @throws {OutOfMemoryError} When the pool has none.
   */
  constructor(byteLength: number, pack: Packer) {
    this.pack = pack;
    this.#storage = new PooledStorage(byteLength);
  }

  /**
   * Where the copy is, after it was made again if it had to be.
   *
   * @param memory What holds the elements.
   * @param source The tensor.
   * @returns The native address.
   */
  fresh(memory: Counted, source: Tensor): bigint {
    if (this.#writes !== memory.writes || memory.writes < 0) {
      this.#writes = -1;
      this.pack(this.#storage.address, source);
      this.#writes = memory.writes;
    }
    return this.#storage.address;
  }

  /** Gives the memory back. */
  release(): void {
    this.#storage.release();
  }
}
