/**
 * A page that draws a snapshot: totals, every segment as a bar with its blocks
 * coloured by state, the largest blocks and where memory was rented.
 *
 * The page is one text without scripts and without anything to fetch, follows
 * the reader's light or dark theme, and is well-formed XML too. Its size is
 * bounded: blocks too narrow to see are drawn together, and of very many
 * segments only the largest are drawn.
 */
import { formatShape } from "../core/shape.ts";
import { formatBytes } from "../core/sizes.ts";
import type { BlockSnapshot, PoolSnapshot, SegmentSnapshot, SnapshotState } from "./snapshot.ts";
import { snapshotStates, type SnapshotSummary, summarizeSnapshot } from "./snapshot_summary.ts";

/** Segments that are drawn, and about how many blocks of all of them together. */
const mostSegments = 250;
const mostShapes = 4000;
/** The narrowest and finest division of one bar. */
const fewestColumns = 16;
const mostColumns = 400;
/** The width of a bar in units of its own; it is stretched to the page. */
const barWidth = 1000;
const barHeight = 20;
/** Rows of a table. */
const mostRows = 25;

const stateTexts: Readonly<Record<SnapshotState, string>> = {
  live: "in use",
  shared: "shared between isolates",
  shelved: "on a shelf of this isolate",
  thread: "cached by a thread of the library",
  cached: "returned, pages kept",
  discarded: "returned, pages given back",
};

/**
 * Draws a snapshot.
 *
 * @param snapshot What `pool.snapshot()` returned, also after a way through JSON.
 * @returns An HTML document.
 *
 * @example
 * ```ts
 * import { pool, snapshotPage } from "@quern/quern";
 *
 * const page = snapshotPage(pool.snapshot());
 * console.log(page.length);
 * ```
 */
