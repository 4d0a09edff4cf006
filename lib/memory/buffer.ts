/**
 * Buffers: safe handles over one block of the pool each.
 *
 * Every renting makes a new handle, so that one that was disposed of is always
 * told from its successor, though both may have the same memory. A handle is 64
 * bytes: its block, the token of the finalisation net while it holds the block,
 * the length and the dtype.
 */
import { byteLengthOf, type DataOf, type DType } from "../core/dtype.ts";
import { DisposedError } from "../core/errors.ts";
import { formatBytes } from "../core/sizes.ts";
import type { Block } from "./block.ts";
import type { EpochToken } from "./net.ts";
import { observer } from "./observer.ts";
import { enterScope, leaveScope, type Scoped } from "./scope.ts";

/**
 * Elements of one dtype in memory that is rented from the pool. Dispose of it,
 * or bind it with `using`, and the memory is used again. Keep the buffer for as
 * long as its `data` is used: the pool takes the memory of forgotten buffers back.
 *
 * @example
 * ```ts
 * import { pool } from "@quern/quern";
 *
 * using buffer = pool.rent(4096, "float32");
 * buffer.data.fill(1);
 * console.log(buffer.length, buffer.byteLength); // 4096 16384
 * ```
 */
export class PooledBuffer<D extends DType = DType> implements Scoped {
  /** The number of elements. */
  readonly length: number;
  /** The element type. */
  readonly dtype: D;
  /** Kept after disposal, for what debug mode knows of it. */
  readonly #block: Block;
  #token: EpochToken | undefined;

  /**
   * A handle over a block; user code calls `pool.rent`.
   *
   * @param block A block that is handed out.
   * @param token What the net gave for it.
   * @param length The number of elements.
   * @param dtype The element type.
   * @param byteLength The bytes of the elements.
   */
  constructor(block: Block, token: EpochToken, length: number, dtype: D, byteLength: number) {
    this.#block = block;
    this.#token = token;
    this.length = length;
    this.dtype = dtype;
    observer?.allocated(this, byteLength);
    enterScope(this);
  }

  /** The bytes that the elements take. */
  get byteLength(): number {
    return byteLengthOf(this.dtype, this.length);
  }

  /** Whether it was disposed of. */
  get disposed(): boolean {
    return this.#token === undefined;
  }

  /** The native address of the first element, for kernels. */
  get address(): bigint {
    if (this.#token === undefined) throw this.#disposedError();
    return this.#block.address;
  }

  /**
   * The elements as a typed array of exactly `length`: borrowed, and valid until
   * the buffer is disposed of. Their first values are unspecified.
   */
  get data(): DataOf[D] {
    if (this.#token === undefined) throw this.#disposedError();
    return this.#block.view(this.dtype, this.byteLength);
  }

  /** Gives the memory back. Doing so again is harmless; using the buffer is an error. */
  dispose(): void {
    const token = this.#token;
    if (token === undefined) return;
    this.#token = undefined;
    observer?.freed(this);
    leaveScope(this);
    this.#block.owner.giveBack(this.#block, token);
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
    const name = `PooledBuffer ${this.dtype} [${this.length}]`;
    if (this.disposed) return `${name}, disposed`;
    return `${name}, ${formatBytes(this.byteLength)}: ${excerpt(this.data)}`;
  }

  #disposedError(): DisposedError {
    const history = this.#block.owner.historyOf(this.#block);
    return new DisposedError(
      `PooledBuffer ${this.dtype} [${this.length}] was used after it was disposed of` +
        (history === undefined ? "" : `; it was ${history}`),
    );
  }
}

/** The first elements of a typed array. */
function excerpt(data: ArrayLike<number | bigint>): string {
  const shown = Array.from({ length: Math.min(data.length, 8) }, (_, i) => `${data[i]}`);
  return `[${shown.join(", ")}${data.length > 8 ? ", …" : ""}]`;
}
