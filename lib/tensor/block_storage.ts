/**
 * The memory of a new tensor: a block of the pool, which the tensor holds by
 * itself until a second holder comes. Most tensors never have one, and need no
 * object beside their handle:
 *
 *     Tensor ──▶ Block                     new
 *
 *     Tensor ─┐
 *     view   ─┴▶ BlockStorage ──▶ Block    from the first view on
 */
import { type Block, pool, type SharedMemory, Storage } from "../memory/mod.ts";
import type { EpochToken } from "../memory/net.ts";
import { observer } from "../memory/observer.ts";
import { shareBlock } from "../memory/storage.ts";

/** A block that several tensors of this isolate hold. */
export class BlockStorage extends Storage {
  /** The tensor that rented the block, which observers know it by. */
  readonly holder: object;
  readonly #block: Block;
  /** What the finalisation net watches: it is reachable as long as a tensor is. */
  readonly #token: EpochToken;

  /**
   * Takes over what the tensor held by itself; its reference is the first.
   *
   * @param block The block.
   * @param token What the net gave for it.
   * @param holder The tensor.
   */
  constructor(block: Block, token: EpochToken, holder: object) {
    super(block.address, block.requested);
    this.writes = block.writes;
    this.holder = holder;
    this.#block = block;
    this.#token = token;
  }

  /** The buffer that shows the block. */
  override get buffer(): ArrayBuffer {
    return this.#block.buffer;
  }

  /** Where the block begins in it. */
  override get bufferOffset(): number {
    return this.#block.bufferOffset;
  }

  protected override sharedMemory(): SharedMemory {
    return shareBlock(this.#block);
  }

  protected override free(): void {
    freeBlock(this.#block, this.#token, this.holder);
  }
}

/**
 * Gives a block back that a tensor rented.
 *
 * @param block The block.
 * @param token What the net gave for it.
 * @param holder The tensor.
 */
export function freeBlock(block: Block, token: EpochToken, holder: object): void {
  observer?.freed(holder);
  pool.giveBack(block, token);
}

/**
 * What observers know memory by: the object that rented it.
 *
 * @param memory What a tensor holds.
 * @param tensor The tensor.
 * @returns The tensor itself when nobody else holds the memory.
 */
export function holderOf(memory: Block | Storage, tensor: object): object {
  if (!(memory instanceof Storage)) return tensor;
  return memory instanceof BlockStorage ? memory.holder : memory;
}
