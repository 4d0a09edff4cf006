/**
 * What a pool's numbers mean, in words: first whether anything is wrong and what
 * to do about it, then how memory is used.
 *
 * A check is a function of the numbers that returns its sentence or nothing;
 * `checks` is the list of them. Small pools are not judged: what a few rents or
 * a few KiB show says nothing.
 */
import { formatBytes } from "../core/sizes.ts";
import type { ShelfUse } from "./auto_tune.ts";
import type { PoolStats } from "./pool_stats.ts";
import type { PoolSnapshot } from "./snapshot.ts";
import { type OriginShare, type SnapshotSummary, summarizeSnapshot } from "./snapshot_summary.ts";

/** Below this part of rents that meet used memory, something is wrong. */
const lowHitRate = 0.5;
/** Rents below which a hit rate says nothing. */
const fewRents = 100;
/** Below this part of avoidable rents that a shelf serves, its limit is too low. */
const lowShelfRate = 0.9;
/** Above this part of granted bytes, rounding is worth a word. */
const muchRounding = 0.2;
/** Below this part of the free bytes in one piece, large segments are fragmented. */
const smallestPiece = 0.25;
/** Cached bytes for one live byte, beyond which memory lies idle. */
const muchCached = 8;
/** The part of the budget that may be held without a warning. */
const budgetHeadroom = 0.9;
/** Bytes below which how memory is divided says nothing. */
const fewBytes = 16 << 20;
/** How often the most that was held may have gone to the operating system and come back. */
const muchTrimming = 10;
/** Holders that are named. */
const namedHolders = 3;

/** What a description is made of. */
export interface PoolFacts {
  /** What `pool.stats()` counts. */
  readonly stats: PoolStats;
  /** Every block. */
  readonly snapshot: PoolSnapshot;
  /** What the shelves of this isolate did since they were last tuned. */
  readonly shelves: readonly ShelfUse[];
}

interface Facts extends PoolFacts {
  readonly summary: SnapshotSummary;
}

/** What is wrong, if it is, and what to do about it. */
const checks: readonly ((facts: Facts) => string | undefined)[] = [
  checkForgotten,
  checkHitRate,
  checkBudget,
  checkShelves,
  checkRounding,
  checkPieces,
  checkIdle,
  checkTrimming,
];

/**
 * Describes a pool in words.
 *
 * @param facts Its numbers.
 * @returns Lines of text: "The pool is healthy." or what needs attention, then how memory is used.
 */
export function describePool(facts: PoolFacts): string {
  const all = { ...facts, summary: summarizeSnapshot(facts.snapshot, namedHolders) };
  const warnings = checks.map((check) => check(all)).filter((text) => text !== undefined);
  const verdict = warnings.length === 0
    ? ["The pool is healthy."]
    : ["The pool needs attention:", ...warnings.map((text) => `- ${text}`)];
  const rest = [useText(all), hitText(all), budgetText(all), holdersText(all)];
  return [...verdict, ...rest.filter((text) => text !== undefined)].join("\n");
}

function checkForgotten({ stats }: Facts): string | undefined {
  if (stats.forgotten === 0) return undefined;
  return `${blocksText(stats.forgotten)} ${stats.forgotten === 1 ? "was" : "were"} never ` +
    "disposed of, and came back only with a garbage collection: bind tensors with `using`, or " +
    "dispose of them; QUERN_DEBUG=1 says where they were rented.";
}

function checkHitRate({ stats: { rents, hitRate } }: Facts): string | undefined {
  if (rents < fewRents || hitRate >= lowHitRate) return undefined;
  return `Only ${percent(hitRate)} of ${count(rents)} rents met memory that was ready: ` +
    "dispose of results as soon as they are not needed, rent fewer different sizes, or " +
    "`pool.prewarm()` what will be needed.";
}

function checkBudget({ stats: { heldBytes, liveBytes, budgetBytes } }: Facts): string | undefined {
  if (heldBytes <= budgetBytes * budgetHeadroom) return undefined;
  const live = liveBytes > budgetBytes * budgetHeadroom
    ? "dispose of tensors, or raise the budget"
    : "what is only cached is given up first, so that rents go on, but more slowly";
  return `${formatBytes(heldBytes)} of the budget of ${formatBytes(budgetBytes)} are held, ` +
    `${formatBytes(liveBytes)} of them in use: ${live}.`;
}

function checkShelves({ shelves }: Facts): string | undefined {
  const short = shelves.filter(isShort).sort((a, b) => b.avoidable - a.avoidable);
  if (short.length === 0) return undefined;
  const [{ bytes, limit, needed, avoidable }] = short;
  const more = short.length - 1;
  const others = more === 0 ? "" : ` So ${more === 1 ? "is 1 other" : `are ${more} others`}.`;
  return `The shelf for blocks of ${formatBytes(bytes)} is too short: it holds ${limit}, and ` +
    `${count(avoidable)} rents would have been faster if it held ${needed}.${others} ` +
    "`pool.autoTune()` sets what was seen to be needed.";
}

