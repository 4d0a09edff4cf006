/**
 * Debug mode: memory that shows its misuse. `QUERN_DEBUG=1` turns it on.
 *
 * Each block in use lies inside a larger native one:
 *
 *     native block   [ guard, 64 bytes or more ][ block ][ guard, 64 or more ]
 *     in use           0xA5 …                     data     0xA5 …
 *     returned         0xFF …                     0xFF …   0xFF …
 *
 * - The guards are checked when a block is returned, and by `checkGuards`.
 * - A block begins as 0xFF, which reads as NaN in every float dtype, and is
 *   filled with it again when it is returned. It then waits in a quarantine, and
 *   must still be 0xFF when it leaves that to be used again.
 * - Each block has an `ArrayBuffer` of its own, detached when it is returned, so
 *   that stale typed arrays are empty and do not show another holder's numbers.
 * - Blocks and tensors remember where they were rented and given back.
 *
 * Invariant: whatever is found, the block is returned and accounted for first,
 * and the error is thrown after that.
 */
import { OutOfMemoryError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { formatBytes } from "../core/sizes.ts";
import { environment } from "../ffi/mod.ts";
import { PoolSize } from "../ffi/symbols.ts";
import { type Block, bufferAt } from "./block.ts";
import { captureOrigin } from "./call_site.ts";
import { addObserver } from "./observer.ts";
import type { KnownBlock, SnapshotTensor } from "./snapshot.ts";

const guardBytes = 64;
const pageBytes = 4096;
const guardByte = 0xa5;
const poisonByte = 0xff;
/** What may wait to be used again. */
const quarantinedBlocks = 64;
const quarantinedBytes = 16 << 20;
/** Forgotten blocks that a warning lists. */
const shownForgotten = 20;

let enabled = /^(?:1|true|on|yes)$/i.test(environment("QUERN_DEBUG") ?? "");

/**
 * Whether memory of this isolate shows its misuse: poison, guards, buffers that
 * are detached, origins. `QUERN_DEBUG=1` turns it on, and `pool.debug`.
 *
 * @returns False unless it was turned on.
 *
 * @example
 * ```ts
 * import { debugMode } from "@quern/quern";
 *
 * console.log(debugMode());
 * ```
 */
export function debugMode(): boolean {
  return enabled;
}

/**
 * Turns debug mode on or off, for the pool, which sees to it that no block of
 * the other mode is in use.
 *
 * @param on Whether memory shows its misuse.
 */
export function setDebugMode(on: boolean): void {
  enabled = on;
}

/** What is told of a block that nobody gave back. */
interface Forgotten {
  readonly requestedBytes: number;
  readonly ageMs: number;
  readonly origin?: string;
}

/**
 * Says on the console what was forgotten. This is what the pool does in debug
 * mode while its `onForgotten` is not set, and the only text that the library
 * writes by itself.
 *
 * @param blocks What nobody gave back until it was collected.
 */
export function warnForgotten(blocks: readonly Forgotten[]): void {
  const { warn } = console;
  warn(forgottenText(blocks));
}

/**
 * Describes what was forgotten.
 *
 * @param blocks What nobody gave back until it was collected.
 * @returns A line for all, and one for each.
 */
export function forgottenText(blocks: readonly Forgotten[]): string {
  const bytes = blocks.reduce((sum, block) => sum + block.requestedBytes, 0);
  const lines = blocks.slice(0, shownForgotten).map(({ requestedBytes, ageMs, origin }) =>
    `  ${formatBytes(requestedBytes)}, ${(ageMs / 1000).toFixed(1)} s ago, rented by ${
      origin ?? "code before debug mode"
    }`
  );
  if (blocks.length > shownForgotten) lines.push(`  and ${blocks.length - shownForgotten} more`);
  const what = blocks.length === 1 ? "1 block was" : `${blocks.length} blocks were`;
  return `Quern: ${what} never disposed of (${formatBytes(bytes)}), and came back only with a ` +
    `garbage collection. Bind tensors with \`using\`, or dispose of them:\n${lines.join("\n")}`;
}

/** What debug mode needs of the pool. */
export interface DebugBacking {
  /**
   * Rents a native block.
   *
   * @param bytes How many bytes are needed.
   * @param alignment Of its address.
   * @returns A block of at least that size.
   * @throws {OutOfMemoryError} When it is refused.
   */
  take(bytes: number, alignment: number): Block;
  /**
   * Counts a native block that was in use as returned, though it is not passed on.
   *
   * @param native What `take` returned.
   */
  keep(native: Block): void;
  /**
   * Passes on a native block that was kept.
   *
   * @param native What `take` returned.
   */
  give(native: Block): void;
  /**
   * The part of a native block that its holder may use.
   *
   * @param native What `take` returned.
   * @param offset Where the part begins, in bytes.
   * @param bytes How many there are.
   * @param buffer The part's own buffer.
   * @returns A block that no other holder has had.
   */
  part(native: Block, offset: number, bytes: number, buffer: ArrayBuffer): Block;
}

/** What may tell its address, its dtype, and its shape or length. */
interface Labelled {
  readonly address?: unknown;
  readonly dtype?: unknown;
  readonly shape?: unknown;
  readonly length?: unknown;
  readonly byteLength?: unknown;
}

/** A block in use. */
interface Rented {
  readonly native: Block;
  /** The whole native block. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the holder's part begins and how long it is. */
  readonly offset: number;
  readonly length: number;
  readonly buffer: ArrayBuffer;
  readonly origin: string;
  readonly since: number;
  /** The largest tensor that was made over it, of equal ones the last. */
  tensor?: SnapshotTensor;
  tensorBytes: number;
}

/** A block in quarantine. */
interface Returned {
  readonly rented: Rented;
  readonly origin: string;
  readonly since: number;
}

/** Guards, poison and origins for the blocks of one isolate. */
export class DebugGuard implements Disposable {
  readonly #backing: DebugBacking;
  readonly #rented = new Map<Block, Rented>();
  /** By the address that holders know, and by holder: a storage, a buffer, or a tensor. */
  readonly #byAddress = new Map<bigint, Rented>();
  readonly #holders = new WeakMap<object, Rented>();
  readonly #returns = new WeakMap<Block, Returned>();
  #quarantine: Returned[] = [];
  #quarantinedBytes = 0;
  readonly #observing: Disposable;

  /**
   * A guard without blocks.
   *
   * @param backing Where native blocks come from and go to.
   */
  constructor(backing: DebugBacking) {
    this.#backing = backing;
    this.#observing = addObserver({
      allocated: (holder) => this.#meet(holder),
      freed: (holder) => void this.#holders.delete(holder),
      tensorMade: (tensor, holder) => label(this.#holders.get(holder), tensor),
    });
  }

  /** Blocks in use. */
  get outstanding(): number {
    return this.#rented.size;
  }

  /**
   * Rents a block between guards, filled with 0xFF.
   *
   * @param bytes How many bytes are needed, which is how many the block has.
   * @param alignment Of its address: a power of two up to 4096.
   * @returns A block that no other holder has had.
   * @throws {OutOfMemoryError} When it is refused.
   * @throws {Error} When the memory to be used again was written since it was returned.
   */
  acquire(bytes: number, alignment: number): Block {
    this.#passOn(quarantinedBlocks, quarantinedBytes);
    const page = bytes > PoolSize.LARGEST_SMALL ? pageBytes : guardBytes;
    const offset = Math.max(alignment, page);
    const whole = offset + bytes + guardBytes;
    // What is too large for guards is too large for any machine, and refused as it is.
    const native = this.#take(Number.isSafeInteger(whole) ? whole : bytes, alignment);
    const rented = rentedPart(native, offset, bytes);
    const block = this.#backing.part(native, offset, bytes, rented.buffer);
    this.#rented.set(block, rented);
    this.#byAddress.set(block.address, rented);
    return block;
  }

  /**
   * Takes a block back: detaches its buffer, fills it with 0xFF and keeps it from
   * being used again for a while.
   *
   * @param block What `acquire` returned.
   * @throws {Error} When its guards were written, it was returned before, or is not ours.
   */
  release(block: Block): void {
    const rented = this.#end(block, "pool.release");
    const problem = guardProblem(rented);
    rented.bytes.fill(poisonByte);
    const returned = { rented, origin: captureOrigin(), since: performance.now() };
    this.#returns.set(block, returned);
    this.#quarantine.push(returned);
    this.#quarantinedBytes += rented.native.byteLength;
    this.#backing.keep(rented.native);
    if (problem !== undefined) throw new Error(`pool.release: ${problem}`);
  }

  /**
   * Ends the care of a block whose memory goes on to live, because other isolates
   * hold it too.
   *
   * @param block What `acquire` returned.
   * @returns The native block, which is still in use and the caller's to return.
   * @throws {Error} When it was returned before, or is not ours.
   */
  surrender(block: Block): Block {
    const rented = this.#end(block, "pool.release");
    this.#returns.set(block, { rented, origin: captureOrigin(), since: performance.now() });
    return rented.native;
  }

  /**
   * Looks at the guards of all blocks in use, and at all memory in quarantine.
   *
   * @throws {Error} When any of it was written; it tells of the first.
   */
  checkGuards(): void {
    const problems = [
      ...this.#rented.values().map(guardProblem),
      ...this.#quarantine.map(poisonProblem),
    ].filter((problem) => problem !== undefined);
    throwFirst("pool.checkGuards", problems);
  }

  /**
   * Passes all memory in quarantine on to the native pool.
   *
   * @throws {Error} When any of it was written since it was returned.
   */
  flush(): void {
    this.#passOn(0, 0);
  }

  /**
   * Where a block was rented, and where it was returned if it was.
   *
   * @param block What `acquire` returned, in use or not.
   * @returns For example `rented by linear at /app/answer.ts:12:17`; undefined when it is unknown.
   */
  history(block: Block): string | undefined {
    const rented = this.#rented.get(block);
    if (rented !== undefined) return `rented by ${rented.origin}`;
    const returned = this.#returns.get(block);
    return returned === undefined ? undefined : historyText(returned);
  }

  /**
   * Where a block in use was rented.
   *
   * @param block What `acquire` returned.
   * @returns For example `linear at /app/answer.ts:12:17`; undefined when it is not in use.
   */
  originOf(block: Block): string | undefined {
    return this.#rented.get(block)?.origin;
  }

  /**
   * What a snapshot wants to know of the blocks in use and in quarantine.
   *
   * @returns An entry for each, by native address.
   */
  known(): Map<bigint, KnownBlock> {
    const known = new Map<bigint, KnownBlock>();
    const now = performance.now();
    const age = (since: number) => Math.round(now - since);
    for (const { native, length, origin, since, tensor } of this.#rented.values()) {
      const entry = { shelved: false, requested: length, ageMs: age(since), origin, tensor };
      known.set(native.address, entry);
    }
    for (const { rented, since } of this.#quarantine) {
      known.set(rented.native.address, { shelved: true, ageMs: age(since) });
    }
    return known;
  }

  /** Passes the quarantine on and stops listening; no block may be in use. */
  [Symbol.dispose](): void {
    if (this.#rented.size > 0) {
      const blocks = this.#rented.size === 1 ? "1 block is" : `${this.#rented.size} blocks are`;
      throw new Error(`Debug mode cannot end: ${blocks} still in use; release or dispose first`);
    }
    this.#observing[Symbol.dispose]();
    this.flush();
  }

  /** Finds the block of a new holder. Later its address may be an error to ask for. */
  #meet(holder: Labelled): void {
    const { address } = holder;
    const rented = typeof address === "bigint" ? this.#byAddress.get(address) : undefined;
    if (rented === undefined) return;
    this.#holders.set(holder, rented);
    label(rented, holder);
  }

  /** Rents a native block, with the quarantine as the last reserve. */
  #take(bytes: number, alignment: number): Block {
    try {
      return this.#backing.take(bytes, alignment);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError) || this.#quarantine.length === 0) throw error;
      this.flush();
      return this.#backing.take(bytes, alignment);
    }
  }

  /** Takes a block out of those in use. */
  #end(block: Block, operation: string): Rented {
    const rented = this.#rented.get(block);
    if (rented === undefined) throw this.#notInUse(block, operation);
    this.#rented.delete(block);
    this.#byAddress.delete(block.address);
    block.held = false;
    if (!rented.buffer.detached) rented.buffer.transfer(0);
    return rented;
  }

  #notInUse(block: Block, operation: string): Error {
    const returned = this.#returns.get(block);
    if (returned === undefined) {
      return new Error(`${operation}: the block is not one that this pool rented out`);
    }
    const bytes = formatBytes(returned.rented.length);
    return new Error(
      `${operation}: a block of ${bytes} was released twice; ${historyText(returned)}`,
    );
  }

  /** Passes the oldest blocks on until no more than so many, and bytes, are left. */
  #passOn(blocks: number, bytes: number): void {
    const problems: string[] = [];
    while (this.#quarantine.length > blocks || this.#quarantinedBytes > bytes) {
      const returned = this.#quarantine.shift();
      if (returned === undefined) break;
      this.#quarantinedBytes -= returned.rented.native.byteLength;
      const problem = poisonProblem(returned);
      if (problem !== undefined) problems.push(problem);
      this.#backing.give(returned.rented.native);
    }
    throwFirst("pool", problems);
  }
}

