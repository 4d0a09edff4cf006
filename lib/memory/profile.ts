/**
 * Profiles: what a function allocates, by operation and by line of source.
 *
 * While one runs, every allocation looks at the stack, which takes some ten
 * microseconds; while none runs, nothing does. Several may run at once, also
 * inside each other: each hears of what its own function makes, across `await`.
 */
import { formatBytes } from "../core/sizes.ts";
import { callSite } from "./call_site.ts";
import type { AllocationObserver } from "./observer.ts";
import { pool } from "./pool.ts";
import { track } from "./tracking.ts";

/** What an operation allocated. */
export interface OperationUse {
  /** The operation, for example `linear` or `Tensor.zeros`. */
  name: string;
  /** How many times it allocated. */
  allocations: number;
  /** How many bytes it asked for, all in all. */
  bytes: number;
}

/** What a line of source allocated. */
export interface LineUse {
  /** The line outside the library that called it, as `file:line:column`. */
  location: string;
  /** How many times it allocated. */
  allocations: number;
  /** How many bytes it asked for, all in all. */
  bytes: number;
  /** The most bytes from this line that were held at one time. */
  peakBytes: number;
}

/** What a function allocated. `console.log` shows it as a table. */
export interface Profile<T> {
  /** What the function returned. */
  readonly value: T;
  /** How many times memory was rented for tensors and buffers. */
  readonly allocations: number;
  /** How many bytes that were, all in all. */
  readonly bytes: number;
  /** The most of them that were held at one time. */
  readonly peakBytes: number;
  /** How many allocations were still held at the end, those returned included. */
  readonly remaining: number;
  /** How many bytes those are. */
  readonly remainingBytes: number;
  /** Rents, of the whole process, that needed pages from the operating system. */
  readonly nativeRents: number;
  /** By operation, the most bytes first. */
  readonly byOperation: readonly OperationUse[];
  /** By line of source, the most bytes first. */
  readonly byLine: readonly LineUse[];
}

/**
 * Runs a function and tells what it allocated for tensors and handles of the
 * pool. Blocks that are rented raw, with `pool.acquire`, are not seen.
 *
 * @param fn What to run; it may be asynchronous.
 * @returns What it returned, how much it allocated and where.
 *
 * @example
 * ```ts
 * import { linear, profile, softmax, Tensor } from "@quern/quern";
 *
 * using x = Tensor.ones([4, 8]);
 * const report = profile(() => {
 *   using y = linear(x, x);
 *   softmax(y, { out: y });
 * });
 * console.log(report.allocations, report.peakBytes, report.remaining); // 1 64 0
 * console.log(report.byOperation[0].name); // linear
 * console.log(report);
 * ```
 */
export function profile<T>(fn: () => Promise<T>): Promise<Profile<T>>;
/**
 * Runs a function that is not asynchronous and tells what it allocated.
 *
 * @param fn What to run.
 * @returns What it returned, how much it allocated and where.
 */
export function profile<T>(fn: () => T): Profile<T>;
export function profile<T>(fn: () => T | Promise<T>): Profile<T> | Promise<Profile<T>> {
  const recorder = new Recorder();
  const { misses } = pool.stats();
  return track(recorder, fn, (value) => {
    // The counter may have been reset in between.
    const nativeRents = Math.max(0, pool.stats().misses - misses);
    return new Report(value, recorder, nativeRents);
  });
}

class Report<T> implements Profile<T> {
  readonly value: T;
  readonly allocations: number;
  readonly bytes: number;
  readonly peakBytes: number;
  readonly remaining: number;
  readonly remainingBytes: number;
  readonly nativeRents: number;
  readonly byOperation: readonly OperationUse[];
  readonly byLine: readonly LineUse[];

