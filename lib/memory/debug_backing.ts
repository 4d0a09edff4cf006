/**
 * What debug mode stands on: native blocks from the supply, and blocks of its own
 * that it cuts out of them.
 */
import { Block } from "./block.ts";
import type { DebugBacking, DebugGuard } from "./debug.ts";
import { blockAlignment } from "./size_class.ts";
import type { Supply } from "./supply.ts";

/**
 * Connects debug mode with the supply.
 *
 * @param supply Where native blocks come from and go to.
 * @returns What a `DebugGuard` needs.
 */
export function debugBacking(supply: Supply): DebugBacking {
  return {
    take: (bytes, alignment) => supply.takeAligned(bytes, alignment),
    keep: (native) => {
      native.held = false;
      supply.shelves.countKept(native);
    },
    give: (native) => supply.shelves.passOn([native]),
    part: partOf,
  };
}

function partOf(native: Block, offset: number, bytes: number, buffer: ArrayBuffer): Block {
  const { owner, segmentAddress, segmentBytes, generation, since } = native;
  const address = native.address + BigInt(offset);
  const place = { address, byteLength: bytes, segmentAddress, segmentBytes, generation };
  const part = new Block(owner, place);
  part.native = native.address;
  part.ownBuffer = buffer;
  part.held = true;
  part.requested = bytes;
  part.since = since;
  return part;
}

/**
 * Takes a block of debug mode back; one that other isolates hold too keeps its
 * contents, and only this isolate's hold of it is given up.
 *
 * @param guard Debug mode.
 * @param block What it rented.
 * @param supply Where native blocks go to.
 */
export function giveGuarded(guard: DebugGuard, block: Block, supply: Supply): void {
  if (!block.shared) return guard.release(block);
  const around = guard.surrender(block);
  around.shared = true;
  supply.give(around);
}

/**
 * Fills an array with blocks of debug mode: all, or none.
 *
 * @param guard Debug mode.
 * @param bytes How many bytes are needed in each.
 * @param into The array, as long as there are blocks to be.
 */
export function takeGuardedBatch(guard: DebugGuard, bytes: number, into: Block[]): void {
  let taken = 0;
  try {
    for (; taken < into.length; taken++) into[taken] = guard.acquire(bytes, blockAlignment);
  } catch (error) {
    for (const block of into.slice(0, taken)) guard.release(block);
    into.length = 0;
    throw error;
  }
}
