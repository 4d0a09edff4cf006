/**
 * Stop strings that may span tokens: text is held back while it could still
 * become one, and given out as soon as it cannot.
 */

/** What a piece of text led to. */
export interface StopMatch {
  /** Text that may be shown now. */
  readonly text: string;
  /** Whether a stop string was completed; the text ends before it. */
  readonly stopped: boolean;
}

/** Looks for stop strings in text that arrives in pieces. */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = "";

  /**
   * Looks for these strings.
   *
   * @param stops The strings to look for.
   * @throws {RangeError} When one is empty, since it would match at once.
   */
  constructor(stops: readonly string[] = []) {
    if (stops.includes("")) throw new RangeError("A stop string must not be empty");
    this.#stops = stops;
  }

  /**
   * Takes in more text.
   *
   * @param piece What came next.
   * @returns The text that cannot be part of a stop string, and whether one was found.
   */
  push(piece: string): StopMatch {
    const text = this.#held + piece;
    let found = -1;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at >= 0 && (found < 0 || at < found)) found = at;
    }
    if (found >= 0) {
      this.#held = "";
      return { text: text.slice(0, found), stopped: true };
    }
    const held = this.#longestPrefixAtEnd(text);
    this.#held = text.slice(text.length - held);
    return { text: text.slice(0, text.length - held), stopped: false };
  }

  /**
   * Ends the text.
   *
   * @returns What was held back.
   */
  flush(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** The length of the longest end of the text that begins a stop string. */
  #longestPrefixAtEnd(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      const most = Math.min(stop.length - 1, text.length);
      for (let length = most; length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
