/**
 * Storage: a range of native bytes that several tensors may share, with a count
 * of them. The last one gives the bytes back: to the pool, or by unmapping a
 * file. Bytes may also be shared with other isolates of the process: each has a
 * storage of its own over them, and the native pool counts the storages.
 *
 *     Tensor ─┐
 *     Tensor ─┴▶ PooledStorage ──▶ Block      ┐
 *     ───────────────────── another isolate   ├─▶ the same memory
 *     Tensor ──▶ PooledStorage ──▶ Block      ┘
 */
import { check, native, Status, statusError } from "../ffi/mod.ts";
import { type Block, bufferAt } from "./block.ts";
import { isolate } from "./isolate.ts";
import { readBlock } from "./native_blocks.ts";
import type { EpochToken } from "./net.ts";
import { observer } from "./observer.ts";
import { pool } from "./pool.ts";

/** Names memory to another isolate of this process; it survives `postMessage`. */
export interface SharedMemory {
  /** Where the memory begins. */
  readonly address: bigint;
  /** Tells it from what was there before, and from what will be. */
  readonly generation: number;
  /** Where the storage's bytes begin in it; 0 except in debug mode. */
  readonly byteOffset: number;
}

/** Bytes that are shared by reference counting. A new storage has one reference. */
export abstract class Storage {
  /** Where the bytes begin. */
  readonly address: bigint;
  /** How many there are. */
  readonly byteLength: number;
  /**
   * How often tensors wrote to the bytes; -1 when others may have, too.
   * @internal
   */
  writes = 0;
  #references = 1;

  /**
   * A storage with one reference, the caller's.
   *
   * @param address Where the bytes begin.
   * @param byteLength How many there are.
   */
  constructor(address: bigint, byteLength: number) {
    this.address = address;
    this.byteLength = byteLength;
  }

  /**
   * Takes memory over that another isolate shared.
   *
   * @param memory What its `share` returned.
   * @param operation Named in an error.
   * @returns Storage over all of it, with one reference.
   * @throws {TypeError} When it is not what `share` returned.
   * @throws {Error} When it was returned since, or as many have claimed it as were expected.
   */
  static claim(memory: SharedMemory, operation: string = "Storage.claim"): Storage {
    const { address, generation } = memory;
    if (typeof address !== "bigint" || !Number.isInteger(generation)) {
      throw new TypeError(`${operation}: this is not a ticket for shared memory`);
    }
    const claimed = new BigUint64Array(5);
    const status = native().symbols
      .qn_memory_claim(claimed, address, generation, isolate().number);
    if (status !== Status.OK) throw claimError(status, address, operation);
    const storage = claimed[2] === 0n ? MappedStorage.over(claimed) : PooledStorage.over(claimed);
    storage.writes = -1;
    return storage;
  }

  /** The number of holders; 0 once the bytes were given back. */
  get references(): number {
    return this.#references;
  }

