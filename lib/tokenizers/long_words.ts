/**
 * Bounds on what one very long word costs the library, which makes several objects for each of its
 * characters.
 *
 * @module
 */
import type { BPE } from "@huggingface/tokenizers";
import { PairMerger } from "./pair_merger.ts";

/** Words of more characters than this are merged in flat arrays. */
const LONG_WORD = 512;
/** Where the graph of a word's pieces would take gigabytes. */
export const LONGEST_UNIGRAM_WORD = 200_000;

/**
 * Lets a model merge long words in flat arrays; the result is the same.
 * @param model The model, which is changed.
 */
export function encodeLongWords(model: BPE): void {
  const { end_of_word_suffix: end, continuing_subword_suffix: joint } = model as {
    end_of_word_suffix?: string | null;
    continuing_subword_suffix?: string | null;
  };
  // Suffixes make the first and last symbols of a word special; such models have short words.
  if ((end ?? "") !== "" || (joint ?? "") !== "") return;
  const encode = model.encode.bind(model);
  const merger = new PairMerger(model);
  model.encode = (words) => {
    if (words.every((word) => word.length <= LONG_WORD)) return encode(words);
    const tokens: string[] = [];
    for (const word of words) {
      const pieces = word.length <= LONG_WORD ? encode([word]) : splitLong(word);
      for (const piece of pieces) tokens.push(piece);
    }
    return tokens;
  };

  function splitLong(word: string): string[] {
    if (model.ignore_merges && model.tokens_to_ids.has(word)) return [word];
    return merger.split(word).flatMap((spelling) =>
      // What is no token is one character; the library knows what stands for it.
      model.tokens_to_ids.has(spelling) ? [spelling] : encode([spelling])
    );
  }
}
