/**
 * What a snapshot says on the whole: bytes by state, how much of them is lost to
 * rounding and to gaps, who holds the most. The page and the diagnostics are
 * written from it.
 */
import type { BlockSnapshot, PoolSnapshot, SnapshotState } from "./snapshot.ts";

/** Blocks, and their bytes. */
export interface Share {
  /** How many blocks. */
  blocks: number;
  /** Bytes that they hold. */
  bytes: number;
}

/** The blocks that were rented at one place. */
export interface OriginShare extends Share {
  /** Lines of a stack, or undefined where it was not recorded. */
  origin: string | undefined;
}

/** What a snapshot says on the whole. */
export interface SnapshotSummary {
  /** By state; every state has an entry. */
  states: Record<SnapshotState, Share>;
  /** Bytes asked for by the blocks in use that say so. */
  requestedBytes: number;
  /** Bytes granted to the same blocks. */
  grantedBytes: number;
  /** Free bytes of the large segments, pages kept or not. */
  freeLargeBytes: number;
  /** The most of them in one piece. */
  largestFreeBytes: number;
  /** The largest blocks in use, largest first. */
  largest: BlockSnapshot[];
  /** Blocks in use by where they were rented, most bytes first. */
  origins: OriginShare[];
}

/** Every state, in the order in which pages and sentences name them. */
export const snapshotStates: readonly SnapshotState[] = [
  "live",
  "shared",
  "shelved",
  "thread",
  "cached",
  "discarded",
];

/**
 * Sums a snapshot up.
 *
 * @param snapshot The snapshot.
 * @param most How many of the largest blocks to name.
 * @returns The sums.
 */
export function summarizeSnapshot(snapshot: PoolSnapshot, most = 25): SnapshotSummary {
  const summary = emptySummary();
  const used: BlockSnapshot[] = [];
  for (const segment of snapshot.segments) {
    for (const block of segment.blocks) {
      addBlock(summary, block);
      if (inUse(block)) used.push(block);
      else if (segment.kind === "large" && isFree(block)) addFree(summary, block);
    }
  }
  summary.largest = used.toSorted((a, b) => b.bytes - a.bytes).slice(0, most);
  summary.origins = sumOrigins(used);
  return summary;
}

/** Whether somebody's data is in a block. */
function inUse(block: BlockSnapshot): boolean {
  return block.state === "live" || block.state === "shared";
}

function isFree(block: BlockSnapshot): boolean {
  return block.state === "cached" || block.state === "discarded";
}

function emptySummary(): SnapshotSummary {
  const none = (): Share => ({ blocks: 0, bytes: 0 });
  return {
    states: {
      live: none(),
      shared: none(),
      shelved: none(),
      thread: none(),
      cached: none(),
      discarded: none(),
    },
    requestedBytes: 0,
    grantedBytes: 0,
    freeLargeBytes: 0,
    largestFreeBytes: 0,
    largest: [],
    origins: [],
  };
}

function addBlock(summary: SnapshotSummary, block: BlockSnapshot): void {
  const share = summary.states[block.state];
  share.blocks++;
  share.bytes += block.bytes;
  if (inUse(block) && block.requested > 0) {
    summary.requestedBytes += block.requested;
    summary.grantedBytes += block.bytes;
  }
}

function addFree(summary: SnapshotSummary, block: BlockSnapshot): void {
  summary.freeLargeBytes += block.bytes;
  summary.largestFreeBytes = Math.max(summary.largestFreeBytes, block.bytes);
}

function sumOrigins(blocks: readonly BlockSnapshot[]): OriginShare[] {
  const shares = new Map<string | undefined, OriginShare>();
  for (const { origin, bytes } of blocks) {
    let share = shares.get(origin);
    if (share === undefined) shares.set(origin, share = { origin, blocks: 0, bytes: 0 });
    share.blocks++;
    share.bytes += bytes;
  }
  return [...shares.values()].sort((a, b) => b.bytes - a.bytes);
}
