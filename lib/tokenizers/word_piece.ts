/**
 * BERT's way from text to ids: normalisation, words and punctuation, and of each word the longest
 * pieces that the vocabulary has, from the front.
 *
 * A text is cut at ASCII white space first, where every later step cuts as well. What stands
 * between recurs all the time, so its ids are remembered; only what was not seen before goes
 * through the steps that the models were trained with. That is several times as fast as going
 * through them each time, and equal to it by construction.
 *
 * Why not the library's: it misses ideographs outside the basic plane and turns a final Σ into ς,
 * and it encodes all of a text of which a model reads the beginning only.
 *
 * @module
 */
import { SEPARATORS } from "./bert_characters.ts";
import { normalizeBert } from "./bert_normalizer.ts";

/** What a vocabulary says about its use. */
export interface WordPieceRules {
  /** Every piece's id. */
  readonly ids: ReadonlyMap<string, number>;
  /** Stands for a word that cannot be spelled. */
  readonly unknownId: number;
  /** What the pieces begin with that continue a word, usually `##`. */
  readonly prefix: string;
  /** Longer words cannot be spelled. */
  readonly maxCharacters: number;
  /** Whether letters are lower-cased. */
  readonly lowercase: boolean;
  /** Whether combining marks are taken off. */
  readonly stripAccents: boolean;
}

/** Longer stretches without white space are not remembered. */
const REMEMBERED_LENGTH = 32;
/** About 5 MB. */
const MAX_REMEMBERED = 32_768;
/** Longer stretches are normalised piece by piece. */
const PIECE_LENGTH = 4096;
const STANDS_ALONE = /[!-/:-@[-`{-~\u4E00-\u9FFF]/g;

/** Pieces by spelling, and the length of the longest. */
class Pieces {
  readonly ids = new Map<string, number>();
  longest = 0;

  add(spelling: string, id: number): void {
    this.ids.set(spelling, id);
    this.longest = Math.max(this.longest, spelling.length);
  }
}

/** Encodes plain text, without special tokens. */
export class WordPiece {
  readonly #rules: WordPieceRules;
  readonly #beginning = new Pieces();
  readonly #continuing = new Pieces();
  readonly #remembered = new Map<string, readonly number[]>();

  /**
   * Prepares a vocabulary.
   * @param rules The vocabulary.
   */
  constructor(rules: WordPieceRules) {
    this.#rules = rules;
    for (const [piece, id] of rules.ids) {
      this.#beginning.add(piece, id);
      if (piece.startsWith(rules.prefix)) {
        this.#continuing.add(piece.slice(rules.prefix.length), id);
      }
    }
  }

  /**
   * Appends the ids of a text, and ends early where there are enough.
   * @param text Well-formed text.
   * @param out Where the ids go.
   * @param limit How many ids `out` is to have at least where the text is long enough.
   */
  encode(text: string, out: number[], limit: number = Infinity): void {
    let from = 0;
    for (let at = 0; at <= text.length && out.length < limit; at++) {
      if (at < text.length && !isSpace(text.charCodeAt(at))) continue;
      if (at > from) this.#encodeStretch(text.slice(from, at), out, limit);
      from = at + 1;
    }
  }

  #encodeStretch(stretch: string, out: number[], limit: number): void {
    if (stretch.length > REMEMBERED_LENGTH) return this.#encodeNew(stretch, out, limit);
    let ids = this.#remembered.get(stretch);
    if (ids === undefined) {
      const found: number[] = [];
      this.#encodeNew(stretch, found, Infinity);
      if (this.#remembered.size === MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(stretch, found);
      ids = found;
    }
    for (let i = 0; i < ids.length; i++) out.push(ids[i]);
  }

  #encodeNew(stretch: string, out: number[], limit: number): void {
    const { lowercase, stripAccents } = this.#rules;
    for (let from = 0; from < stretch.length;) {
      const end = pieceEnd(stretch, from);
      const normal = normalizeBert(stretch.slice(from, end), lowercase, stripAccents);
      this.#encodeWords(normal, out, limit);
      if (out.length >= limit) return;
      from = end;
    }
  }

  #encodeWords(normal: string, out: number[], limit: number): void {
    let from = 0;
    for (const { 0: separator, index } of normal.matchAll(SEPARATORS)) {
      if (index > from) this.#encodeWord(normal.slice(from, index), out);
      // All white space has become a space.
      if (separator !== " ") this.#encodeWord(separator, out);
      if (out.length >= limit) return;
      from = index + separator.length;
    }
    if (from < normal.length) this.#encodeWord(normal.slice(from), out);
  }

  #encodeWord(word: string, out: number[]): void {
    const { unknownId, maxCharacters } = this.#rules;
    if (isLonger(word, maxCharacters)) {
      out.push(unknownId);
      return;
    }
    const before = out.length;
    for (let start = 0; start < word.length;) {
      const { ids, longest } = start === 0 ? this.#beginning : this.#continuing;
      let end = Math.min(word.length, start + longest);
      let id: number | undefined;
      for (; end > start; end--) {
        id = ids.get(word.slice(start, end));
        if (id !== undefined) break;
      }
      if (id === undefined) {
        out.length = before;
        out.push(unknownId);
        return;
      }
      out.push(id);
      start = end;
    }
  }
}

/** White space at which every step cuts; other control characters vanish and join what they part. */
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/**
 * Where a piece of a long stretch can end, so that not all of it need be normalised at once: before
 * a character that is a word of its own, whatever stands before it.
 */
function pieceEnd(stretch: string, from: number): number {
  if (stretch.length - from <= PIECE_LENGTH) return stretch.length;
  STANDS_ALONE.lastIndex = from + PIECE_LENGTH;
  return STANDS_ALONE.exec(stretch)?.index ?? stretch.length;
}

/** Whether a word has more characters than `most`, not counting half a surrogate pair. */
function isLonger(word: string, most: number): boolean {
  if (word.length <= most) return false;
  if (word.length > 2 * most) return true;
  let count = 0;
  for (const _ of word) count++;
  return count > most;
}
