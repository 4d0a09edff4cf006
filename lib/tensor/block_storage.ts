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
import { type Block, pool, PooledStorage, Storage } from "../memory/mod.ts";
import type { EpochToken } from "../memory/net.ts";
import { observer } from "../memory/observer.ts";

/** A block that several tensors of this isolate hold. */
export class BlockStorage extends PooledStorage {
  readonly #holder: object;

  /**
   * Takes over what the tensor held by itself; its reference is the first.
   *
   * @param block The block.
   * @param token What the net gave for it.
   * @param holder The tensor, which observers know the memory by.
   */
  constructor(block: Block, token: EpochToken, holder: object) {
    super(block.requested, block, token);
    this.writes = block.writes;
    this.#holder = holder;
  }

  /** The tensor that rented the block. */
  override get holder(): object {
    return this.#holder;
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
  return memory instanceof PooledStorage ? memory.holder : memory;
}
