/**
 * Storage: a range of native bytes that several tensors may share, with a count
 * of them. The last one gives the bytes back: to the pool, or by unmapping a
 * file.
 */
import { check, native } from "../ffi/mod.ts";
import { type Block, pool } from "./pool.ts";

/** Bytes that are shared by reference counting. A new storage has one reference. */
export abstract class Storage {
  /** Where the bytes begin. */
  readonly address: bigint;
  /** How many there are. */
  readonly byteLength: number;
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

  /** The buffer that shows the bytes to JavaScript, made on first use. */
  abstract get buffer(): ArrayBuffer;

  /** Where the bytes begin in `buffer`. */
  abstract get bufferOffset(): number;

  /** Gives the bytes back. */
  protected abstract free(): void;
}

/** Buffers over segments of the pool: made once each, since making one is slow. */
const segmentBuffers = new Map<bigint, ArrayBuffer>();

/** Bytes that come from the pool. */
export class PooledStorage extends Storage {
  readonly #block: Block;

  /**
   * Rents from the pool.
   *
   * @param byteLength How many bytes are needed; 0 is allowed.
   */
  constructor(byteLength: number) {
    const block = pool.acquire(Math.max(byteLength, 1));
    super(block.address, byteLength);
    this.#block = block;
  }

  /** The whole segment that holds the bytes. */
  override get buffer(): ArrayBuffer {
    const { segmentAddress, segmentBytes } = this.#block;
    let buffer = segmentBuffers.get(segmentAddress);
    if (buffer === undefined) {
      buffer = bufferAt(segmentAddress, segmentBytes);
      segmentBuffers.set(segmentAddress, buffer);
    }
    return buffer;
  }

  /** Where the bytes begin in the segment. */
  override get bufferOffset(): number {
    return this.#block.segmentOffset;
  }

  protected override free(): void {
    pool.release(this.#block);
  }
}

/**
 * A whole file, mapped. Reading comes from the page cache without a copy;
 * writing changes this process's copy only, never the file.
 */
export class MappedStorage extends Storage {
  #buffer: ArrayBuffer | undefined;

  private constructor(address: bigint, byteLength: number) {
    super(address, byteLength);
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
    const status = native().symbols.qn_file_map(mapping, new TextEncoder().encode(path + "\0"), 0);
    check(status, "map", path);
    return new MappedStorage(mapping[0], Number(mapping[1]));
  }

  /** The whole file. It is detached when the file is unmapped. */
  override get buffer(): ArrayBuffer {
    return this.#buffer ??= bufferAt(this.address, this.byteLength);
  }

  /** 0: the buffer is the file. */
  override get bufferOffset(): number {
    return 0;
  }

  protected override free(): void {
    // A view that outlives the mapping must fail as an error, not as a fault.
    this.#buffer?.transfer(0);
    this.#buffer = undefined;
    check(native().symbols.qn_file_unmap(this.address, 0, 0), "unmap");
  }
}

function bufferAt(address: bigint, byteLength: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(address);
  if (pointer === null) throw new Error("Storage at address 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
}
