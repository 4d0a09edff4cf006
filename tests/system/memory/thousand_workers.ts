/**
 * Starts workers that take memory in every way, terminates them in the middle of holding
 * it, and prints what the process holds before, at the most, and afterwards.
 *
 * A program of its own, because a test would type-check every worker's modules again. The
 * arguments are the number of workers, how many run at once, and a file to map.
 */
import { delay } from "../../../lib/core/delay.ts";
import { pool } from "../../../lib/memory/mod.ts";

/** What must be as it was before. Cached memory may stay: it is there to be used again. */
export interface Holdings {
  readonly outstanding: number;
  readonly liveBytes: number;
  readonly requestedBytes: number;
  readonly shared: number;
  readonly mappedBytes: number;
  readonly isolates: number;
}

/** What the program prints. */
export interface Outcome {
  readonly before: Holdings;
  readonly after: Holdings;
  /** What the workers said they held. */
  readonly held: number;
  /** The most that was live, between two rounds. */
  readonly peakHeldBytes: number;
  readonly reservedBytes: number;
}

/** How long the threads of terminated workers may take to end. */
const PATIENCE_MS = 20_000;

function holdings(): Holdings {
  const { outstanding, liveBytes, requestedBytes, shared, mappedBytes, isolates } = pool.stats();
  return { outstanding, liveBytes, requestedBytes, shared, mappedBytes, isolates };
}

/** Waits until the process holds what it did before, or patience ends. */
async function settle(before: Holdings): Promise<Holdings> {
  const deadline = performance.now() + PATIENCE_MS;
  let now = holdings();
  while (JSON.stringify(now) !== JSON.stringify(before) && performance.now() < deadline) {
    await delay(5);
    now = holdings();
  }
  return now;
}

/** Starts a worker, waits until it holds memory, and ends it. */
async function startAndTerminate(path: string): Promise<number> {
  const worker = new Worker(new URL("./holding_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  worker.postMessage(path);
  try {
    return await promise;
  } finally {
    worker.terminate();
  }
}

async function run(workers: number, atOnce: number, path: string): Promise<Outcome> {
  pool.release(pool.acquire(1));
  const before = holdings();
  let held = 0;
  for (let started = 0; started < workers; started += atOnce) {
    const round = Array.from({ length: atOnce }, () => startAndTerminate(path));
    for (const count of await Promise.all(round)) held += count;
  }
  const after = await settle(before);
  const { peakHeldBytes, reservedBytes } = pool.stats();
  return { before, after, held, peakHeldBytes, reservedBytes };
}

if (import.meta.main) {
  const [workers, atOnce, path] = Deno.args;
  console.log(JSON.stringify(await run(Number(workers), Number(atOnce), path)));
}
