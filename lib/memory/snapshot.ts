/**
 * A snapshot of the pool: every block of the process, segment by segment, with
 * its size, state and age, as plain data that JSON keeps.
 *
 * Three sources are joined by the address of a block:
 *
 *     qn_pool_snapshot     every block: size, state, age, who holds it
 *     shelves of this      of the blocks that the native pool sees as handed out
 *       isolate            to it, those that wait to be rented again
 *     debug mode           of its blocks in use: what was asked for, where, and
 *                          the tensor that they serve
 *
 * Blocks on the shelves of another isolate are shown as live: only that isolate
 * knows better. Native callers go on while a snapshot is taken, so its blocks
 * are each right for a moment, and its totals for another one.
 */
import { check, native } from "../ffi/mod.ts";
import { BlockField, BlockState, PoolSize } from "../ffi/symbols.ts";

/** What a block is doing. */
export type SnapshotState =
  /** In use. */
  | "live"
  /** On a shelf of the isolate that took the snapshot. */
  | "shelved"
  /** In use by several isolates, or on the way to one. */
  | "shared"
  /** In the cache of a thread of the native library. */
  | "thread"
  /** Returned; its pages are kept. */
  | "cached"
  /** Returned; its pages were given back to the operating system. */
  | "discarded";

/** The tensor that a block serves. */
export interface SnapshotTensor {
  /** Its element type. */
  dtype: string;
  /** The sizes of its axes. */
  shape: number[];
}

/** A block in a snapshot. */
export interface BlockSnapshot {
  /** Where it begins, in hexadecimal. */
  address: string;
  /** Bytes that it holds. */
  bytes: number;
  /**
   * Bytes that were asked for, 0 unless it is in use. Outside debug mode they are
   * those of the first holder, where later ones had the block from a shelf.
   */
  requested: number;
  /** What it is doing. */
  state: SnapshotState;
  /** Milliseconds since it came into that state. */
  ageMs: number;
  /** The number of the isolate that holds it; 0: the library itself, or several. */
  isolate: number;
  /** In debug mode, where it was rented: lines of a stack. */
  origin?: string;
  /** In debug mode, the largest tensor that was made over it. */
  tensor?: SnapshotTensor;
}

/** A range of address space that the pool has from the operating system. */
export interface SegmentSnapshot {
  /** Where it begins, in hexadecimal. */
  address: string;
  /** Bytes that it spans. */
  bytes: number;
  /** Whether it is divided into small blocks, of up to 1 MiB, or into larger ones. */
  kind: "small" | "large";
  /** Its blocks, by address. */
  blocks: BlockSnapshot[];
}

/** The pool at one moment, as plain data. */
export interface PoolSnapshot {
  /** When, in the form of ISO 8601. */
  takenAt: string;
  /** What `pool.stats()` counted; a value that is not finite is null. */
  totals: Record<string, number | null>;
  /** Every segment, by address. */
  segments: SegmentSnapshot[];
}

/** What an isolate knows about a block that it holds. */
export interface KnownBlock {
  /** Whether it waits on a shelf. */
  readonly shelved: boolean;
  /** Bytes that its holder asked for. */
  readonly requested?: number;
  /** Milliseconds since it came into that state. */
  readonly ageMs?: number;
  /** Where it was rented. */
  readonly origin?: string;
  /** The tensor that it serves. */
  readonly tensor?: SnapshotTensor;
}

/** What a snapshot is made of, besides the records of the native pool. */
export interface SnapshotSources {
  /** The numbers of `pool.stats()`; other fields are left out. */
  readonly stats: object;
  /** What this isolate knows of its blocks, by native address. */
  readonly known: ReadonlyMap<bigint, KnownBlock>;
}

const stateNames: Readonly<Record<number, SnapshotState>> = {
  [BlockState.LIVE]: "live",
  [BlockState.SHARED]: "shared",
  [BlockState.THREAD]: "thread",
  [BlockState.CACHED]: "cached",
  [BlockState.DISCARDED]: "discarded",
};

/**
 * Looks at every block of the process.
 *
 * @param sources What this isolate knows.
 * @returns Plain data.
 */
