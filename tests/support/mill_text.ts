/**
 * A text that a small model learns within seconds: sentences of a few words, in an order that
 * looks random and is always the same.
 */

const SUBJECTS = ["The mill", "The miller", "A river", "The old stone", "Her brother", "The wind"];
const VERBS = ["turned", "stood still", "sang", "waited", "went home", "was heard"];
const PLACES = ["by the water", "in the evening", "all night long", "under the bridge", "again"];

/** The text; about 33 characters a sentence. */
export function millText(sentences: number): string {
  let state = 1;
  const pick = (words: readonly string[]) => {
    state = Math.imul(state, 1103515245) + 12345 >>> 0;
    return words[(state >>> 16) % words.length];
  };
  return Array.from(
    { length: sentences },
    () => `${pick(SUBJECTS)} ${pick(VERBS)} ${pick(PLACES)}.\n`,
  ).join("");
}
