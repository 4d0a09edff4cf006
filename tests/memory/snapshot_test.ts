/**
 * Snapshots decode the native records, add what the isolate knows, survive JSON, and are drawn on
 * a page that is well-formed, escaped and bounded.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { BlockField, BlockState } from "../../lib/ffi/symbols.ts";
import {
  decodeSegments,
  type KnownBlock,
  type PoolSnapshot,
  type SnapshotState,
  takeSnapshot,
} from "../../lib/memory/snapshot.ts";
import { snapshotPage } from "../../lib/memory/snapshot_page.ts";
import { summarizeSnapshot } from "../../lib/memory/snapshot_summary.ts";
import "../support/native.ts";

const chunk = 4 << 20;
const firstSegment = 0x7f1200000000n;

interface Made {
  offset: number;
  bytes: number;
  state: number;
  requested?: number;
  ageMs?: number;
  isolate?: number;
}

/** Records as the native pool writes them. */
function records(segment: bigint, segmentBytes: number, blocks: Made[]): bigint[] {
  return blocks.flatMap((block) => {
    const record = new Array<bigint>(BlockField.FIELDS).fill(0n);
    record[BlockField.ADDRESS] = segment + BigInt(block.offset);
    record[BlockField.BYTES] = BigInt(block.bytes);
    record[BlockField.REQUESTED] = BigInt(block.requested ?? 0);
    record[BlockField.STATE] = BigInt(block.state);
    record[BlockField.AGE_MS] = BigInt(block.ageMs ?? 0);
    record[BlockField.ISOLATE] = BigInt(block.isolate ?? 0);
    record[BlockField.SEGMENT] = segment;
    record[BlockField.SEGMENT_BYTES] = BigInt(segmentBytes);
    return record;
  });
}

const unknown: ReadonlyMap<bigint, KnownBlock> = new Map();

function snapshotOf(all: bigint[], known = unknown): PoolSnapshot {
  return {
    takenAt: "2030-01-02T03:04:05.678Z",
    totals: { rents: 10, hitRate: 0.9, liveBytes: 2048, budgetBytes: null },
    segments: decodeSegments(BigUint64Array.from(all), known),
  };
}

Deno.test("records become blocks of their segments, by address", () => {
  const second = firstSegment + BigInt(chunk);
  const all = [
    ...records(second, 8 << 20, [{ offset: 0, bytes: 3 << 20, state: BlockState.CACHED }]),
    ...records(firstSegment, chunk, [
      { offset: 0, bytes: 1024, requested: 1000, state: BlockState.LIVE, ageMs: 12, isolate: 3 },
      { offset: 1024, bytes: 1024, state: BlockState.DISCARDED },
    ]),
  ];
  const [small, large] = decodeSegments(BigUint64Array.from(all), unknown);
  assertEquals(small.address, "0x7f1200000000");
  assertEquals([small.kind, small.bytes, small.blocks.length], ["small", chunk, 2]);
  assertEquals(small.blocks[0], {
    address: "0x7f1200000000",
    bytes: 1024,
    requested: 1000,
    state: "live",
    ageMs: 12,
    isolate: 3,
  });
  assertEquals([large.kind, large.bytes, large.blocks.length], ["large", 8 << 20, 1]);
});

Deno.test("every native state has a name", () => {
  const all = Object.values(BlockState).map((state, index) => ({
    offset: index * 256,
    bytes: 256,
    state,
  }));
  const [{ blocks }] = decodeSegments(
    BigUint64Array.from(records(firstSegment, chunk, all)),
    unknown,
  );
  const names: SnapshotState[] = blocks.map(({ state }) => state);
  assertEquals(names, ["live", "shared", "thread", "cached", "discarded"]);
});

Deno.test("an unknown state is an error, not a block", () => {
  const all = records(firstSegment, chunk, [{ offset: 0, bytes: 256, state: 99 }]);
  assertThrows(() => decodeSegments(BigUint64Array.from(all), unknown), Error, "state 99");
});

