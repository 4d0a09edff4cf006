/**
 * The choice of merges for a byte-pair vocabulary: again and again the pair of neighbours that is
 * most frequent becomes a token (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909).
 *
 * Only what a merge changes is counted again: each pair knows the words that it occurs in, and a
 * heap has the pairs in order. Entries of the heap go out of date; one whose count is no longer
 * right goes back with the right one.
 *
 * Invariant: the merges are those of `BpeTrainer` in Hugging Face's tokenizers, in the same order.
 * Of equally frequent pairs the one whose left token is older wins, then the one whose right token
 * is. A merge that spells a token that is there already, a special one, takes its id. Then places
 * of an older pair can come up again: it is chosen again, with the later rank, and its count is
 * that of all its places, since a pair's own count stays as it is when it is merged.
 *
 * @module
 */
import { Heap } from "../core/heap.ts";
import { type Pair, symbolsOf, type WordSymbols } from "./word_symbols.ts";

/** Places between two where the work may pause: words of the texts, or words of a merge. */
const WORDS_A_STEP = 4096;

/** A pair that waits to be merged. */
interface Candidate {
  readonly pair: Pair;
  /** How often it occurred when it was put into the heap. */
  count: number;
  /** Words where it occurs, or did. */
  readonly words: readonly number[];
}

/** When a training ends. */
export interface PairLimits {
  /** As many tokens are wanted. */
  readonly vocabularySize: number;
  /** Rarer pairs are not merged. */
  readonly minFrequency: number;
}

/** Chooses merges. */
export class PairTraining {
  /** Spellings; the index is the id. */
  readonly tokens: string[];
  readonly #words: WordSymbols;
  readonly #ids: Map<string, number>;
  readonly #counts = new Map<Pair, number>();
  readonly #queue = new Heap<Candidate>((a, b) =>
    a.count !== b.count ? a.count > b.count : a.pair < b.pair
  );
  /** Where pairs came up since the heap was filled last. */
  #fresh = new Map<Pair, number[]>();
  /** Insertion order is the order of rank. */
  readonly #merges = new Set<Pair>();

  /**
   * Begins.
   *
   * @param words The words, as symbols that are ids of `tokens`.
   * @param tokens The tokens that there are.
   */
  constructor(words: WordSymbols, tokens: readonly string[]) {
    this.#words = words;
    this.tokens = [...tokens];
    this.#ids = new Map(tokens.map((token, id) => [token, id]));
  }

  /** The pairs chosen so far, as `left right`, in order of rank. */
  merges(): string[] {
    return Array.from(
      this.#merges,
      (pair) => symbolsOf(pair).map((id) => this.tokens[id]).join(" "),
    );
  }

  /**
   * Chooses until there are enough tokens, or no pair is frequent enough.
   *
   * @param limits When to end.
   */
  *run({ vocabularySize, minFrequency }: PairLimits): Generator<void, void, void> {
    yield* this.#countAll();
    const least = Math.max(minFrequency, 1);
    while (this.tokens.length < vocabularySize) {
      const top = this.#queue.take();
      if (top === undefined) return;
      const count = this.#counts.get(top.pair) ?? 0;
      if (top.count !== count) {
        top.count = count;
        this.#queue.add(top);
        continue;
      }
      if (count < least) return;
      yield* this.#merge(top);
    }
  }

  *#countAll(): Generator<void, void, void> {
    const { counts, size } = this.#words;
    for (let word = 0; word < size; word++) {
      this.#words.forEachPair(word, (pair) => this.#change(pair, counts[word], word));
      if (word % WORDS_A_STEP === 0) yield;
    }
    this.#queueFresh();
  }

  *#merge({ pair, words }: Candidate): Generator<void, void, void> {
    const token = this.#tokenOf(pair);
    this.#merges.delete(pair);
    this.#merges.add(pair);
    const { counts } = this.#words;
    for (let i = 0; i < words.length; i++) {
      const word = words[i];
      this.#words.replace(
        word,
        pair,
        token,
        (changed, change) => this.#change(changed, change * counts[word], word),
      );
      if (i % WORDS_A_STEP === 0) yield;
    }
    this.#queueFresh();
  }

  /** The id of the token that a pair makes. */
  #tokenOf(pair: Pair): number {
    const spelling = symbolsOf(pair).map((id) => this.tokens[id]).join("");
    const known = this.#ids.get(spelling);
    if (known !== undefined) return known;
    const id = this.tokens.push(spelling) - 1;
    this.#ids.set(spelling, id);
    return id;
  }

  #change(pair: Pair, change: number, word: number): void {
    this.#counts.set(pair, (this.#counts.get(pair) ?? 0) + change);
    if (change < 0) return;
    const places = this.#fresh.get(pair);
    if (places === undefined) this.#fresh.set(pair, [word]);
    // The changes of one word come together, so the last entry is enough to compare with.
    else if (places[places.length - 1] !== word) places.push(word);
  }

  #queueFresh(): void {
    for (const [pair, words] of this.#fresh) {
      const count = this.#counts.get(pair) ?? 0;
      if (count > 0) this.#queue.add({ pair, count, words });
    }
    this.#fresh = new Map();
  }
}
