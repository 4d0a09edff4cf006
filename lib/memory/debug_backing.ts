/**
 * What debug mode stands on: native blocks from the supply, and blocks of its own
 * that it cuts out of them.
 */
import { Block } from "./block.ts";
import type { DebugBacking } from "./debug.ts";
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
