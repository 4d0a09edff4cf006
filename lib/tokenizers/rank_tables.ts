/**
 * The ranks of pairs that the library's BPE asks for, from what a GGUF file has.
 *
 * Why not the library's own table: it makes a JSON key of each merge, and a vocabulary of 49,000
 * merges then takes 40 ms to build. The library looks pairs up by such a key, so these tables read
 * the key when it is asked for, which happens once for each new word.
 *
 * @module
 */
import type { Vocabulary } from "./gguf_vocabulary.ts";

/** The two spellings of a key such as `["t","he"]`. */
function spellingsOf(key: string): [left: string, right: string] {
  // Without escapes the quotes in a key are those that JSON put there.
  if (key.includes("\\")) return JSON.parse(key);
  const middle = key.indexOf('"', 2);
  return [key.slice(2, middle), key.slice(middle + 3, -2)];
}

/** Ranks pairs by their place in the list of merges; the first of equal merges counts. */
export class MergeRanks extends Map<string, number> {
  #ranks = new Map<string, number>();

  /**
   * Makes the table.
   * @param merges `left right` pairs in order of rank.
   */
  constructor(merges: readonly string[]) {
    super();
    for (let rank = merges.length - 1; rank >= 0; rank--) this.#ranks.set(merges[rank], rank);
  }

  /**
   * Finds a pair's rank.
   * @param key The library's key.
   * @returns The rank, or undefined for a pair that is never merged.
   */
  override get(key: string): number | undefined {
    const [left, right] = spellingsOf(key);
    return this.#ranks.get(`${left} ${right}`);
  }
}

/**
 * SentencePiece's BPE has no merges: of all neighbours the pair is joined whose joint spelling has
 * the highest score, the leftmost among equals. A pair's rank is the place of that score among all
 * scores.
 */
export class ScoreRanks extends Map<string, number> {
  #ranks = new Map<string, number>();

  /**
   * Makes the table.
   * @param vocabulary A vocabulary with scores.
   */
  constructor({ tokens, scores }: Pick<Vocabulary, "tokens" | "scores">) {
    super();
    const order = Array.from(tokens.keys()).sort((a, b) => scores[b] - scores[a]);
    let rank = 0;
    order.forEach((id, place) => {
      if (place > 0 && scores[id] !== scores[order[place - 1]]) rank++;
      this.#ranks.set(tokens[id], rank);
    });
  }

  /**
   * Finds a pair's rank.
   * @param key The library's key.
   * @returns The rank, or undefined for a pair whose joint spelling is no token.
   */
  override get(key: string): number | undefined {
    return this.#ranks.get(spellingsOf(key).join(""));
  }
}
