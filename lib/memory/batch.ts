/**
 * Batches: one safe handle over many blocks of one size, rented and given back
 * together.
 */
import { byteLengthOf, type DataOf, type DType } from "../core/dtype.ts";
import { DisposedError } from "../core/errors.ts";
import { formatBytes } from "../core/sizes.ts";
import type { Block } from "./block.ts";
import type { EpochToken } from "./net.ts";
import { observer } from "./observer.ts";
import { enterScope, leaveScope, type Scoped } from "./scope.ts";

/** The pool that a batch goes back to. */
export interface BatchOwner {
  /**
   * Takes the blocks of a batch back.
   *
   * @param blocks The blocks.
   * @param token What the net gave for them.
   */
  giveBackAll(blocks: readonly Block[], token: EpochToken): void;
}

/**
 * Several buffers of the same length and dtype. Dispose of the batch, or bind it
 * with `using`, and the memory of all is used again.
 *
 * @example
 * ```ts
 * import { pool } from "@quern/quern";
 *
 * using rows = pool.rentBatch(16, 512, "float32");
 * for (let i = 0; i < rows.count; i++) rows.data(i).fill(i);
 * ```
 */
export class PooledBatch<D extends DType = DType> implements Scoped {
  /** The number of buffers. */
  readonly count: number;
  /** The number of elements of each. */
  readonly length: number;
  /** The element type. */
  readonly dtype: D;
  readonly #owner: BatchOwner;
  readonly #blocks: readonly Block[];
  #token: EpochToken | undefined;

  /**
   * A handle over blocks; user code calls `pool.rentBatch`.
   *
   * @param owner The pool that the blocks go back to.
   * @param blocks Blocks that are handed out.
   * @param token What the net gave for them.
   * @param length The number of elements of each.
   * @param dtype The element type.
   */
  constructor(
    owner: BatchOwner,
    blocks: readonly Block[],
    token: EpochToken,
    length: number,
    dtype: D,
  ) {
    this.#owner = owner;
    this.#blocks = blocks;
    this.#token = token;
    this.count = blocks.length;
    this.length = length;
    this.dtype = dtype;
    observer?.allocated(this, this.byteLength);
    enterScope(this);
  }

  /** The bytes that the elements of all buffers take. */
  get byteLength(): number {
    return this.count * byteLengthOf(this.dtype, this.length);
  }

  /** Whether it was disposed of. */
  get disposed(): boolean {
    return this.#token === undefined;
  }

  /**
   * The native address of one buffer's first element, for kernels.
   *
   * @param index Which buffer, from 0.
   * @returns Its address.
   * @throws {RangeError} When there is no such buffer.
   */
  address(index: number): bigint {
    return this.#block(index).address;
  }

  /**
   * The elements of one buffer: borrowed, and valid until the batch is disposed of.
   *
   * @param index Which buffer, from 0.
   * @returns A typed array of exactly `length`; its first values are unspecified.
   * @throws {RangeError} When there is no such buffer.
   */
  data(index: number): DataOf[D] {
    return this.#block(index).view(this.dtype, byteLengthOf(this.dtype, this.length));
  }

  /** Gives the memory of all buffers back. Doing so again is harmless. */
  dispose(): void {
    const token = this.#token;
    if (token === undefined) return;
    this.#token = undefined;
    observer?.freed(this);
    leaveScope(this);
    this.#owner.giveBackAll(this.#blocks, token);
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.#describe();
  }

  /** What a notebook shows. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return { "text/plain": this.#describe() };
  }

  #describe(): string {
    const state = this.disposed ? "disposed" : formatBytes(this.byteLength);
    return `PooledBatch ${this.count} × ${this.dtype} [${this.length}], ${state}`;
  }

  #block(index: number): Block {
    if (this.#token === undefined) {
      const history = this.#blocks[0]?.owner.historyOf(this.#blocks[0]);
      throw new DisposedError(
        `PooledBatch of ${this.count} × ${this.dtype} [${this.length}] was used after it was ` +
          `disposed of${history === undefined ? "" : `; it was ${history}`}`,
      );
    }
    const block = this.#blocks[index];
    if (block === undefined) {
      throw new RangeError(
        `PooledBatch: there is no buffer ${index} in a batch of ${this.count}, counted from 0`,
      );
    }
    return block;
  }
}
