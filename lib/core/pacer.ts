/**
 * Keeps the event loop alive during long native work: between two calls, when
 * enough time has passed, everything else that waits gets a turn.
 */
import { setImmediate } from "node:timers";

/** How long work may hold the event loop, in milliseconds. */
const turnMs = 10;
/** How long signals, sockets and pipes may wait, in milliseconds: see `giveTurn`. */
const pollMs = 40;
/** After so many turns in a row Deno's runtime, Tokio, looks for signals, sockets and pipes. */
const turnsToPoll = 61;

/** When the runtime last was given as many turns as it wants; of all work together. */
let polledAt = 0;

/** Gives the event loop a turn from time to time. */
export class Pacer {
  readonly #signal: AbortSignal | undefined;
  readonly #checkAlive: () => void;
  #turnEnds = performance.now() + turnMs;

  /**
   * Begins the first turn.
   *
   * @param signal Checked at every step.
   * @param checkAlive Called after a turn; throws when what the work needs is gone.
   */
  constructor(signal?: AbortSignal, checkAlive: () => void = () => {}) {
    this.#signal = signal;
    this.#checkAlive = checkAlive;
  }

  /**
   * Drives work to its end, pausing where it may pause.
   *
   * @param work A generator that yields between native calls.
   * @returns What the work returns at its end.
   * @throws The signal's reason, once it is aborted.
   */
  async drive<T>(work: Generator<void, T, void>): Promise<T> {
    this.#signal?.throwIfAborted();
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
      if (performance.now() >= this.#turnEnds) await this.#giveTurn();
      this.#signal?.throwIfAborted();
    }
  }

  /**
   * Gives a turn where it is time for one: for work that is driven piece by piece, each too
   * short for a turn of its own.
   *
   * @throws The signal's reason, once it is aborted.
   */
  async pause(): Promise<void> {
    if (performance.now() >= this.#turnEnds) await this.#giveTurn();
    this.#signal?.throwIfAborted();
  }

  async #giveTurn(): Promise<void> {
    await giveTurn();
    this.#turnEnds = performance.now() + turnMs;
    this.#checkAlive();
  }
}

/**
 * Lets timers and all that is ready run. Work that never waits would keep signals and sockets
 * waiting for 61 such turns, which are more than half a second: so from time to time the turns
 * are given at once, which takes a quarter of a millisecond. A timer would take over one.
 */
async function giveTurn(): Promise<void> {
  const polls = performance.now() >= polledAt + pollMs;
  for (let turns = polls ? turnsToPoll : 1; turns > 0; turns--) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  if (polls) polledAt = performance.now();
}
