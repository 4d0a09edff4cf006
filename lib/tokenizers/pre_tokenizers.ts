/**
 * The pre-tokenizers of byte-level BPE: how a text is cut into the pieces inside which pairs are
 * merged. A model is only right with the rule that it was trained with, so an unknown name is an
 * error and never replaced by another.
 *
 * Each rule is one or more regular expressions as a tokenizer.json spells them (`\s` is Unicode's
 * White_Space). Every expression matches every character, so the pieces together are the text.
 * Apostrophe forms ignore case in ASCII only, as in llama.cpp: Unicode folding would also take the
 * long s (U+017F).
 *
 * @module
 */

/** One rule. */
export interface PreTokenizer {
  /** Applied one after the other, each inside the pieces of the one before. */
  readonly expressions: readonly string[];
  /** A piece that is a token stays whole, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Texts begin with BOS unless the metadata says otherwise. */
  readonly addBos: boolean;
}

const CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d";
const ANY_CASE_CONTRACTIONS = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const SYMBOLS = " ?[^\\s\\p{L}\\p{N}]+";
const SPACES = "\\s+(?!\\S)|\\s+";

const GPT2 = `${CONTRACTIONS}| ?\\p{L}+| ?\\p{N}+|${SYMBOLS}|${SPACES}`;

/** Digits one by one: spaces before a digit stay together since no digit takes one along. */
const SINGLE_DIGITS = `${CONTRACTIONS}| ?\\p{L}+|\\p{N}|${SYMBOLS}|\\s+(?![^\\s\\p{N}])|\\s+`;

const LINES = `${SYMBOLS}[\\r\\n]*|\\s*[\\r\\n]+|${SPACES}`;
const WORDS = `${ANY_CASE_CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+`;
const LLAMA3 = `${WORDS}|\\p{N}{1,3}|${LINES}`;
const QWEN2 = `${WORDS}|\\p{N}|${LINES}`;

const PUNCTUATION_RUNS = "[\\p{P}$+<=>^~|]+|[^\\p{P}$+<=>^~|]+";
const NUMBER_RUNS = "\\p{N}+|\\P{N}+";
const DIGIT_TRIPLES = "[0-9]{3}|(?:(?![0-9]{3})[\\s\\S])+";

const plain = (...expressions: string[]): PreTokenizer => ({
  expressions,
  ignoreMerges: false,
  addBos: false,
});

const gpt2 = plain(GPT2);
const singleDigits = plain(SINGLE_DIGITS);
const qwen2 = plain(QWEN2);
const llama3: PreTokenizer = { expressions: [LLAMA3], ignoreMerges: true, addBos: true };
const fallback = plain(PUNCTUATION_RUNS, GPT2, NUMBER_RUNS, DIGIT_TRIPLES);

const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map([
  ["default", fallback],
  ["gpt-2", gpt2],
  ["smollm", singleDigits],
  ["starcoder", singleDigits],
  ["llama-bpe", llama3],
  ["llama-v3", llama3],
  ["llama3", llama3],
  ["qwen2", qwen2],
]);

/** The rule that new vocabularies are trained with: GPT-2's, of one expression. */
export const BYTE_LEVEL_RULE = { name: "gpt-2", expression: GPT2 } as const;

/** The names that `preTokenizerNamed` knows. */
export const PRE_TOKENIZER_NAMES: readonly string[] = [...PRE_TOKENIZERS.keys()];

/**
 * Finds a rule.
 * @param name The value of `tokenizer.ggml.pre`.
 * @returns The rule, or undefined where the name is not known.
 */
export function preTokenizerNamed(name: string): PreTokenizer | undefined {
  return PRE_TOKENIZERS.get(name);
}

/**
 * A rule as a tokenizer.json spells it.
 * @param rule The rule.
 * @returns The object's `pre_tokenizer`, which ends with the byte-level alphabet.
 */
export function preTokenizerJson(rule: PreTokenizer): object {
  const splits = rule.expressions.map((expression) => ({
    type: "Split",
    pattern: { Regex: expression },
    behavior: "Removed",
    invert: true,
  }));
  const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
  return { type: "Sequence", pretokenizers: [...splits, bytes] };
}
