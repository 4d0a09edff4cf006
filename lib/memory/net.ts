/**
 * The finalisation net: gives back what a program forgot, and says so. Nothing
 * depends on it.
 *
 * Registering every handle would cost more than renting. Instead handles share
 * a token, and only the token is registered:
 *
 *     handle ─┐                          strong references  ───▶
 *     handle ─┼──▶ token ◀─ net (while the epoch is current or spare)
 *     handle ─┘      ┆
 *                    ┆ registered with
 *                    ▼
 *     FinalizationRegistry ──▶ epoch ──▶ blocks taken in it, up to 64
 *
 * A handle that is disposed of drops its token. When the last handle of a closed
 * epoch is disposed of, the epoch is spare and serves again, token and all, so
 * that a program without leaks soon registers nothing any more. When instead the
 * token is collected, every handle of the epoch is unreachable, and the blocks
 * that are still marked with it were forgotten.
 *
 * A forgotten block waits for the other handles of its epoch. So epochs are kept
 * small: 64 blocks or 1 MiB together, a larger block alone; and each garbage
 * collection closes the current one. A batch has an epoch to itself too, where only
 * its first block is marked: it enters and leaves in one step.
 *
 * Invariants: an epoch's `token` is set exactly while the net holds the epoch as
 * current or spare; `live` counts the blocks whose `epoch` is this one; a spare
 * epoch has none.
 */
import type { Block } from "./block.ts";
import { timeNow } from "./isolate.ts";

const epochBlocks = 64;
const epochBytes = 1 << 20;
/** Epochs that are kept for reuse, and the largest list of blocks that one of them may keep. */
const spareEpochs = 32;
const spareBlocks = 256;

/** What all handles of an epoch hold, and nothing else does. It has no contents. */
export class EpochToken {}

/** The blocks that were taken between two closings of the net. */
export class Epoch {
  /** The blocks, in the order in which they were taken; given back ones included. */
  readonly blocks: Block[] = [];
  /** How many of `blocks` count. */
  count = 0;
  /** Their bytes together. */
  bytes = 0;
  /** A batch, which has an epoch to itself; only its first block is marked with the epoch. */
  batch: readonly Block[] | undefined = undefined;
  /** How many of `blocks`, or batches, are handed out still. */
  live = 0;
  /** The token of its handles, while the net holds it. */
  token: EpochToken | undefined;

  /**
   * An epoch with a new token.
   *
   * @param token What its handles will hold.
   */
  constructor(token: EpochToken) {
    this.token = token;
  }
}

/** Watches over safe handles. */
export class Net {
  readonly #forgotten: (blocks: Block[]) => void;
  readonly #registry: FinalizationRegistry<Epoch>;
  readonly #sentinels: FinalizationRegistry<undefined>;
  readonly #spares: Epoch[] = [];
  #current: Epoch | undefined;
  #token: EpochToken | undefined;

  /**
   * A net that holds nothing.
   *
   * @param forgotten Called with blocks whose handles became unreachable.
   */
  constructor(forgotten: (blocks: Block[]) => void) {
    this.#forgotten = forgotten;
    this.#registry = new FinalizationRegistry((epoch) => this.#collect(epoch));
    this.#sentinels = new FinalizationRegistry(() => this.#close());
  }

  /**
   * A block is handed out to a handle.
   *
   * @param block The block.
   * @returns The token that the handle must hold until it gives the block back.
   */
  enter(block: Block): EpochToken {
    const bytes = block.byteLength;
    let epoch = this.#current;
    if (epoch === undefined || epoch.count >= epochBlocks || epoch.bytes + bytes > epochBytes) {
      epoch = this.#turn();
    }
    epoch.blocks[epoch.count++] = block;
    epoch.bytes += bytes;
    epoch.live++;
    block.epoch = epoch;
    block.since = timeNow();
    return this.#token!;
  }

  /**
   * Blocks are handed out to one handle together.
   *
   * @param blocks The blocks.
   * @returns The token that the handle must hold until it gives them back.
   */
  enterAll(blocks: readonly Block[]): EpochToken {
    const epoch = this.#turn();
    if (blocks.length > 0) {
      epoch.batch = blocks;
      epoch.live = 1;
      // Nothing else enters it.
      epoch.bytes = Infinity;
      blocks[0].epoch = epoch;
      const since = timeNow();
      for (const block of blocks) block.since = since;
    }
    return this.#token!;
  }

  /**
   * A handle gives its block back.
   *
   * @param block The block.
   * @param token The handle's token.
   */
  leave(block: Block, token: EpochToken): void {
    const epoch = block.epoch;
    if (epoch === undefined) return;
    block.epoch = undefined;
    if (--epoch.live === 0 && epoch !== this.#current) this.#keepSpare(epoch, token);
  }

  /**
   * A handle gives the blocks of a batch back.
   *
   * @param blocks The very array that entered.
   * @param token The handle's token.
   */
  leaveAll(blocks: readonly Block[], token: EpochToken): void {
    const epoch = blocks.length > 0 ? blocks[0].epoch : undefined;
    if (epoch === undefined) return;
    epoch.batch = undefined;
    this.leave(blocks[0], token);
  }

  /** An epoch without blocks: the current one if all of its handles are gone, or another. */
  #turn(): Epoch {
    const current = this.#current;
    if (current !== undefined) {
      if (current.live === 0) return restart(current);
      current.token = undefined;
    } else {
      this.#sentinels.register({}, undefined);
    }
    const epoch = this.#spares.pop() ?? this.#open();
    this.#current = epoch;
    this.#token = epoch.token;
    return epoch;
  }

  #open(): Epoch {
    const token = new EpochToken();
    const epoch = new Epoch(token);
    this.#registry.register(token, epoch);
    return epoch;
  }

  #keepSpare(epoch: Epoch, token: EpochToken): void {
    if (this.#spares.length >= spareEpochs || epoch.blocks.length > spareBlocks) return;
    epoch.token = token;
    this.#spares.push(restart(epoch));
  }

  /** After a garbage collection: what the current epoch forgot is found by the next one. */
  #close(): void {
    this.#turn();
    this.#sentinels.register({}, undefined);
  }

  #collect(epoch: Epoch): void {
    const forgotten = epoch.batch?.slice() ?? [];
    for (const block of forgotten) block.epoch = undefined;
    epoch.batch = undefined;
    for (const block of epoch.blocks.slice(0, epoch.count)) {
      // A block that was given back and taken again in the same epoch is listed twice.
      if (block.epoch !== epoch) continue;
      block.epoch = undefined;
      forgotten.push(block);
    }
    if (forgotten.length === 0) return;
    try {
      this.#forgotten(forgotten);
    } catch (error) {
      // What a finalisation callback throws only shows on the console.
      reportError(error);
    }
  }
}

function restart(epoch: Epoch): Epoch {
  epoch.count = 0;
  epoch.bytes = 0;
  return epoch;
}