/** Notes what a block serves. */
function label(rented: Rented | undefined, { dtype, shape, length, byteLength }: Labelled): void {
  const bytes = Number(byteLength);
  if (rented === undefined || typeof dtype !== "string" || bytes < rented.tensorBytes) return;
  const sizes = Array.isArray(shape) ? shape : [length];
  rented.tensor = { dtype, shape: [...sizes] };
  rented.tensorBytes = bytes;
}

function throwFirst(operation: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const others = problems.length - 1;
  const more = others === 0 ? "" : ` (and ${others} more like it)`;
  throw new Error(`${operation}: ${problems[0]}${more}`);
}

function guardProblem({ bytes, offset, length, origin, tensor }: Rented): string | undefined {
  const damage = findDamage(bytes, 0, offset, guardByte) ??
    findDamage(bytes, offset + length, bytes.length, guardByte);
  if (damage === undefined) return undefined;
  const side = damage.first < offset ? "before it begins" : "behind its end";
  return `a block of ${length} bytes${tensorText(tensor)} was written ${side}, ` +
    `${damageText(damage)} at offset ${damage.first - offset}; it was rented by ${origin}`;
}

function poisonProblem(returned: Returned): string | undefined {
  const { bytes, offset, length, tensor } = returned.rented;
  const damage = findDamage(bytes, 0, bytes.length, poisonByte);
  if (damage === undefined) return undefined;
  return `a block of ${length} bytes${tensorText(tensor)} was written after it was returned, ` +
    `${damageText(damage)} at offset ${damage.first - offset}; it was ${historyText(returned)}`;
}

