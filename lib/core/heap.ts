/**
 * A binary heap: of all that is in it, the first in a given order is at hand.
 *
 * Nothing is removed from its middle; who needs that marks an entry as out of date and passes over
 * it when it comes out.
 *
 * @module
 */

/** Entries of which the first comes out first; among equals the order is not defined. */
export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #entries: T[] = [];

  /**
   * Makes an empty heap.
   *
   * @param before Whether the first argument comes out before the second.
   */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  /** How many entries there are. */
  get size(): number {
    return this.#entries.length;
  }

  /**
   * Adds an entry.
   *
   * @param entry The entry.
   */
  add(entry: T): void {
    const entries = this.#entries;
    let at = entries.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(entry, entries[parent])) break;
      entries[at] = entries[parent];
      at = parent;
    }
    entries[at] = entry;
  }

  /**
   * Takes the first entry out.
   *
   * @returns The entry; undefined where there is none.
   */
  take(): T | undefined {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return last;
    const first = entries[0];
    entries[this.#sink(last)] = last;
    return first;
  }

  /** Moves entries up from the top on until there is a place for `entry`; returns the place. */
  #sink(entry: T): number {
    const entries = this.#entries;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) return at;
      const right = child + 1;
      if (right < entries.length && this.#before(entries[right], entries[child])) child = right;
      if (!this.#before(entries[child], entry)) return at;
      entries[at] = entries[child];
      at = child;
    }
  }
}