function isShort({ hits, misses, avoidable }: ShelfUse): boolean {
  return hits + misses >= fewRents && hits < lowShelfRate * (hits + avoidable);
}

function checkRounding({ stats: { liveBytes, requestedBytes } }: Facts): string | undefined {
  const lost = liveBytes - requestedBytes;
  if (liveBytes < fewBytes || lost <= muchRounding * liveBytes) return undefined;
  return `Rounding to the sizes of blocks takes ${formatBytes(lost)}, ` +
    `${percent(lost / liveBytes)} of what is in use: ask for sizes just below 1, 1.25, 1.5 or ` +
    "1.75 times a power of two, or for one large tensor instead of many below 256 bytes.";
}

function checkPieces({ summary: { freeLargeBytes, largestFreeBytes } }: Facts): string | undefined {
  if (freeLargeBytes < fewBytes) return undefined;
  if (largestFreeBytes >= smallestPiece * freeLargeBytes) return undefined;
  return `The free ${formatBytes(freeLargeBytes)} of the large segments are in pieces of ` +
    `${formatBytes(largestFreeBytes)} at most: rent what lives long before what lives shortly, ` +
    "and large blocks before small ones.";
}

function checkIdle({ stats: { cachedBytes, liveBytes } }: Facts): string | undefined {
  if (cachedBytes < fewBytes || cachedBytes <= muchCached * liveBytes) return undefined;
  return `${formatBytes(cachedBytes)} are kept for reuse while ${formatBytes(liveBytes)} are in ` +
    "use: they go back to the operating system when they have not been used for a while, and at " +
    "once with `pool.trim()`.";
}

function checkTrimming({ stats: { trimmedBytes, peakHeldBytes } }: Facts): string | undefined {
  if (trimmedBytes < fewBytes || trimmedBytes <= muchTrimming * peakHeldBytes) return undefined;
  return `${formatBytes(trimmedBytes)} went back to the operating system, ` +
    `${count(Math.floor(trimmedBytes / peakHeldBytes))} times the most that was held: memory is ` +
    "short, or `pool.setIdle()` too low for how often work comes.";
}

function useText({ stats }: Facts): string {
  const { outstanding, liveBytes, requestedBytes, cachedBytes, shelvedBytes } = stats;
  const asked = liveBytes === 0 ? "" : ` (${formatBytes(requestedBytes)} asked for)`;
  const isolates = stats.isolates > 1 ? ` of ${stats.isolates} isolates` : "";
  const shared = stats.shared === 0
    ? ""
    : ` ${count(stats.shared)} of the blocks in use are shared between isolates.`;
  return `${formatBytes(liveBytes)}${asked} are in use in ${blocksText(outstanding)}, and ` +
    `${formatBytes(cachedBytes)} are kept for reuse, ${formatBytes(shelvedBytes)} of them on ` +
    `shelves${isolates}; the most held at one time was ${formatBytes(stats.peakHeldBytes)}, and ` +
    `${formatBytes(stats.reservedBytes)} of address space are reserved.${shared}`;
}

function hitText({ stats: { rents, hitRate } }: Facts): string {
  if (rents === 0) return "Nothing was rented since the counters were reset.";
  return `${percent(hitRate)} of ${count(rents)} rents met memory that was ready.`;
}

function budgetText({ stats: { heldBytes, budgetBytes } }: Facts): string {
  if (budgetBytes === Infinity) return "There is no budget.";
  const left = Math.max(budgetBytes - heldBytes, 0);
  return `The budget of ${formatBytes(budgetBytes)} has ${formatBytes(left)} left.`;
}

function holdersText({ summary: { origins, largest } }: Facts): string | undefined {
  const known = origins.filter((share) => share.origin !== undefined).slice(0, namedHolders);
  if (known.length > 0) return `The most is held by ${known.map(holderText).join("; by ")}.`;
  if (largest.length === 0) return undefined;
  const sizes = largest.map(({ bytes, ageMs }) => `${formatBytes(bytes)} (${seconds(ageMs)})`);
  return `The largest blocks in use, and for how long: ${sizes.join(", ")}.`;
}

function holderText({ origin, blocks, bytes }: OriginShare): string {
  return `${origin} (${formatBytes(bytes)} in ${blocksText(blocks)})`;
}

function blocksText(blocks: number): string {
  return blocks === 1 ? "1 block" : `${count(blocks)} blocks`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
