/**
 * What `bench embed` embeds.
 *
 * @module
 */

/** Texts that are embedded together. */
export interface EmbedCase {
  readonly name: string;
  /** How many, and how long. */
  readonly shape: string;
  readonly texts: readonly string[];
}

const WORDS = ("the mill stood by the river and its wheel turned all day long while farmers " +
  "brought grain from the fields on narrow roads and took the flour home before night").split(" ");

/** How many words, besides the two tokens that a model adds around them. */
function textOf(words: number, first: number): string {
  return Array.from({ length: words }, (_, i) => WORDS[(first + i) % WORDS.length]).join(" ");
}

/** From 2 to 254 words: half of the texts have fewer than 20, as sentences and titles have. */
function mixedLength(index: number): number {
  const position = (index * 0.6180339887) % 1;
  return Math.round(2 * 127 ** (position ** 1.1));
}

/** Texts as long as those of people. */
export function makeTexts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => textOf(mixedLength(i), i));
}

/**
 * The cases: texts as they come, the same by length, a batch of equal texts, one text.
 *
 * @param texts the texts of the first two
 */
export function embedCases(texts: readonly string[]): EmbedCase[] {
  const byLength = texts.toSorted((a, b) => a.length - b.length);
  return [
    { name: "mixed", shape: `${texts.length} texts`, texts },
    { name: "mixed, by length", shape: `${texts.length} texts`, texts: byLength },
    {
      name: "equal",
      shape: "32x32 tokens",
      texts: Array.from({ length: 32 }, (_, i) => textOf(30, i)),
    },
    { name: "one", shape: "1x16 tokens", texts: [textOf(14, 0)] },
  ];
}
