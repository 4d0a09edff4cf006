/**
 * A look at V8's heap: how much is in use after a collection, what was allocated
 * between two moments, and how often the collector ran.
 *
 * `--expose-gc` can be switched on in a running process; new contexts then have
 * a `gc` function. A collection takes milliseconds, so only measurements that
 * say so pay for it.
 *
 * @module
 */

import { GCProfiler, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collector: (() => void) | undefined;

/** Collects all garbage. */
export function collectGarbage(): void {
  if (collector === undefined) {
    setFlagsFromString("--expose-gc");
    collector = runInNewContext("gc") as () => void;
  }
  collector();
}

/** Bytes of JavaScript objects that are in use, after a full collection. */
export function usedHeapBytes(): number {
  collectGarbage();
  return Deno.memoryUsage().heapUsed;
}

/** What V8 did between two moments. */
export interface HeapCounts {
  /** Bytes of JavaScript objects that were allocated, those that were collected included. */
  readonly heapBytes: number;
  /** Bytes behind array buffers, by which more are held at the end. */
  readonly bufferBytes: number;
  /** Collections of any kind. */
  readonly collections: number;
}

/**
 * Counts what V8 allocates between its making and `stop()`, without asking for a collection:
 *
 *     heap used after − heap used before + what each collection freed
 */
export class HeapCounter {
  readonly #profiler = new GCProfiler();
  readonly #before: Deno.MemoryUsage;
  readonly #lookBytes: number;

  /** Begins to count. */
  constructor() {
    this.#profiler.start();
    // Looking at the heap takes bytes too, each time as many but the first.
    Deno.memoryUsage();
    const looked = Deno.memoryUsage().heapUsed;
    this.#before = Deno.memoryUsage();
    this.#lookBytes = this.#before.heapUsed - looked;
  }

  /** Ends the count and gives it. */
  stop(): HeapCounts {
    const after = Deno.memoryUsage();
    const collections = this.#profiler.stop()?.statistics ?? [];
    let heapBytes = after.heapUsed - this.#before.heapUsed - this.#lookBytes;
    for (const { beforeGC, afterGC } of collections) {
      heapBytes += beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize;
    }
    return {
      // Sweeping gives bytes up; a program cannot.
      heapBytes: Math.max(0, heapBytes),
      bufferBytes: Math.max(0, after.external - this.#before.external),
      collections: collections.length,
    };
  }
}