export function snapshotPage(snapshot: PoolSnapshot): string {
  const summary = summarizeSnapshot(snapshot, mostRows);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<title>Pool snapshot, ${escape(snapshot.takenAt)}</title>
<style>${style}</style>
</head>
<body>
<h1>Pool snapshot</h1>
<p class="quiet">Taken at <time datetime="${escape(snapshot.takenAt)}">${
    escape(snapshot.takenAt)
  }</time></p>
${totalsSection(snapshot)}
${statesSection(summary)}
${fragmentationSection(summary)}
${segmentsSection(snapshot)}
${largestSection(summary)}
${originsSection(summary)}
</body>
</html>
`;
}

function totalsSection({ totals }: PoolSnapshot): string {
  const cards = Object.entries(totals).map(([name, value]) =>
    `<div><dt>${escape(words(name))}</dt><dd>${escape(totalText(name, value))}</dd></div>`
  );
  return `<section>\n<h2>Totals</h2>\n<dl class="cards">${cards.join("")}</dl>\n</section>`;
}

function statesSection({ states }: SnapshotSummary): string {
  const rows = snapshotStates.map((state) => {
    const { blocks, bytes } = states[state];
    return [
      `<span class="key ${state}"></span>${state}`,
      escape(stateTexts[state]),
      blocks.toLocaleString("en"),
      formatBytes(bytes),
    ];
  });
  return `<section>\n<h2>Blocks by state</h2>\n${
    table(["state", "meaning", "blocks", "bytes"], rows, 2)
  }\n</section>`;
}

function fragmentationSection(summary: SnapshotSummary): string {
  const { requestedBytes, grantedBytes, freeLargeBytes, largestFreeBytes } = summary;
  const lost = grantedBytes - requestedBytes;
  const rounding = grantedBytes === 0
    ? "No block in use says what was asked for."
    : `Of ${formatBytes(grantedBytes)} in use, ${formatBytes(lost)} ` +
      `(${percent(lost, grantedBytes)}) is rounding: granted, but not asked for.`;
  const gaps = freeLargeBytes === 0
    ? "The large segments have no free space."
    : `The large segments have ${formatBytes(freeLargeBytes)} free, the largest piece ` +
      `${formatBytes(largestFreeBytes)} (${percent(largestFreeBytes, freeLargeBytes)} of it).`;
  return `<section>\n<h2>Fragmentation</h2>\n<p>${rounding}</p>\n<p>${gaps}</p>\n</section>`;
}

function segmentsSection({ segments }: PoolSnapshot): string {
  const drawn = mostBytes(segments);
  const columns = Math.floor(mostShapes / Math.max(drawn.length, 1));
  const bounded = Math.min(Math.max(columns, fewestColumns), mostColumns);
  const figures = drawn.map((segment) => segmentFigure(segment, bounded));
  const left = segments.length - drawn.length;
  const note = left === 0
    ? ""
    : `<p class="quiet">${left.toLocaleString("en")} smaller segments are not drawn.</p>`;
  const empty = segments.length === 0
    ? `<p class="quiet">There are none yet.</p>`
    : `<p class="quiet">Point at a block to read about it. Gaps hold no block.</p>`;
  return `<section>\n<h2>Segments</h2>\n${empty}${note}${figures.join("\n")}\n</section>`;
}

/** The segments to draw, still by address. */
function mostBytes(segments: SegmentSnapshot[]): SegmentSnapshot[] {
  if (segments.length <= mostSegments) return segments;
  const largest = segments.toSorted((a, b) => b.bytes - a.bytes).slice(0, mostSegments);
  const chosen = new Set(largest);
  return segments.filter((segment) => chosen.has(segment));
}

function segmentFigure(segment: SegmentSnapshot, columns: number): string {
  const { address, kind, blocks } = segment;
  const used = sum(blocks.filter((block) => block.state === "live" || block.state === "shared"));
  const extent = segment.bytes;
  const places = joinNarrow(placesOf(segment), extent / columns);
  const shapes = places.map((place) => placeRect(place, extent));
  const caption = `<code>${escape(address)}</code> ${escape(kind)}, ${formatBytes(extent)}, ` +
    `${blocks.length.toLocaleString("en")} blocks, ${percent(used, extent)} in use`;
  return `<figure>\n<figcaption>${caption}</figcaption>\n` +
    `<svg viewBox="0 0 ${barWidth} ${barHeight}" preserveAspectRatio="none" role="img" ` +
    `aria-label="Blocks of the segment at ${escape(address)}">${shapes.join("")}</svg>\n</figure>`;
}

/** A block, or several neighbours, from one offset to another. */
interface Place {
  start: number;
  end: number;
  blocks: BlockSnapshot[];
}

function placesOf({ address, blocks }: SegmentSnapshot): Place[] {
  const base = BigInt(address);
  return blocks.map((block) => {
    const start = Number(BigInt(block.address) - base);
    return { start, end: start + block.bytes, blocks: [block] };
  });
}

/** Joins neighbours that are narrower than a column into places of about one column. */
function joinNarrow(places: readonly Place[], column: number): Place[] {
  const joined: Place[] = [];
  for (const place of places) {
    const last = joined.at(-1);
    const near = last !== undefined && place.start - last.end < column &&
      last.end - last.start < column && place.end - place.start < column;
    if (near) {
      last.end = place.end;
      last.blocks.push(...place.blocks);
    } else {
      joined.push({ ...place, blocks: [...place.blocks] });
    }
  }
  return joined;
}

function placeRect({ start, end, blocks }: Place, extent: number): string {
  const x = (start / extent) * barWidth;
  const width = Math.max(((end - start) / extent) * barWidth, 0.4);
  const text = blocks.length === 1 ? blockText(blocks[0]) : groupText(blocks);
  return `<rect class="${mainState(blocks)}" x="${x.toFixed(2)}" width="${width.toFixed(2)}" ` +
    `height="${barHeight}"><title>${escape(text)}</title></rect>`;
}

/** The state of most of the bytes. */
function mainState(blocks: readonly BlockSnapshot[]): SnapshotState {
  if (blocks.length === 1) return blocks[0].state;
  const bytes = bytesByState(blocks);
  return snapshotStates.reduce((most, state) => bytes(state) > bytes(most) ? state : most);
}

function bytesByState(blocks: readonly BlockSnapshot[]): (state: SnapshotState) => number {
  return (state) => sum(blocks.filter((block) => block.state === state));
}

function blockText(block: BlockSnapshot): string {
  const { bytes, requested, state, ageMs, isolate, tensor, origin } = block;
  const asked = requested > 0 ? `, ${formatBytes(requested)} asked for` : "";
  const holder = isolate > 0 ? `, isolate ${isolate}` : "";
  const lines = [`${formatBytes(bytes)} ${state} for ${age(ageMs)}${asked}${holder}`];
  lines.push(block.address);
  if (tensor !== undefined) lines.push(tensorText(block));
  if (origin !== undefined) lines.push(origin);
  return lines.join("\n");
}

function groupText(blocks: readonly BlockSnapshot[]): string {
  const lines = [`${blocks.length.toLocaleString("en")} blocks, ${formatBytes(sum(blocks))}`];
  for (const state of snapshotStates) {
    const own = blocks.filter((block) => block.state === state);
    if (own.length > 0) lines.push(`${own.length} ${state}, ${formatBytes(sum(own))}`);
  }
  return lines.join("\n");
}

function largestSection({ largest }: SnapshotSummary): string {
  const rows = largest.map((block) => [
    formatBytes(block.bytes),
    block.requested > 0 ? formatBytes(block.requested) : "",
    age(block.ageMs),
    escape(String(block.isolate)),
    `<code>${escape(block.address)}</code>`,
    escape(tensorText(block)),
    originCell(block.origin),
  ]);
  const heads = ["bytes", "asked for", "age", "isolate", "address", "tensor", "rented"];
  const body = rows.length === 0
    ? `<p class="quiet">Nothing is in use.</p>`
    : table(heads, rows, 0, 3);
  return `<section>\n<h2>Largest blocks in use</h2>\n${body}\n</section>`;
}

function originsSection({ origins }: SnapshotSummary): string {
  const known = origins.filter((share) => share.origin !== undefined);
  const rows = origins.slice(0, mostRows).map(({ origin, blocks, bytes }) => [
    formatBytes(bytes),
    blocks.toLocaleString("en"),
    originCell(origin ?? "not recorded"),
  ]);
  const body = known.length === 0
    ? `<p class="quiet">Where memory was rented is recorded in debug mode: QUERN_DEBUG=1.</p>`
    : table(["bytes", "blocks", "rented"], rows, 0, 1);
  return `<section>\n<h2>By origin</h2>\n${body}\n</section>`;
}

/** A table of cells that are HTML; columns from `first` to `last` are numbers. */
function table(heads: string[], rows: string[][], first: number, last = first + 1): string {
  const cells = (row: string[], tag: string) =>
    row.map((cell, column) => {
      const kind = column >= first && column <= last ? ` class="number"` : "";
      return `<${tag}${kind}>${cell}</${tag}>`;
    }).join("");
  const body = rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n");
  return `<div class="wide"><table>\n<thead><tr>${cells(heads, "th")}</tr></thead>\n` +
    `<tbody>${body}</tbody>\n</table></div>`;
}

function originCell(origin: string | undefined): string {
  return origin === undefined ? "" : `<pre>${escape(origin)}</pre>`;
}

function tensorText({ tensor }: BlockSnapshot): string {
  return tensor === undefined ? "" : `${tensor.dtype} ${formatShape(tensor.shape)}`;
}

function totalText(name: string, value: number | null): string {
  if (value === null) return "none";
  if (/bytes$/i.test(name)) return formatBytes(value);
  if (/rate$/i.test(name)) return percent(value, 1);
  return value.toLocaleString("en");
}

/** `liveBytes` becomes "live". */
function words(name: string): string {
  const spaced = name.replace(/Bytes$/, "").replace(/[A-Z]/g, (letter) => ` ${letter}`);
  return spaced.toLowerCase().trim();
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "0 %" : `${((part / whole) * 100).toFixed(1)} %`;
}

function age(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  if (milliseconds < 3_600_000) return `${(milliseconds / 60_000).toFixed(1)} min`;
  return `${(milliseconds / 3_600_000).toFixed(1)} h`;
}

function sum(blocks: readonly BlockSnapshot[]): number {
  let bytes = 0;
  for (const block of blocks) bytes += block.bytes;
  return bytes;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for an element or an attribute; what XML cannot hold at all is replaced. */
function escape(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => entities[character])
    // deno-lint-ignore no-control-regex -- control characters are what is looked for.
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
}

const style = `
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --quiet: #5c6670;
  --line: #d8dde3; --card: #f4f6f8; --live: #2563c9; --shared: #8a3fc6; --shelved: #0f8a7e;
  --thread: #c77700; --cached: #8fb37a; --discarded: #c9d0d8; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --text: #e4e8ec;
  --quiet: #98a3ae; --line: #333b44; --card: #1d2228; --live: #5b93f0; --shared: #b57cea;
  --shelved: #2bb3a5; --thread: #e89a2e; --cached: #6d9457; --discarded: #46505b; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--ground);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 0.6rem; }
p { margin: 0.3rem 0; }
.quiet { color: var(--quiet); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr));
  gap: 0.5rem; margin: 0; }
.cards div { background: var(--card); border-radius: 6px; padding: 0.5rem 0.7rem; }
dt { color: var(--quiet); font-size: 0.8rem; }
dd { margin: 0; font-size: 1.1rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.9rem 0.25rem 0;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { margin: 0; font-size: 0.8rem; }
.key { display: inline-block; width: 0.8rem; height: 0.8rem; border-radius: 2px;
  margin-right: 0.5rem; vertical-align: -1px; }
figure { margin: 0 0 0.7rem; }
figcaption { font-size: 0.85rem; color: var(--quiet); }
svg { display: block; width: 100%; height: 22px; background: var(--card);
  border: 1px solid var(--line); border-radius: 4px; }
rect { stroke: var(--ground); stroke-width: 0.6; vector-effect: non-scaling-stroke; }
rect:hover { opacity: 0.6; }
${
  snapshotStates.map((state) => `.${state} { fill: var(--${state}); background: var(--${state}); }`)
    .join("\n")
}
`;
