/**
 * Blocks: what the pool hands out.
 *
 * A block object is used again with the memory that it stands for: its address
 * as a bigint, the buffer over its segment and its last typed array are made
 * once, so that renting in a loop makes no garbage. Hence a block that is kept
 * after it was released cannot be told from its successor; the safe handles
 * over it (`PooledBuffer`, tensors) can.
 *
 *     segment (several MiB, mapped for the life of the process, one ArrayBuffer)
 *     ┌──────────┬──────────────────────────────┬─────────────────────────┐
 *     │ …        │ block: byteLength granted    │ …                       │
 *     └──────────┴──────────────────────────────┴─────────────────────────┘
 *     ▲          ▲ address = segmentAddress + segmentOffset
 *     segmentAddress
 */
import { type DataOf, dataView, type DType } from "../core/dtype.ts";
import { formatBytes } from "../core/sizes.ts";
import { largeClass, sizeClassOf } from "./size_class.ts";
import type { Epoch, EpochToken } from "./net.ts";

/** What the native pool says of a block. */
export interface BlockPlace {
  /** The native address. */
  readonly address: bigint;
  /** The bytes granted. */
  readonly byteLength: number;
  /** The native address of the segment. */
  readonly segmentAddress: bigint;
  /** The bytes of the segment. */
  readonly segmentBytes: number;
  /** How often the memory was rented before, as the native pool counts. */
  readonly generation: number;
}

/** The pool that a block goes back to. */
export interface BlockOwner {
  /**
   * Takes a block back that a safe handle held.
   *
   * @param block The block.
   * @param token What the net gave the handle.
   */
  giveBack(block: Block, token: EpochToken): void;
  /**
   * Where a block was rented and returned, in debug mode.
   *
   * @param block The block.
   * @returns Words for an error, or undefined.
   */
  historyOf(block: Block): string | undefined;
}

/** A piece of pool memory, aligned to 64 bytes. */
export class Block {
  /** Its native address. */
  readonly address: bigint;
  /** The bytes it may hold, at least what was asked for. */
  readonly byteLength: number;
  /** The native address of the segment that holds it. */
  readonly segmentAddress: bigint;
  /** The bytes of that segment. */
  readonly segmentBytes: number;
  /** Where the block begins in its segment, in bytes. */
  readonly segmentOffset: number;
  /** Tells the native pool this renting of the memory from others. */
  readonly generation: number;
  /** 0 to 48, or 49 for a block over 1 MiB. */
  readonly sizeClass: number;
  readonly #owner: BlockOwner;

  // State that the pool alone writes.
  /**
   * Whether it is handed out.
   * @internal
   */
  held = false;
  /**
   * The bytes that its holder asked for; 0 on a shelf.
   * @internal
   */
  requested = 0;
  /**
   * The bytes that the native pool was told when it rented the block.
   * @internal
   */
  recorded = 0;
  /**
   * When a safe handle took it, in ticks of 10 ms.
   * @internal
   */
  since = 0;
  /**
   * Whether other isolates hold it too, or may claim it.
   * @internal
   */
  shared = false;
  /**
   * How often tensors wrote to it since it was handed out; -1 when that is not known.
   * Written by tensors.
   * @internal
   */
  writes = 0;
  /**
   * The epoch of the finalisation net in which a safe handle took it.
   * @internal
   */
  epoch: Epoch | undefined = undefined;
  /**
   * In debug mode, the address of the block around this one; otherwise 0.
   * @internal
   */
  native = 0n;
  /**
   * A buffer over this block alone, where it has one; otherwise that of its segment is shown.
   * @internal
   */
  ownBuffer: ArrayBuffer | undefined = undefined;
  #view: DataOf[DType] | undefined = undefined;
  #viewType: DType | undefined = undefined;

  /**
   * A block that is not handed out yet.
   *
   * @param owner The pool that it goes back to.
   * @param place Where it is.
   */
  constructor(owner: BlockOwner, place: BlockPlace) {
    this.#owner = owner;
    this.address = place.address;
    this.byteLength = place.byteLength;
    this.segmentAddress = place.segmentAddress;
    this.segmentBytes = place.segmentBytes;
    this.segmentOffset = Number(place.address - place.segmentAddress);
    this.generation = place.generation;
    const sizeClass = sizeClassOf(place.byteLength);
    this.sizeClass = sizeClass < 0 ? largeClass : sizeClass;
  }

  /**
   * The pool that it goes back to.
   * @internal
   */
  get owner(): BlockOwner {
    return this.#owner;
  }

  /**
   * The pool of what may be a block. A private field tells what really is one,
   * and is faster to read than `instanceof` is.
   *
   * @param value Anything.
   * @returns Undefined when it is no block.
   * @internal
   */
  static ownerOf(value: unknown): BlockOwner | undefined {
    try {
      return (value as Block).#owner;
    } catch {
      return undefined;
    }
  }

  /** The buffer that shows the block to JavaScript: that of its whole segment. */
  get buffer(): ArrayBuffer {
    return this.ownBuffer ?? segmentBuffer(this.segmentAddress, this.segmentBytes);
  }

  /** Where the block begins in `buffer`. */
  get bufferOffset(): number {
    return this.ownBuffer === undefined ? this.segmentOffset : 0;
  }

  /**
   * A typed array over the first bytes; the last one is kept for the next that asks for the same.
   *
   * @param dtype The element type.
   * @param byteLength How many bytes, of whole elements.
   * @returns A view that is valid until the block is released.
   */
  view<D extends DType>(dtype: D, byteLength: number): DataOf[D] {
    const kept = this.#view;
    if (this.#viewType === dtype && kept !== undefined && kept.byteLength === byteLength) {
      return kept as DataOf[D];
    }
    const view = dataView(dtype, this.buffer, this.bufferOffset, byteLength);
    this.#view = view;
    this.#viewType = dtype;
    return view;
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    const state = this.held ? "in use" : "returned";
    return `Block of ${formatBytes(this.byteLength)} at 0x${this.address.toString(16)}, ${state}`;
  }
}

/** One buffer a segment, made when first asked for: making one is slow. */
const segmentBuffers = new Map<bigint, ArrayBuffer>();

function segmentBuffer(address: bigint, byteLength: number): ArrayBuffer {
  let buffer = segmentBuffers.get(address);
  if (buffer === undefined) {
    buffer = bufferAt(address, byteLength);
    segmentBuffers.set(address, buffer);
  }
  return buffer;
}

/**
 * An `ArrayBuffer` over native memory.
 *
 * @param address Where it begins.
 * @param byteLength How many bytes.
 * @returns A buffer that neither owns nor copies the memory.
 */
export function bufferAt(address: bigint, byteLength: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(address);
  if (pointer === null) throw new Error("There is no memory at address 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
}
