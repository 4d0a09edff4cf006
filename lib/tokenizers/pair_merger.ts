/**
 * Byte-pair merging of one very long word in flat arrays.
 *
 * The library makes several objects for each character and asks for a pair's rank by a JSON key:
 * right for words, but a megabyte without a space takes seconds and a gigabyte there. This gives
 * the same result (lowest rank first, leftmost among equals) from the same tables of the library's
 * model. About 40 bytes a character.
 *
 * Layout: symbols live at the position where they begin. `symbol` holds an interned number for the
 * spelling, `next` and `previous` link the living positions, `rank` is the rank of the pair that
 * begins at a position, or -1. The heap holds `rank * 2^31 + position`; an entry counts only while
 * `rank` at its position still says the same, so nothing is ever removed from its middle.
 *
 * @module
 */
import type { BPE } from "@huggingface/tokenizers";

const POSITIONS = 2 ** 31;
const SPELLINGS = 2 ** 26;
/** Keeps the tables of a merger small however strange the texts are. */
const MAX_REMEMBERED = 200_000;

/** Merges words with the tables of one model. */
export class PairMerger {
  #model: BPE;
  #numbers = new Map<string, number>();
  #spellings: string[] = [];
  #pairs = new Map<number, readonly [rank: number, joint: number]>();

  /**
   * Makes a merger.
   * @param model The model whose ranks it uses.
   */
  constructor(model: BPE) {
    this.#model = model;
  }

  /**
   * Splits a word into the spellings that the model's merges leave.
   * @param word The word, not empty.
   * @returns The spellings in order; some may be no tokens.
   */
  split(word: string): string[] {
    if (this.#pairs.size > MAX_REMEMBERED) this.#forget();
    const symbol = Int32Array.from(word, (character) => this.#number(character));
    const line = new Line(symbol);
    const { rank, next } = line;
    const heap = new MinHeap(symbol.length);
    for (let at = 0; at + 1 < symbol.length; at++) {
      rank[at] = this.#pair(symbol[at], symbol[at + 1])[0];
      if (rank[at] >= 0) heap.add(rank[at] * POSITIONS + at);
    }
    while (heap.size > 0) {
      const entry = heap.take();
      const at = entry % POSITIONS;
      if (rank[at] !== (entry - at) / POSITIONS) continue;
      line.join(at, this.#pair(symbol[at], symbol[next[at]])[1]);
      this.#rankAgain(line, at, heap);
      if (line.previous[at] >= 0) this.#rankAgain(line, line.previous[at], heap);
    }
    return line.symbols().map((one) => this.#spellings[one]);
  }

  #rankAgain({ symbol, next, rank }: Line, at: number, heap: MinHeap): void {
    const after = next[at];
    rank[at] = after < symbol.length ? this.#pair(symbol[at], symbol[after])[0] : -1;
    if (rank[at] >= 0) heap.add(rank[at] * POSITIONS + at);
  }

  #number(spelling: string): number {
    const known = this.#numbers.get(spelling);
    if (known !== undefined) return known;
    const number = this.#spellings.push(spelling) - 1;
    this.#numbers.set(spelling, number);
    return number;
  }

  #pair(left: number, right: number): readonly [rank: number, joint: number] {
    const key = left * SPELLINGS + right;
    const known = this.#pairs.get(key);
    if (known !== undefined) return known;
    const parts = [this.#spellings[left], this.#spellings[right]];
    const rank = this.#model.bpe_ranks.get(JSON.stringify(parts)) ?? -1;
    const pair = [rank, rank < 0 ? -1 : this.#number(parts.join(""))] as const;
    this.#pairs.set(key, pair);
    return pair;
  }

  #forget(): void {
    this.#pairs.clear();
    this.#numbers.clear();
    this.#spellings = [];
  }
}

/** A word as a linked line of symbols. */
class Line {
  readonly symbol: Int32Array;
  readonly next: Int32Array;
  readonly previous: Int32Array;
  readonly rank: Int32Array;

  constructor(symbol: Int32Array) {
    this.symbol = symbol;
    this.next = new Int32Array(symbol.length).map((_, at) => at + 1);
    this.previous = new Int32Array(symbol.length).map((_, at) => at - 1);
    this.rank = new Int32Array(symbol.length).fill(-1);
  }

  /** Joins the symbol at a position with the one after it. */
  join(at: number, joint: number): void {
    const gone = this.next[at];
    this.symbol[at] = joint;
    this.rank[gone] = -1;
    this.next[at] = this.next[gone];
    if (this.next[at] < this.symbol.length) this.previous[this.next[at]] = at;
  }

  /** The living symbols in order. */
  symbols(): number[] {
    const symbols: number[] = [];
    for (let at = 0; at < this.symbol.length; at = this.next[at]) symbols.push(this.symbol[at]);
    return symbols;
  }
}

/** A binary heap of numbers, the smallest on top. */
class MinHeap {
  #values: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity + 1);
  }

  get size(): number {
    return this.#size;
  }

  add(value: number): void {
    if (this.#size === this.#values.length) {
      const larger = new Float64Array(this.#size * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    const values = this.#values;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (values[parent] <= value) break;
      values[at] = values[parent];
      at = parent;
    }
    values[at] = value;
  }

  take(): number {
    const values = this.#values;
    const top = values[0];
    const value = values[--this.#size];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && values[child + 1] < values[child]) child++;
      if (values[child] >= value) break;
      values[at] = values[child];
      at = child;
    }
    values[at] = value;
    return top;
  }
}