  /** Counts one more holder. */
  retain(): void {
    if (this.#references === 0) throw new Error("Storage was retained after its last release");
    this.#references++;
  }

  /** Counts one holder less; the last one gives the bytes back. */
  release(): void {
    if (this.#references === 0) throw new Error("Storage was released more often than retained");
    if (--this.#references === 0) this.free();
  }

  /**
   * Lets other isolates claim the bytes. Until they did, the bytes stay, also
   * when this storage is released or this isolate ends.
   *
   * @param receivers How many claims there will be, from 1 to 2^32 - 1.
   * @returns What `Storage.claim` takes, once for each receiver.
   * @throws {RangeError} When the number of receivers is out of range.
   */
  share(receivers: number): SharedMemory {
    if (this.#references === 0) throw new Error("Storage was shared after its last release");
    if (!Number.isInteger(receivers) || receivers < 1 || receivers > 2 ** 32 - 1) {
      throw new RangeError(
        `share: the number of receivers is an integer from 1 to 2^32 - 1, not ${receivers}`,
      );
    }
    const memory = this.sharedMemory();
    const status = native().symbols
      .qn_memory_share(memory.address, memory.generation, isolate().number, receivers);
    check(status, "share", `${receivers} receivers`);
    return memory;
  }

  /** The buffer that shows the bytes to JavaScript, made on first use. */
  abstract get buffer(): ArrayBuffer;

  /** Where the bytes begin in `buffer`. */
  abstract get bufferOffset(): number;

  /** How the native pool knows the bytes; from now on others may hold them too. */
  protected abstract sharedMemory(): SharedMemory;

  /** Gives the bytes back. */
  protected abstract free(): void;
}

/** Bytes that come from the pool. */
export class PooledStorage extends Storage {
  readonly #block: Block;
  /** What the finalisation net watches: it is reachable as long as a tensor is. */
  readonly #token: EpochToken;

  /**
   * Rents from the pool.
   *
   * @param byteLength How many bytes are needed; 0 is allowed.
   * @param block Memory to use instead, which is held already.
   * @param token What the net gave for that memory, where a handle held it before.
   */
  constructor(byteLength: number, block?: Block, token?: EpochToken) {
    const held = block ?? pool.acquire(byteLength === 0 ? 1 : byteLength);
    super(held.address, byteLength);
    this.#block = held;
    this.#token = token ?? pool.watch(held);
    // Who held it before told of it then.
    if (token === undefined) observer?.allocated(this, byteLength);
  }

  /**
   * Storage over memory that was claimed.
   *
   * @param claimed What the native pool says of it.
   * @returns Storage with one reference.
   */
  static over(claimed: BigUint64Array): PooledStorage {
    const byteLength = Number(claimed[1]);
    const block = readBlock(pool, claimed, 0, byteLength);
    block.shared = true;
    return new PooledStorage(byteLength, block);
  }

  /** The whole segment that holds the bytes. */
  override get buffer(): ArrayBuffer {
    return this.#block.buffer;
  }

  /** Where the bytes begin in the segment. */
  override get bufferOffset(): number {
    return this.#block.bufferOffset;
  }

  /** Whom observers know the memory by. */
  get holder(): object {
    return this;
  }

  protected override sharedMemory(): SharedMemory {
    const { native: around, address, generation } = this.#block;
    // It never goes back to a shelf: others may hold it longer than this isolate.
    this.#block.shared = true;
    if (around === 0n) return { address, generation, byteOffset: 0 };
    return { address: around, generation, byteOffset: Number(address - around) };
  }

  protected override free(): void {
    observer?.freed(this.holder);
    pool.giveBack(this.#block, this.#token);
  }
}

/** What it takes to unmap a file, also when its storage was forgotten. */
interface Mapping {
  readonly address: bigint;
  readonly generation: number;
  buffer: ArrayBuffer | undefined;
}

/** Files are few, so each is registered. */
const forgottenMappings = new FinalizationRegistry<Mapping>(unmap);

/**
 * A whole file, mapped. Reading comes from the page cache without a copy;
 * writing changes this process's copy only, never the file.
 */
export class MappedStorage extends Storage {
  readonly #mapping: Mapping;

  private constructor(address: bigint, byteLength: number, generation: number) {
    super(address, byteLength);
    this.#mapping = { address, generation, buffer: undefined };
    forgottenMappings.register(this, this.#mapping, this);
  }

  /**
   * Maps a file. Deno's read permission is asked for, as for `Deno.open`.
   *
   * @param path The file.
   * @returns Storage over all its bytes.
   * @throws {Deno.errors.NotFound} When there is no such file.
   * @throws {RangeError} When it is empty.
   */
  static map(path: string): MappedStorage {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) throw new TypeError(`${path} is not a file`);
    if (size === 0) throw new RangeError(`${path} is empty`);
    const mapping = new BigUint64Array(3);
    const name = new TextEncoder().encode(path + "\0");
    check(native().symbols.qn_file_map(mapping, name, isolate().number), "map", path);
    return new MappedStorage(mapping[0], Number(mapping[1]), Number(mapping[2]));
  }

  /**
   * Storage over a mapped file that was claimed.
   *
   * @param claimed What the native pool says of it.
   * @returns Storage with one reference.
   */
  static over(claimed: BigUint64Array): MappedStorage {
    return new MappedStorage(claimed[0], Number(claimed[1]), Number(claimed[4]));
  }

  /** The whole file. It is detached when the file is unmapped. */
  override get buffer(): ArrayBuffer {
    return this.#mapping.buffer ??= bufferAt(this.address, this.byteLength);
  }

  /** 0: the buffer is the file. */
  override get bufferOffset(): number {
    return 0;
  }

  protected override sharedMemory(): SharedMemory {
    return { address: this.address, generation: this.#mapping.generation, byteOffset: 0 };
  }

  protected override free(): void {
    forgottenMappings.unregister(this);
    unmap(this.#mapping);
  }
}

function unmap(mapping: Mapping): void {
  // A view that outlives the mapping must fail as an error, not as a fault.
  mapping.buffer?.transfer(0);
  mapping.buffer = undefined;
  const { address, generation } = mapping;
  check(native().symbols.qn_file_unmap(address, generation, isolate().number), "unmap");
}

function claimError(status: number, address: bigint, operation: string): Error {
  const details = `memory at 0x${address.toString(16)}`;
  const { message } = statusError(status, operation, details);
  return new Error(`${message}: a ticket serves as many claims as it was shared for, each once`);
}
