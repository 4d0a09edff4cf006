/**
 * A look at V8's heap: how much is in use after a collection, and how often the
 * collector ran.
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

/** Bytes of JavaScript objects that are in use, after a full collection. */
export function usedHeapBytes(): number {
  if (collector === undefined) {
    setFlagsFromString("--expose-gc");
    collector = runInNewContext("gc") as () => void;
  }
  collector();
  return Deno.memoryUsage().heapUsed;
}

/** Counts collections between its making and `stop()`. */
export class CollectionCounter {
  readonly #profiler = new GCProfiler();

  /** Begins to count. */
  constructor() {
    this.#profiler.start();
  }

  /** Ends the count and gives it. */
  stop(): number {
    return this.#profiler.stop()?.statistics.length ?? 0;
  }
}