/** The first byte of a range that is not as it was filled, and how many are not. */
interface Damage {
  readonly first: number;
  readonly count: number;
}

/** Looks at four bytes at a time, and at single ones where they are not as they were filled. */
function findDamage(
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  end: number,
  filled: number,
): Damage | undefined {
  const [firstWord, lastWord] = [Math.ceil(start / 4), Math.floor(end / 4)];
  if (firstWord >= lastWord) return countDamage(bytes, start, end, filled);
  const isWhole = areWords(bytes, firstWord, lastWord, filled) &&
    countDamage(bytes, start, firstWord * 4, filled) === undefined &&
    countDamage(bytes, lastWord * 4, end, filled) === undefined;
  return isWhole ? undefined : countDamage(bytes, start, end, filled);
}

function areWords(
  bytes: Uint8Array<ArrayBuffer>,
  first: number,
  last: number,
  filled: number,
): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, last);
  const word = Math.imul(filled, 0x01010101);
  for (let at = first; at < last; at++) {
    if (words[at] !== word) return false;
  }
  return true;
}

function countDamage(
  bytes: Uint8Array,
  start: number,
  end: number,
  filled: number,
): Damage | undefined {
  let [first, count] = [-1, 0];
  for (let at = start; at < end; at++) {
    if (bytes[at] === filled) continue;
    if (count++ === 0) first = at;
  }
  return count === 0 ? undefined : { first, count };
}

function damageText({ count }: Damage): string {
  return count === 1 ? "1 byte" : `${count} bytes`;
}

function tensorText(tensor: SnapshotTensor | undefined): string {
  return tensor === undefined ? "" : ` (${tensor.dtype} ${formatShape(tensor.shape)})`;
}

function historyText({ rented, origin }: Returned): string {
  return `rented by ${rented.origin} and returned by ${origin}`;
}

/** Fills a native block: the guards, and the part between them that is rented. */
function rentedPart(native: Block, offset: number, length: number): Rented {
  const bytes = new Uint8Array(bufferAt(native.address, native.byteLength));
  bytes.fill(guardByte, 0, offset);
  bytes.fill(poisonByte, offset, offset + length);
  bytes.fill(guardByte, offset + length);
  const buffer = bufferAt(native.address + BigInt(offset), length);
  const [origin, since] = [captureOrigin(), performance.now()];
  return { native, bytes, offset, length, buffer, origin, since, tensorBytes: 0 };
}