export function takeSnapshot(sources: SnapshotSources): PoolSnapshot {
  return {
    takenAt: new Date().toISOString(),
    totals: plainTotals(sources.stats),
    segments: decodeSegments(readRecords(), sources.known),
  };
}

/**
 * Turns records of `qn_pool_snapshot` into segments.
 *
 * @param records `BlockField.FIELDS` values a block, blocks of a segment together.
 * @param known What this isolate knows, by native address.
 * @returns The segments by address, with their blocks by address.
 */
export function decodeSegments(
  records: BigUint64Array,
  known: ReadonlyMap<bigint, KnownBlock>,
): SegmentSnapshot[] {
  const segments = new Map<bigint, SegmentSnapshot>();
  for (let at = 0; at + BlockField.FIELDS <= records.length; at += BlockField.FIELDS) {
    const record = records.subarray(at, at + BlockField.FIELDS);
    const segment = segmentOf(segments, record);
    segment.blocks.push(decodeBlock(record, known.get(record[BlockField.ADDRESS])));
    // Whatever is cut from a large segment was asked for as more than a small block.
    if (segment.kind === "small" && record[BlockField.BYTES] > BigInt(PoolSize.LARGEST_SMALL)) {
      segment.kind = "large";
    }
  }
  const byAddress = [...segments].sort(([a], [b]) => (a < b ? -1 : 1));
  return byAddress.map(([, segment]) => segment);
}

function segmentOf(
  segments: Map<bigint, SegmentSnapshot>,
  record: BigUint64Array,
): SegmentSnapshot {
  const address = record[BlockField.SEGMENT];
  let segment = segments.get(address);
  if (segment === undefined) {
    const bytes = Number(record[BlockField.SEGMENT_BYTES]);
    segment = { address: hexadecimal(address), bytes, kind: "small", blocks: [] };
    segments.set(address, segment);
  }
  return segment;
}

function decodeBlock(record: BigUint64Array, known: KnownBlock | undefined): BlockSnapshot {
  const state = stateNames[Number(record[BlockField.STATE])];
  if (state === undefined) {
    throw new Error(`pool.snapshot: a block has the unknown state ${record[BlockField.STATE]}`);
  }
  const block: BlockSnapshot = {
    address: hexadecimal(record[BlockField.ADDRESS]),
    bytes: Number(record[BlockField.BYTES]),
    requested: Number(record[BlockField.REQUESTED]),
    state,
    ageMs: Number(record[BlockField.AGE_MS]),
    isolate: Number(record[BlockField.ISOLATE]),
  };
  if (known !== undefined && state === "live") addKnown(block, known);
  return block;
}

function addKnown(block: BlockSnapshot, known: KnownBlock): void {
  const { shelved, requested, ageMs, origin, tensor } = known;
  if (shelved) block.state = "shelved";
  block.requested = shelved ? 0 : requested ?? block.requested;
  block.ageMs = ageMs ?? block.ageMs;
  if (origin !== undefined) block.origin = origin;
  if (tensor !== undefined) block.tensor = tensor;
}

/** Reads all records: again, with more room, while blocks are added meanwhile. */
function readRecords(): BigUint64Array {
  const { symbols } = native();
  const count = new BigUint64Array(1);
  let records = new BigUint64Array(0);
  for (;;) {
    const capacity = records.length / BlockField.FIELDS;
    check(
      symbols.qn_pool_snapshot(count, capacity === 0 ? null : records, capacity),
      "pool.snapshot",
    );
    const blocks = Number(count[0]);
    if (blocks <= capacity) return records.subarray(0, blocks * BlockField.FIELDS);
    records = new BigUint64Array(BlockField.FIELDS * (blocks + (blocks >> 3) + 64));
  }
}

function plainTotals(stats: object): Record<string, number | null> {
  const totals: Record<string, number | null> = {};
  for (const [name, value] of Object.entries(stats)) {
    if (typeof value === "number") totals[name] = Number.isFinite(value) ? value : null;
  }
  return totals;
}

function hexadecimal(address: bigint): string {
  return `0x${address.toString(16)}`;
}
