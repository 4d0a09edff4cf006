/**
 * Words as rows of symbols in which pairs are replaced, for the training of a byte-pair vocabulary.
 *
 * Layout: all words lie one after another in `#symbols`; word `w` has its `#lengths[w]` symbols
 * from `#starts[w]` on. Replacing pairs only shortens a word, so it is done in place and starts
 * never move.
 *
 * @module
 */

/** A pair as one number; in the order of such numbers, the left symbol decides first. */
export type Pair = number;

const SYMBOLS = 2 ** 24;

/**
 * Makes a pair.
 *
 * @param left The symbol on the left, below 2^24.
 * @param right The symbol on the right, below 2^24.
 */
export function pairOf(left: number, right: number): Pair {
  return left * SYMBOLS + right;
}

/**
 * The symbols of a pair.
 *
 * @param pair The pair.
 */
export function symbolsOf(pair: Pair): [left: number, right: number] {
  const right = pair % SYMBOLS;
  return [(pair - right) / SYMBOLS, right];
}

/** Told of a pair that begins (`1`) or ceases (`-1`) to occur at one place of a word. */
export type PairChange = (pair: Pair, change: 1 | -1) => void;

/** Words as symbols, with how often each occurs. */
export class WordSymbols {
  /** How often each word occurs. */
  readonly counts: Float64Array;
  readonly #symbols: Int32Array;
  readonly #starts: Float64Array;
  readonly #lengths: Int32Array;

  /**
   * Spells words in UTF-8.
   *
   * @param words The words and how often each occurs.
   * @param symbolOfByte The symbol of each byte.
   */
  constructor(words: ReadonlyMap<string, number>, symbolOfByte: ArrayLike<number>) {
    const utf8 = new TextEncoder();
    this.counts = Float64Array.from(words.values());
    this.#starts = new Float64Array(words.size);
    this.#lengths = new Int32Array(words.size);
    let longest = 0;
    let most = 0;
    for (const word of words.keys()) {
      longest = Math.max(longest, word.length);
      most += word.length;
    }
    // Three bytes a UTF-16 unit are the most there can be; mostly it is one.
    const bytes = new Uint8Array(3 * longest);
    let symbols = new Int32Array(most);
    let start = 0;
    let index = 0;
    for (const word of words.keys()) {
      const { written } = utf8.encodeInto(word, bytes);
      if (start + written > symbols.length) symbols = grown(symbols, start + written);
      for (let i = 0; i < written; i++) symbols[start + i] = symbolOfByte[bytes[i]];
      this.#starts[index] = start;
      this.#lengths[index++] = written;
      start += written;
    }
    this.#symbols = symbols;
  }

  /** How many words there are. */
  get size(): number {
    return this.counts.length;
  }

  /**
   * Goes over the pairs of a word.
   *
   * @param word The word's index.
   * @param visit Called for each place.
   */
  forEachPair(word: number, visit: (pair: Pair) => void): void {
    const start = this.#starts[word];
    const end = start + this.#lengths[word];
    for (let at = start + 1; at < end; at++) {
      visit(pairOf(this.#symbols[at - 1], this.#symbols[at]));
    }
  }

  /**
   * Replaces a pair in a word by one symbol, from the left on.
   *
   * @param word The word's index.
   * @param pair The pair.
   * @param replacement The symbol.
   * @param change Told of each neighbouring pair that ceases and that begins; of the replaced pair
   * only where it overlaps itself.
   */
  replace(word: number, pair: Pair, replacement: number, change: PairChange): void {
    const symbols = this.#symbols;
    const [left, right] = symbolsOf(pair);
    const start = this.#starts[word];
    const end = start + this.#lengths[word];
    let to = start;
    for (let at = start; at < end;) {
      if (symbols[at] !== left || at + 1 === end || symbols[at + 1] !== right) {
        symbols[to++] = symbols[at++];
        continue;
      }
      if (to > start) {
        change(pairOf(symbols[to - 1], left), -1);
        change(pairOf(symbols[to - 1], replacement), 1);
      }
      at += 2;
      if (at < end) {
        change(pairOf(right, symbols[at]), -1);
        change(pairOf(replacement, symbols[at]), 1);
      }
      symbols[to++] = replacement;
    }
    this.#lengths[word] = to - start;
  }
}

function grown(symbols: Int32Array<ArrayBuffer>, needed: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(needed, 2 * symbols.length));
  larger.set(symbols);
  return larger;
}
