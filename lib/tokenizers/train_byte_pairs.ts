/**
 * Training of a byte-level BPE vocabulary from texts, as GPT-2's was trained: every text can be
 * spelled, since the 256 bytes are tokens, and frequent words become one token.
 *
 * @module
 */
import { Pacer } from "../core/pacer.ts";
import type { Progress } from "../core/progress.ts";
import { PairTraining } from "./pair_training.ts";
import { BYTE_LEVEL_RULE } from "./pre_tokenizers.ts";
import { CHARACTER_OF_BYTE } from "./token_bytes.ts";
import { WordCounter } from "./word_counts.ts";
import { WordSymbols } from "./word_symbols.ts";

/** How {@linkcode trainBytePairs} makes a vocabulary. */
export interface BytePairOptions {
  /** How many tokens there may be, the special ones and the 256 bytes included. */
  vocabularySize: number;
  /** Tokens that no text is merged to; they get the first ids. Default: `<|endoftext|>`. */
  specialTokens?: readonly string[];
  /** A pair that occurs less often becomes no token. Default: 2. */
  minFrequency?: number;
  /** Ends the work; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Told how far it is. */
  onProgress?: (progress: Progress) => void;
}

/** A byte-level BPE vocabulary. */
export interface BytePairs {
  /** Spellings in GPT-2's alphabet of bytes (`Ġthe`); the index is the id. */
  readonly tokens: readonly string[];
  /** What is merged, as `left right`, in order of rank. */
  readonly merges: readonly string[];
  /** Which of the tokens are special; they are the first. */
  readonly specialTokens: readonly string[];
}

const WHERE = "trainBytePairs()";
const BYTES = 256;
const MAX_TOKENS = 1 << 24;

/**
 * Trains a byte-level BPE vocabulary. Texts are cut into words by GPT-2's rule, and tokens never
 * cross the end of a word or of a text. The same texts give the same vocabulary, in any order; it
 * is the one that `BpeTrainer` of Hugging Face's tokenizers makes with its `ByteLevel`
 * pre-tokenizer and alphabet.
 *
 * @param texts The texts, for example the lines of a file, one string each. They are read once.
 * @param options The size of the vocabulary, and what more is wanted of it.
 * @returns The vocabulary; with fewer tokens than asked for where the texts have no more pairs.
 * @throws {RangeError} Where the size does not hold the bytes and the special tokens, or a special
 * token is empty or given twice.
 * @throws {TypeError} Where `texts` is one string.
 *
 * @example
 * ```ts
 * import { ggufVocabulary, tokenizerFromGguf, trainBytePairs } from "@quern/quern/tokenizers";
 *
 * const texts = ["the mill by the river", "the miller and the mill"];
 * const pairs = await trainBytePairs(texts, { vocabularySize: 270 });
 * console.log(pairs.merges.slice(0, 3)); // [ "h e", "t he", "i l" ]
 * const tokenizer = tokenizerFromGguf(ggufVocabulary(pairs));
 * console.log(tokenizer.decode(tokenizer.encode("the 🌊"))); // the 🌊
 * ```
 */
export async function trainBytePairs(
  texts: Iterable<string> | AsyncIterable<string>,
  options: BytePairOptions,
): Promise<BytePairs> {
  const { vocabularySize, specialTokens = ["<|endoftext|>"], minFrequency = 2 } = options;
  checkOptions(vocabularySize, specialTokens, minFrequency);
  if (typeof texts === "string") {
    throw new TypeError(`${WHERE}: texts is one string; give an array of texts, even for one`);
  }
  const counter = await countWords(texts, options);
  // In the order of the alphabet, not of the bytes, as vocabularies of this kind have them.
  const alphabet = CHARACTER_OF_BYTE.toSorted();
  const tokens = [...new Set([...specialTokens, ...alphabet])];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const symbolOfByte = CHARACTER_OF_BYTE.map((character) => ids.get(character) ?? 0);
  const training = new PairTraining(new WordSymbols(counter.counts, symbolOfByte), tokens);
  await chooseMerges(training, { ...options, minFrequency });
  return { tokens: training.tokens, merges: training.merges(), specialTokens: [...specialTokens] };
}

async function countWords(
  texts: Iterable<string> | AsyncIterable<string>,
  { signal, onProgress }: BytePairOptions,
): Promise<WordCounter> {
  const counter = new WordCounter(BYTE_LEVEL_RULE.expression);
  const pacer = new Pacer(signal);
  let completed = 0;
  for await (const text of texts) {
    await pacer.drive(counter.add(text));
    onProgress?.({
      stage: "counting words",
      completed: ++completed,
      total: undefined,
      unit: "texts",
    });
  }
  return counter;
}

async function chooseMerges(
  training: PairTraining,
  options: BytePairOptions & { minFrequency: number },
): Promise<void> {
  const { vocabularySize, minFrequency, signal, onProgress } = options;
  const report = (total: number) =>
    onProgress?.({
      stage: "choosing tokens",
      completed: training.tokens.length,
      total,
      unit: "tokens",
    });
  function* reporting(): Generator<void, void, void> {
    let reported = -1;
    for (const _ of training.run({ vocabularySize, minFrequency })) {
      if (training.tokens.length !== reported) report(vocabularySize);
      reported = training.tokens.length;
      yield;
    }
  }
  await new Pacer(signal).drive(reporting());
  report(training.tokens.length);
}

function checkOptions(
  vocabularySize: number,
  specialTokens: readonly string[],
  minFrequency: number,
): void {
  if (specialTokens.includes("") || new Set(specialTokens).size !== specialTokens.length) {
    throw new RangeError(`${WHERE}: a special token is empty or given twice: ${specialTokens}`);
  }
  const least = BYTES + specialTokens.length;
  const whole = Number.isInteger(vocabularySize) && vocabularySize <= MAX_TOKENS;
  if (!whole || vocabularySize < least) {
    throw new RangeError(
      `${WHERE}: vocabularySize is ${vocabularySize}; it must be a whole number from ${least} ` +
        `(${BYTES} bytes and ${specialTokens.length} special tokens) to ${MAX_TOKENS}`,
    );
  }
  if (minFrequency >= 0) return;
  throw new RangeError(`${WHERE}: minFrequency is ${minFrequency}; it must be 0 or more`);
}
