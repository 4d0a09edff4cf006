/**
 * What a model puts around a text, or around the two texts of a pair: `[CLS] A [SEP] B [SEP]`.
 *
 * The library's post-processors say it best: each is run once, on a mark that stands for each text,
 * and what stands around the marks is kept.
 *
 * @module
 */
import type { Tokenizer as JsonTokenizer } from "@huggingface/tokenizers";

/** A text's place, or a token with its segment. */
type Item = { readonly text: 0 | 1; readonly type: number } | {
  readonly id: number;
  readonly type: number;
};

/** The ids of one or two texts with what belongs around them. */
export interface TemplatedSequence {
  /** Token ids. */
  readonly ids: Int32Array;
  /** The segment of each: 0 or 1. */
  readonly typeIds: Uint8Array;
}

type PostProcessor = JsonTokenizer["post_processor"];
type IdOf = (token: string) => number | undefined;

/** No token is spelled so: noncharacters are never written. */
const MARKS = ["\uFDD0", "\uFDD1"];

/** What stands around one text, or around each of two. */
export class SequenceTemplate {
  readonly #items: readonly Item[];
  /** How many tokens are added. */
  readonly added: number;

  /**
   * Asks the library's post-processor.
   * @param processor The library's; null where nothing is added.
   * @param texts 1, or 2 for a pair.
   * @param idOf The id of a token.
   * @throws {TypeError} Where the post-processor adds a token that is not in the vocabulary.
   */
  constructor(processor: PostProcessor, texts: 1 | 2, idOf: IdOf) {
    this.#items = itemsOf(processor, texts, idOf);
    this.added = this.#items.filter((item) => "id" in item).length;
  }

  /** The tokens before the first text. */
  get prefix(): number[] {
    const ids: number[] = [];
    for (const item of this.#items) {
      if ("text" in item) break;
      ids.push(item.id);
    }
    return ids;
  }

  /** The tokens after the last text. */
  get suffix(): number[] {
    const last = this.#items.findLastIndex((item) => "text" in item);
    return this.#items.slice(last + 1).flatMap((item) => "id" in item ? [item.id] : []);
  }

  /**
   * Puts texts into their places.
   * @param texts The ids of each.
   * @param lengths How many of each are taken, from the front.
   * @returns New arrays.
   */
  fill(texts: readonly (readonly number[])[], lengths: readonly number[]): TemplatedSequence {
    const total = this.added + lengths.reduce((sum, length) => sum + length, 0);
    const ids = new Int32Array(total);
    const typeIds = new Uint8Array(total);
    let at = 0;
    for (const item of this.#items) {
      const from = at;
      if ("id" in item) ids[at++] = item.id;
      else for (let i = 0; i < lengths[item.text]; i++) ids[at++] = texts[item.text][i];
      if (item.type !== 0) typeIds.fill(item.type, from, at);
    }
    return { ids, typeIds };
  }
}

function itemsOf(processor: PostProcessor, texts: 1 | 2, idOf: IdOf): Item[] {
  const plain: Item[] = [{ text: 0, type: 0 }, { text: 1, type: 0 }];
  if (processor === null) return plain.slice(0, texts);
  const pair = texts === 2 ? [MARKS[1]] : null;
  const { tokens, token_type_ids: types = [], tokens_pair: rest } = processor
    .post_process([MARKS[0]], pair, true);
  // RoBERTa knows one segment only, whatever the library says.
  const single = processor.config.type === "RobertaProcessing";
  // A post-processor that adds nothing hands the pair back beside the text.
  return [...tokens, ...rest ?? []].map((token, i) => {
    const type = single ? 0 : types[i] ?? 0;
    const text = MARKS.indexOf(token);
    if (text === 0 || text === 1) return { text, type };
    const id = idOf(token);
    if (id !== undefined) return { id, type };
    throw new TypeError(`the token ${JSON.stringify(token)} around texts is not in the vocabulary`);
  });
}

/**
 * How many ids of each of two texts are kept where both have to share a limit: the shorter is kept
 * whole while it has half or less, the longer loses its end.
 * @param first The length of the first.
 * @param second The length of the second.
 * @param limit How many there may be together.
 * @returns How many of each.
 */
export function shareLimit(first: number, second: number, limit: number): [number, number] {
  if (first + second <= limit) return [first, second];
  const shorter = Math.min(first, second);
  const kept = 2 * shorter <= limit ? shorter : Math.floor(limit / 2);
  return first > second ? [limit - kept, kept] : [kept, limit - kept];
}
