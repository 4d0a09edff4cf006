/**
 * Which tokens of a vocabulary are special: which end generation, which stand for a control
 * function, and where they occur in a text.
 *
 * Metadata alone is not enough: many files name one end token where the model was trained with
 * several, or mark control tokens as plain text. The lists below are those by which llama.cpp
 * recognises such tokens by their spelling.
 *
 * @module
 */
import { TokenType, type Vocabulary } from "./gguf_vocabulary.ts";

const END_TEXTS: readonly string[] = [
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|calls|>",
  "<|flush|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "</s>",
  "<|eom_id|>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "[EOS]",
  "<|end_of_text|>",
  "<end_of_utterance>",
  "<eos>",
  "<｜end▁of▁sentence｜>",
];

/** Infill tokens that a model writes only when it has left the text it was asked for. */
const INFILL_END_TEXTS: readonly string[] = [
  "<|fim_pad|>",
  "<fim-pad>",
  "<fim_pad>",
  "<|fim_repo|>",
  "<|repo_name|>",
  "<fim-repo>",
  "<reponame>",
  "<|file_sep|>",
];

/** The special tokens of one vocabulary. */
export interface SpecialTokens {
  /** Every id that ends generation. */
  readonly endIds: ReadonlySet<number>;
  /** Ids that stand for no text: control tokens and the unknown token. */
  readonly controlIds: ReadonlySet<number>;
  /** Ids that are matched as a whole even in plain text: tokens that the model's maker added. */
  readonly userIds: ReadonlySet<number>;
}

/**
 * Collects the special tokens of a vocabulary.
 * @param vocabulary The vocabulary.
 * @param idOf The id of a spelling.
 * @returns The special tokens.
 */
export function specialTokens(
  vocabulary: Vocabulary,
  idOf: (text: string) => number | undefined,
): SpecialTokens {
  const ends = findEnds(vocabulary, idOf);
  const controlIds = new Set<number>(ends);
  const userIds = new Set<number>();
  vocabulary.types.forEach((type, id) => {
    if (type === TokenType.control || type === TokenType.unknown) controlIds.add(id);
    else if (type === TokenType.userDefined && !ends.has(id)) userIds.add(id);
  });
  return { endIds: ends, controlIds, userIds };
}

function findEnds(
  vocabulary: Vocabulary,
  idOf: (text: string) => number | undefined,
): Set<number> {
  const named = [vocabulary.eosId, vocabulary.eotId, vocabulary.eomId];
  const found = [...END_TEXTS, ...infillTexts(vocabulary)].map(idOf);
  const ends = new Set<number>();
  for (const id of [...named, ...vocabulary.infillEndIds, ...found]) {
    if (id !== undefined) ends.add(id);
  }
  const [end, calls, returns, flush] = ["<|end|>", "<|call|>", "<|return|>", "<|flush|>"].map(idOf);
  const call = calls ?? idOf("<|calls|>");
  // Where messages have channels, <|end|> ends one message and the turn goes on.
  if (end !== undefined && call !== undefined && (returns ?? flush) !== undefined) ends.delete(end);
  return ends;
}

/** Infill is a matter of generative models; in BERT these spellings would mean something else. */
function infillTexts(vocabulary: Vocabulary): readonly string[] {
  return vocabulary.model === "bert" ? [] : INFILL_END_TEXTS;
}

/** A stretch of text, or the special token that stands at its place. */
export type Fragment = string | number;

/** Cuts texts at special tokens: leftmost first, the longest at each place. */
export class SpecialSplitter {
  #pattern: RegExp | undefined;
  #idOf: (text: string) => number | undefined;
  #trimAfter: ReadonlySet<number>;

  /**
   * Prepares the search.
   * @param texts The spellings to look for.
   * @param idOf The id of a spelling.
   * @param trimAfter Ids after which white space is dropped.
   */
  constructor(
    texts: readonly string[],
    idOf: (text: string) => number | undefined,
    trimAfter: ReadonlySet<number>,
  ) {
    const longestFirst = [...texts].sort((a, b) => b.length - a.length);
    if (texts.length > 0) this.#pattern = new RegExp(longestFirst.map(escape).join("|"), "g");
    this.#idOf = idOf;
    this.#trimAfter = trimAfter;
  }

  /**
   * Cuts a text.
   * @param text The text.
   * @returns The fragments in order; none is empty.
   */
  split(text: string): Fragment[] {
    if (text === "") return [];
    if (this.#pattern === undefined) return [text];
    const fragments: Fragment[] = [];
    let from = 0;
    for (const match of text.matchAll(this.#pattern)) {
      // Trimming may have passed over a match that was itself white space.
      if (match.index < from) continue;
      if (match.index > from) fragments.push(text.slice(from, match.index));
      from = match.index + match[0].length;
      const id = this.#idOf(match[0]);
      if (id === undefined) continue;
      fragments.push(id);
      if (this.#trimAfter.has(id)) from += leadingSpace(text, from);
    }
    if (from < text.length) fragments.push(text.slice(from));
    return fragments;
  }
}

function leadingSpace(text: string, from: number): number {
  let end = from;
  while (end < text.length && " \t\n\v\f\r".includes(text[end])) end++;
  return end - from;
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/**
 * The ids after which white space is dropped: Phi-3 was trained with tokens that take it along.
 * @param vocabulary The vocabulary.
 * @param special Its special tokens.
 * @returns The ids; none for other models.
 */
export function trimmingIds(vocabulary: Vocabulary, special: SpecialTokens): ReadonlySet<number> {
  if (!/phi-?3/i.test(vocabulary.modelName)) return new Set();
  const keep = new Set(["<unk>", "<s>", "<|endoftext|>"]);
  const ids = [...special.controlIds, ...special.userIds];
  return new Set(ids.filter((id) => !keep.has(vocabulary.tokens[id])));
}
