/**
 * The three ways from plain text to ids of a GGUF file, two around a model of
 * `@huggingface/tokenizers`. Special tokens are cut out before; what arrives here is text alone.
 *
 * @module
 */
import { BPE, Tokenizer as JsonTokenizer } from "@huggingface/tokenizers";
import { TokenType, type Vocabulary } from "./gguf_vocabulary.ts";
import { encodeLongWords } from "./long_words.ts";
import { preTokenizerJson, preTokenizerNamed } from "./pre_tokenizers.ts";
import { MergeRanks, ScoreRanks } from "./rank_tables.ts";
import { WordPiece } from "./word_piece.ts";

/** The mark that stands for a space in SentencePiece and begins a word in GGUF's WordPiece. */
export const SPACE_MARK = "\u2581";

/** Encodes text without special tokens. */
export interface Encoder {
  /** The spelling's id. */
  idOf(token: string): number | undefined;
  /**
   * Appends the ids of a text.
   * @param text Well-formed text, not empty.
   * @param startsText Whether it begins the text or follows a special token.
   * @param out Where the ids go.
   */
  encode(text: string, startsText: boolean, out: number[]): void;
}

/**
 * Makes the encoder that a vocabulary asks for.
 * @param vocabulary The vocabulary.
 * @returns The encoder.
 */
export function makeEncoder(vocabulary: Vocabulary): Encoder {
  if (vocabulary.model === "llama") return new ScoreEncoder(vocabulary);
  if (vocabulary.model === "bert") return new WordPieceEncoder(vocabulary);
  return new ByteLevelEncoder(vocabulary);
}

/** A tokenizer.json object around a model. */
function tokenizerJson(model: object, preTokenizer: object): object {
  return {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: preTokenizer,
    model,
    post_processor: null,
    decoder: null,
  };
}

/**
 * Gives a BPE model its tables. Through a tokenizer.json object, the library would first make an
 * object with a property for each token, which takes longer than all the rest.
 */
function fillModel(model: BPE, tokens: readonly string[], ranks: Map<string, number>): void {
  tokens.forEach((token, id) => model.tokens_to_ids.set(token, id));
  model.vocab = [...tokens];
  model.bpe_ranks = ranks;
  model.unk_token_id = model.tokens_to_ids.get(model.unk_token ?? "");
}

class ByteLevelEncoder implements Encoder {
  #tokenizer: JsonTokenizer;
  #words: WordEncoder;

  constructor(vocabulary: Vocabulary) {
    const rule = preTokenizerNamed(vocabulary.pre);
    if (rule === undefined) throw new TypeError(`unknown pre-tokenizer "${vocabulary.pre}"`);
    const model = { type: "BPE", vocab: {}, merges: [], ignore_merges: rule.ignoreMerges };
    const json = tokenizerJson(model, preTokenizerJson(rule));
    this.#tokenizer = new JsonTokenizer(json, {});
    if (!(this.#tokenizer.model instanceof BPE)) throw new TypeError("the model is not BPE");
    fillModel(this.#tokenizer.model, vocabulary.tokens, new MergeRanks(vocabulary.merges));
    this.#words = new WordEncoder(this.#tokenizer.model);
  }

  idOf(token: string): number | undefined {
    return this.#tokenizer.token_to_id(token);
  }

  encode(text: string, _startsText: boolean, out: number[]): void {
    this.#words.encode(this.#pieces(text), out);
  }

  /** The engine of regular expressions gives up on runs of about ten million characters. */
  #pieces(text: string): string[] {
    try {
      return this.#tokenizer.pre_tokenizer?.pre_tokenize(text) ?? [];
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new RangeError(
        `encode(): a text of ${text.length} characters has a run without a place to split that ` +
          `is too long; encode it in smaller parts`,
        { cause },
      );
    }
  }
}

/** Encodes words by the library, which remembers the short ones. */
class WordEncoder {
  #model: BPE;

  constructor(model: BPE) {
    this.#model = model;
    encodeLongWords(model);
  }

  encode(words: readonly string[], out: number[]): void {
    for (const word of words) {
      const tokens = this.#model.encode([word]);
      for (let i = 0; i < tokens.length; i++) {
        const id = this.#model.tokens_to_ids.get(tokens[i]);
        if (id !== undefined) out.push(id);
      }
    }
  }
}

class WordPieceEncoder implements Encoder {
  #ids: Map<string, number>;
  #words: WordPiece;

  constructor(vocabulary: Vocabulary) {
    const { tokens, unknownId, lowercase, stripAccents } = vocabulary;
    this.#ids = new Map(tokens.map((token, id) => [token, id]));
    this.#words = new WordPiece({
      ids: new Map(tokens.map((token, id) => [originalForm(vocabulary, token, id), id])),
      unknownId: unknownId ?? 0,
      prefix: "##",
      maxCharacters: 100,
      lowercase,
      stripAccents,
    });
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  encode(text: string, _startsText: boolean, out: number[]): void {
    this.#words.encode(text, out);
  }
}

/** GGUF marks the tokens that begin a word; BERT's own form marks those that do not. */
function originalForm(vocabulary: Vocabulary, token: string, id: number): string {
  if (vocabulary.types[id] === TokenType.control) return token;
  return token.startsWith(SPACE_MARK) ? token.slice(1) : `##${token}`;
}

/** SentencePiece's BPE, told by scores what to merge. */
class ScoreEncoder implements Encoder {
  #model: BPE;
  #words: WordEncoder;
  #addSpacePrefix: boolean;
  #wordsStandAlone: boolean;

  constructor(vocabulary: Vocabulary) {
    const { tokens, unknownId } = vocabulary;
    this.#model = new BPE({
      type: "BPE",
      vocab: {},
      merges: [],
      byte_fallback: true,
      ignore_merges: false,
      unk_token: unknownId === undefined ? undefined : tokens[unknownId],
    });
    fillModel(this.#model, tokens, new ScoreRanks(vocabulary));
    this.#words = new WordEncoder(this.#model);
    this.#addSpacePrefix = vocabulary.addSpacePrefix;
    this.#wordsStandAlone = !tokens.some((token) => /[^▁]▁/.test(token));
  }

  idOf(token: string): number | undefined {
    return this.#model.tokens_to_ids.get(token);
  }

  encode(text: string, startsText: boolean, out: number[]): void {
    const prefix = startsText && this.#addSpacePrefix ? " " : "";
    const marked = (prefix + text).replaceAll(" ", SPACE_MARK);
    this.#words.encode(this.#split(marked), out);
  }

  /**
   * Where no token spans the end of a word, words can be encoded one by one, which changes nothing
   * but lets the library remember them.
   */
  #split(text: string): string[] {
    return this.#wordsStandAlone ? text.match(/▁+[^▁]*|[^▁]+/g) ?? [] : [text];
  }
}
