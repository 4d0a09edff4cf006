/**
 * What debug mode stands on: native blocks from the supply, and blocks of its own
 * that it cuts out of them.
 */
import { Block } from "./block.ts";
import type { DebugBacking, DebugGuard } from "./debug.ts";
import { blockAlignment } from "./size_class.ts";
import { notABlock, type Supply } from "./supply.ts";

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
  const { owner, segmentAddress, segmentBytes, generation } = native;
  const address = native.address + BigInt(offset);
  const place = { address, byteLength: bytes, segmentAddress, segmentBytes, generation };
  const part = new Block(owner, place);
  part.native = native.address;
  part.ownBuffer = buffer;
  part.held = true;
  part.requested = bytes;
  return part;
}

/**
 * Takes a block back while debug mode is on; one that was rented before goes to
 * the supply. One that other isolates hold too keeps its contents, and only this
 * isolate's hold of it is given up.
 *
 * @param guard Debug mode.
 * @param block What was handed out.
 * @param supply Where native blocks go to.
 * @throws {TypeError} When it is not a block of this pool.
 * @throws {Error} When it is not handed out, or was written outside its bytes.
 */
export function giveGuarded(guard: DebugGuard, block: Block, supply: Supply): void {
  if (Block.ownerOf(block) === undefined) throw notABlock(block);
  if (block.native === 0n) return supply.give(block);
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

/**
 * Takes blocks back while debug mode is on.
 *
 * @param guard Debug mode.
 * @param blocks What was handed out.
 * @param supply Where native blocks go to.
 * @throws {Error} The first of what `giveGuarded` threw; the other blocks were taken back.
 */
export function giveGuardedBatch(
  guard: DebugGuard,
  blocks: readonly Block[],
  supply: Supply,
): void {
  let problem: unknown;
  for (const block of blocks) {
    try {
      giveGuarded(guard, block, supply);
    } catch (error) {
      problem ??= error;
    }
  }
  if (problem !== undefined) throw problem;
}