  constructor(value: T, recorder: Recorder, nativeRents: number) {
    this.value = value;
    this.allocations = recorder.allocations;
    this.bytes = recorder.bytes;
    this.peakBytes = recorder.peakBytes;
    this.remaining = recorder.held.size;
    this.remainingBytes = recorder.heldBytes;
    this.nativeRents = nativeRents;
    this.byOperation = [...recorder.operations.values()].sort(byBytes);
    this.byLine = [...recorder.lines.values()].sort(byBytes)
      .map(({ heldBytes: _, ...line }) => line);
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return formatProfile(this);
  }

  /** What a notebook shows. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return { "text/plain": formatProfile(this) };
  }
}

interface Line extends LineUse {
  heldBytes: number;
}

/** Adds up what is allocated, and remembers what is held. */
class Recorder implements AllocationObserver {
  allocations = 0;
  bytes = 0;
  peakBytes = 0;
  heldBytes = 0;
  readonly held = new Map<object, { bytes: number; line: Line }>();
  readonly operations = new Map<string, OperationUse>();
  readonly lines = new Map<string, Line>();

  allocated(holder: object, bytes: number): void {
    const { operation = "(other)", location } = callSite();
    const line = this.#line(location);
    for (const use of [this, this.#operation(operation), line]) {
      use.allocations++;
      use.bytes += bytes;
    }
    for (const level of [this, line]) {
      level.heldBytes += bytes;
      level.peakBytes = Math.max(level.peakBytes, level.heldBytes);
    }
    this.held.set(holder, { bytes, line });
  }

  freed(holder: object): void {
    const allocation = this.held.get(holder);
    if (allocation === undefined) return;
    this.held.delete(holder);
    this.heldBytes -= allocation.bytes;
    allocation.line.heldBytes -= allocation.bytes;
  }

  #operation(name: string): OperationUse {
    let use = this.operations.get(name);
    if (use === undefined) this.operations.set(name, use = { name, allocations: 0, bytes: 0 });
    return use;
  }

  #line(location: string): Line {
    let line = this.lines.get(location);
    if (line === undefined) {
      line = { location, allocations: 0, bytes: 0, peakBytes: 0, heldBytes: 0 };
      this.lines.set(location, line);
    }
    return line;
  }
}

function byBytes(a: { bytes: number }, b: { bytes: number }): number {
  return b.bytes - a.bytes;
}

/** The rows of a table that are shown. */
const shownRows = 12;

function formatProfile(profile: Profile<unknown>): string {
  const { allocations, bytes, peakBytes, remaining, remainingBytes, nativeRents } = profile;
  const head = `Profile of ${counted(allocations, "allocation")}, ${formatBytes(bytes)}: ` +
    `peak ${formatBytes(peakBytes)}, ${remaining} remaining (${formatBytes(remainingBytes)}), ` +
    `${nativeRents} from new memory`;
  if (allocations === 0) return head;
  const folder = commonFolder(profile.byLine.map((line) => line.location));
  const operations = profile.byOperation
    .map((use) => [use.name, `${use.allocations}`, formatBytes(use.bytes)]);
  const lines = profile.byLine.map((line) => [
    line.location.slice(folder.length),
    `${line.allocations}`,
    formatBytes(line.bytes),
    formatBytes(line.peakBytes),
  ]);
  return [
    head,
    ...table(["operation", "allocations", "bytes"], operations),
    ...table(["line", "allocations", "bytes", "peak"], lines),
    ...folder === "" ? [] : [`  (lines are in ${folder})`],
  ].join("\n");
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The first column on the left, numbers on the right. */
function table(head: string[], rows: string[][]): string[] {
  const shown = [head, ...rows.slice(0, shownRows)];
  const widths = head.map((_, column) => Math.max(...shown.map((row) => row[column].length)));
  const text = shown.map((row) =>
    "  " +
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ")
  );
  const left = rows.length - shownRows;
  return left > 0 ? [...text, `  … and ${left} more`] : text;
}

/** The folder that all files are in, with the slash at its end. */
function commonFolder(locations: string[]): string {
  let folder = locations[0].replace(/[^/\\]*$/, "");
  while (!locations.every((location) => location.startsWith(folder))) {
    folder = folder.replace(/[^/\\]*[/\\]$/, "");
  }
  return folder;
}