Deno.test("what the isolate knows is added to its blocks by address", () => {
  const tensor = { dtype: "float32", shape: [2, 3] };
  const known = new Map<bigint, KnownBlock>([
    [firstSegment, { shelved: false, requested: 24, origin: "app.ts:1:1", tensor, ageMs: 7 }],
    [firstSegment + 256n, { shelved: true }],
    [firstSegment + 512n, { shelved: true }],
  ]);
  const all = records(firstSegment, chunk, [
    { offset: 0, bytes: 256, requested: 200, state: BlockState.LIVE },
    { offset: 256, bytes: 256, requested: 200, state: BlockState.LIVE },
    { offset: 512, bytes: 256, state: BlockState.CACHED },
  ]);
  const [{ blocks }] = snapshotOf(all, known).segments;
  assertEquals(blocks[0].origin, "app.ts:1:1");
  assertEquals(blocks[0].tensor, tensor);
  assertEquals([blocks[0].requested, blocks[0].ageMs], [24, 7]);
  assertEquals([blocks[1].state, blocks[1].requested], ["shelved", 0]);
  assertEquals(blocks[2].state, "cached", "the native pool knows what was returned meanwhile");
});

Deno.test("a snapshot is plain data that JSON keeps whole", () => {
  const stats = { rents: 5, budgetBytes: Infinity, hitRate: 1, classes: [1, 2] };
  const snapshot = takeSnapshot({ stats, known: unknown });
  assertEquals(snapshot.totals, { rents: 5, budgetBytes: null, hitRate: 1 });
  assertMatch(snapshot.takenAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assertEquals(JSON.parse(JSON.stringify(snapshot)), snapshot);
});

Deno.test("a summary sums states, rounding, gaps, holders and origins", () => {
  const known = new Map<bigint, KnownBlock>([
    [firstSegment, { shelved: false, requested: 100, origin: "a" }],
    [firstSegment + 256n, { shelved: false, requested: 200, origin: "a" }],
    [firstSegment + 512n, { shelved: false, requested: 250, origin: "b" }],
  ]);
  const live = { state: BlockState.LIVE, requested: 1 };
  const all = [
    ...records(firstSegment, chunk, [
      { offset: 0, bytes: 256, ...live },
      { offset: 256, bytes: 256, ...live },
      { offset: 512, bytes: 256, ...live },
      { offset: 768, bytes: 256, state: BlockState.CACHED },
    ]),
    ...records(firstSegment + BigInt(chunk), 16 << 20, [
      { offset: 0, bytes: 2 << 20, state: BlockState.CACHED },
      { offset: 2 << 20, bytes: 4 << 20, ...live, requested: 4 << 20 },
      { offset: 6 << 20, bytes: 3 << 20, state: BlockState.DISCARDED },
    ]),
  ];
  const summary = summarizeSnapshot(snapshotOf(all, known), 2);
  assertEquals(summary.states.live, { blocks: 4, bytes: 768 + (4 << 20) });
  assertEquals(summary.states.cached, { blocks: 2, bytes: 256 + (2 << 20) });
  assertEquals(summary.requestedBytes, 550 + (4 << 20));
  assertEquals(summary.grantedBytes, 768 + (4 << 20));
  assertEquals([summary.freeLargeBytes, summary.largestFreeBytes], [5 << 20, 3 << 20]);
  assertEquals(summary.largest.map(({ bytes }) => bytes), [4 << 20, 256]);
  assertEquals(summary.origins, [
    { origin: undefined, blocks: 1, bytes: 4 << 20 },
    { origin: "a", blocks: 2, bytes: 512 },
    { origin: "b", blocks: 1, bytes: 256 },
  ]);
});

/** Opens and closes every tag in order: what an XML parser would accept of our pages. */
function assertWellFormed(page: string): void {
  const open: string[] = [];
  const body = page.replace(/^<!DOCTYPE html>/, "").replace(/<style>[^<]*<\/style>/, "");
  const text = body.replace(/<(\/?)([a-z0-9]+)((?: [a-zA-Z-]+="[^"<]*")*) ?(\/?)>/g, (
    _tag,
    close: string,
    name: string,
    _attributes,
    empty: string,
  ) => {
    if (close) assertEquals(open.pop(), name, "the tag that is closed");
    else if (!empty) open.push(name);
    return "";
  });
  assertEquals(open, [], "tags left open");
  assert(!/[<>]/.test(text), `a stray bracket in ${text.match(/.{0,40}[<>].{0,40}/)?.[0]}`);
  const bare = text.match(/&(?!(?:amp|lt|gt|quot|#39);).{0,20}/);
  assertEquals(bare, null, "an ampersand that is no entity");
}

Deno.test("the page of an empty pool is well-formed", () => {
  const page = snapshotPage({ takenAt: "now", totals: {}, segments: [] });
  assertWellFormed(page);
  assertStringIncludes(page, "There are none yet.");
});

Deno.test("the page shows every segment, state, holder and origin, and needs nothing else", () => {
  const known = new Map<bigint, KnownBlock>([[
    firstSegment,
    {
      shelved: false,
      requested: 1000,
      origin: "linear at app.ts:12:17",
      tensor: { dtype: "float32", shape: [10, 25] },
    },
  ]]);
  const states = Object.values(BlockState).map((state, index) => ({
    offset: index << 19,
    bytes: 1 << 19,
    state,
  }));
  const page = snapshotPage(snapshotOf(records(firstSegment, chunk, states), known));
  assertWellFormed(page);
  assertStringIncludes(page, "0x7f1200000000</code> small, 4.00 MiB, 5 blocks, 25.0 % in use");
  for (const name of ["live", "shared", "thread", "cached", "discarded"]) {
    assertStringIncludes(page, `<rect class="${name}"`);
  }
  assertStringIncludes(page, "float32 [10, 25]");
  assertStringIncludes(page, "<pre>linear at app.ts:12:17</pre>");
  assertStringIncludes(page, "prefers-color-scheme: dark");
  assertEquals(page.match(/<script|<link|<img|https?:|url\(|@import/), null);
});

Deno.test("rectangles lie where their blocks lie", () => {
  const page = snapshotPage(snapshotOf(records(firstSegment, chunk, [
    { offset: chunk / 4, bytes: chunk / 2, state: BlockState.LIVE },
  ])));
  assertStringIncludes(page, '<rect class="live" x="250.00" width="500.00"');
});

Deno.test("whatever an origin or a tensor says, the page is escaped", () => {
  const bad = `<script>alert("1 & 2")</script>'\u0000`;
  const known = new Map<bigint, KnownBlock>([[
    firstSegment,
    { shelved: false, requested: 1, origin: bad, tensor: { dtype: bad, shape: [1] } },
  ]]);
  const all = records(firstSegment, chunk, [{ offset: 0, bytes: 256, state: BlockState.LIVE }]);
  const page = snapshotPage({ ...snapshotOf(all, known), takenAt: bad, totals: { [bad]: 1 } });
  assertWellFormed(page);
  assert(!page.includes("<script"), "a script in the page");
  assert(!page.includes("\u0000"), "a character that XML does not allow");
});

Deno.test("a page of a million blocks and thousands of segments stays small", () => {
  const segments = Array.from({ length: 2000 }, (_, index) => {
    const address = firstSegment + BigInt(index) * BigInt(chunk);
    const blocks = Array.from({ length: 512 }, (_, i) => ({
      address: `0x${(address + BigInt(i * 8192)).toString(16)}`,
      bytes: 8192,
      requested: 8000,
      state: i % 3 === 0 ? "cached" as const : "live" as const,
      ageMs: i,
      isolate: 1,
    }));
    return { address: `0x${address.toString(16)}`, bytes: chunk, kind: "small" as const, blocks };
  });
  const page = snapshotPage({ takenAt: "now", totals: {}, segments });
  assertWellFormed(page);
  assert(page.length < 2_000_000, `${page.length} characters`);
  assertStringIncludes(page, "1,750 smaller segments are not drawn");
  assertEquals(page.match(/<figure>/g)?.length, 250);
});

Deno.test("neighbours too narrow to see are drawn together, and say what they are", () => {
  const blocks = Array.from({ length: 16384 }, (_, i) => ({
    offset: i * 256,
    bytes: 256,
    state: i % 4 === 0 ? BlockState.CACHED : BlockState.LIVE,
  }));
  const page = snapshotPage(snapshotOf(records(firstSegment, chunk, blocks)));
  const shapes = page.match(/<rect /g)?.length ?? 0;
  assert(shapes > 100 && shapes <= 800, `${shapes} rectangles`);
  assertMatch(page, /<title>\d+ blocks, [\d.]+ KiB\n\d+ live, [\d.]+ KiB\n\d+ cached/);
});
