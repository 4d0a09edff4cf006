/**
 * The tokenizer of a `tokenizer.json`, by `@huggingface/tokenizers`, with what the library leaves
 * to its callers: a limit on the number of tokens, pairs with shared limits, and bounds on what a
 * hostile text can cost.
 *
 * BERT's WordPiece, which most encoders use, goes through `WordPiece` instead of the library's.
 *
 * @module
 */
import { BPE, Tokenizer as JsonTokenizer, Unigram } from "@huggingface/tokenizers";
import { encodeLongWords, LONGEST_UNIGRAM_WORD } from "./long_words.ts";
import { SequenceTemplate, shareLimit } from "./sequence_template.ts";
import { SpecialSplitter } from "./special_tokens.ts";
import { WindowDecoder } from "./token_decoder.ts";
import { checkId, checkMaxTokens } from "./token_limits.ts";
import {
  type AddedToken,
  isObject,
  maxTokensOf,
  namedToken,
  readTokenizerJson,
  type TokenizerFiles,
  type TokenizerJson,
} from "./tokenizer_json.ts";
import type {
  DecodeOptions,
  DecoderOptions,
  EncodeOptions,
  PairTokenizer,
  TokenDecoder,
  TokenSequence,
} from "./types.ts";
import { WordPiece } from "./word_piece.ts";

/**
 * Makes the tokenizer that a `tokenizer.json` and the files beside it describe.
 * @param files The objects in the files.
 * @returns The tokenizer. Its `maxTokens` is what the model reads of a text.
 * @throws {TypeError} Where the files do not describe a tokenizer that can be used.
 *
 * @example
 * ```ts
 * import { tokenizerFromJson } from "@quern/quern/tokenizers";
 *
 * const tokenizer = tokenizerFromJson({
 *   tokenizer: {
 *     model: {
 *       type: "WordPiece",
 *       vocab: { "[UNK]": 0, mill: 1, "##s": 2 },
 *       unk_token: "[UNK]",
 *       continuing_subword_prefix: "##",
 *     },
 *     normalizer: { type: "BertNormalizer", lowercase: true },
 *     pre_tokenizer: { type: "BertPreTokenizer" },
 *   },
 * });
 * console.log(tokenizer.encode("Mills"), tokenizer.decode([1, 2])); // Int32Array(2) [ 1, 2 ] mills
 * ```
 */
export function tokenizerFromJson(files: TokenizerFiles): PairTokenizer {
  const json = readTokenizerJson(files.tokenizer);
  try {
    return new FileTokenizer(json, files);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`tokenizer.json cannot be used: ${reason}`, { cause });
  }
}

/** Appends the ids of a text without special tokens around it; may end at a limit. */
type TextEncoding = (text: string, out: number[], limit: number) => void;

class FileTokenizer implements PairTokenizer {
  readonly vocabularySize: number;
  readonly maxTokens: number | undefined;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly endIds: ReadonlySet<number>;
  readonly chatTemplate: string | undefined;
  readonly #json: TokenizerJson;
  /** Of BERT's tokenizer, its vocabulary excepted. */
  readonly #library: JsonTokenizer;
  readonly #words: WordPiece | undefined;
  #spellings: string[] | undefined;
  readonly #single: SequenceTemplate;
  readonly #pair: SequenceTemplate;
  readonly #lowercase: boolean;
  readonly #special: ReadonlySet<number>;
  readonly #encodeAll: TextEncoding;
  /** With special tokens as plain text; made when it is first asked for. */
  #encodePlain: TextEncoding | undefined;

  constructor(json: TokenizerJson, files: TokenizerFiles) {
    this.#json = json;
    this.#words = wordPieceOf(json);
    const library = this.#library = makeLibraryTokenizer(
      this.#words === undefined ? json.object : withoutVocabulary(json),
    );
    const idOf = (token: string) => json.ids.get(token) ?? library.token_to_id(token);
    this.#single = new SequenceTemplate(library.post_processor, 1, idOf);
    this.#pair = new SequenceTemplate(library.post_processor, 2, idOf);
    this.vocabularySize = json.vocabularySize;
    this.maxTokens = maxTokensOf(files);
    const { sentenceBertConfig: sentence, tokenizerConfig } = files;
    this.#lowercase = isObject(sentence) && sentence.do_lower_case === true;
    this.#special = new Set(json.added.filter(({ special }) => special).map(({ id }) => id));
    const named = (...parts: string[]) =>
      parts.map((part) => idOf(namedToken(files, part) ?? "")).find(
        Number.isInteger,
      );
    this.bosId = this.#single.prefix[0] ?? named("bos_token", "cls_token");
    this.eosId = this.#single.suffix.at(-1) ?? named("eos_token", "sep_token");
    this.endIds = new Set(this.eosId === undefined ? [] : [this.eosId]);
    const template = isObject(tokenizerConfig) ? tokenizerConfig.chat_template : undefined;
    this.chatTemplate = typeof template === "string" ? template : undefined;
    this.#encodeAll = this.#textEncoding(true);
  }

  encode(text: string, options: EncodeOptions = {}): Int32Array {
    const { addSpecial = true } = options;
    const limit = this.#limit(options) - (addSpecial ? this.#single.added : 0);
    const ids = this.#textIds(text, limit, options);
    const length = Math.max(Math.min(ids.length, limit), 0);
    if (addSpecial) return this.#single.fill([ids], [length]).ids;
    return Int32Array.from(ids.length > length ? ids.slice(0, length) : ids);
  }

  encodePair(first: string, second: string, options: EncodeOptions = {}): TokenSequence {
    const { addSpecial = true } = options;
    const limit = Math.max(this.#limit(options) - (addSpecial ? this.#pair.added : 0), 0);
    // Whole: which of the two is the longer decides who loses more.
    const ids = [first, second].map((text) => this.#textIds(text, Infinity, options));
    const lengths = shareLimit(ids[0].length, ids[1].length, limit);
    if (addSpecial) return this.#pair.fill(ids, lengths);
    const parts = ids.map((part, i) => part.slice(0, lengths[i]));
    const typeIds = new Uint8Array(parts[0].length + parts[1].length);
    return { ids: Int32Array.from(parts.flat()), typeIds: typeIds.fill(1, parts[0].length) };
  }

  #limit({ maxTokens }: EncodeOptions): number {
    return checkMaxTokens(maxTokens ?? this.maxTokens ?? Infinity);
  }

  /** The ids of a text alone: at least `limit` where it has as many. */
  #textIds(text: string, limit: number, { parseSpecial = true }: EncodeOptions): number[] {
    const ids: number[] = [];
    const cased = this.#lowercase ? text.toLowerCase() : text;
    const encode = parseSpecial ? this.#encodeAll : this.#encodePlain ??= this.#textEncoding(false);
    encode(cased.toWellFormed(), ids, limit);
    return ids;
  }

  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const kept: number[] = [];
    for (const id of ids) {
      checkId(id, this.vocabularySize);
      if (options.skipSpecial !== true || !this.#special.has(id)) kept.push(id);
    }
    if (kept.length === 0) return "";
    const library = this.#library;
    if (this.#words === undefined) {
      return library.decode(kept, { clean_up_tokenization_spaces: false });
    }
    const tokens = kept.map((id) => this.tokenText(id));
    return library.decoder === null ? tokens.join(" ") : library.decoder.decode(tokens);
  }

  createDecoder(options: DecoderOptions = {}): TokenDecoder {
    const { skipSpecial = true, continuation = false } = options;
    return new WindowDecoder((ids) => this.decode(ids, { skipSpecial }), continuation);
  }

  tokenBytes(id: number): Uint8Array {
    checkId(id, this.vocabularySize);
    return new TextEncoder().encode(this.#special.has(id) ? "" : this.decode([id]));
  }

  tokenText(id: number): string {
    checkId(id, this.vocabularySize);
    if (this.#words === undefined) return this.#library.id_to_token(id) ?? "";
    this.#spellings ??= spellingsOf(this.#json);
    return this.#spellings[id] ?? "";
  }

  #textEncoding(parseSpecial: boolean): TextEncoding {
    const json = this.#json;
    const added = parseSpecial ? json.added : json.added.filter(({ special }) => !special);
    if (this.#words !== undefined) return wordPieceEncoding(this.#words, added);
    if (parseSpecial) return (text, out) => encodeByLibrary(this.#library, text, out);
    const library = makeLibraryTokenizer({ ...json.object, added_tokens: plainTokens(json) });
    return (text, out) => encodeByLibrary(library, text, out);
  }
}

function spellingsOf({ ids, vocabularySize }: TokenizerJson): string[] {
  const spellings = new Array<string>(vocabularySize);
  for (const [token, id] of ids) spellings[id] = token;
  return spellings;
}

function withoutVocabulary({ object, model }: TokenizerJson): object {
  return { ...object, model: { ...model, vocab: {} } };
}

/** Hands an object to the library, and bounds what long words cost it. */
function makeLibraryTokenizer(object: object): JsonTokenizer {
  // The second object holds settings of whole models; what is in them is read here.
  const library = new JsonTokenizer(object, {});
  if (library.model instanceof BPE) encodeLongWords(library.model);
  return library;
}

function wordPieceEncoding(words: WordPiece, added: readonly AddedToken[]): TextEncoding {
  const ids = new Map(added.map(({ content, id }) => [content, id]));
  const splitter = new SpecialSplitter([...ids.keys()], (text) => ids.get(text), new Set());
  return (text, out, limit) => {
    for (const fragment of splitter.split(text)) {
      if (out.length >= limit) return;
      if (typeof fragment === "number") out.push(fragment);
      else words.encode(fragment, out, limit);
    }
  };
}

function plainTokens(json: TokenizerJson): unknown[] {
  const special = new Set(json.added.filter((token) => token.special).map(({ id }) => id));
  return (json.object.added_tokens as { id: number }[]).filter(({ id }) => !special.has(id));
}

function encodeByLibrary(library: JsonTokenizer, text: string, out: number[]): void {
  if (library.model instanceof Unigram) checkUnigram(library, text);
  let ids: number[];
  try {
    ({ ids } = library.encode(text, { add_special_tokens: false }));
  } catch (cause) {
    // The engine of regular expressions gives up on runs of about ten million characters.
    if (!(cause instanceof RangeError)) throw cause;
    throw new RangeError(
      `encode(): a text of ${text.length} characters has a run without a place to split that is ` +
        `too long; encode it in smaller parts`,
      { cause },
    );
  }
  for (let i = 0; i < ids.length; i++) out.push(ids[i]);
}

/** The library builds a graph of a word's pieces, of about a kilobyte a character. */
function checkUnigram(library: JsonTokenizer, text: string): void {
  if (text.length <= LONGEST_UNIGRAM_WORD) return;
  const normal = library.normalizer?.normalize(text) ?? text;
  const words = library.pre_tokenizer?.pre_tokenize(normal) ?? [normal];
  const longest = words.reduce((most, word) => Math.max(most, word.length), 0);
  if (longest <= LONGEST_UNIGRAM_WORD) return;
  throw new RangeError(
    `encode(): a text has a word of ${longest} characters, more than ${LONGEST_UNIGRAM_WORD}; ` +
      "put spaces where it may be split",
  );
}

/** BERT's tokenizer where all of it is as BERT has it; undefined for any other. */
function wordPieceOf({ object, model, added, ids }: TokenizerJson): WordPiece | undefined {
  const { normalizer, pre_tokenizer: splitter } = object;
  if (!isObject(normalizer) || !isObject(splitter) || !isObject(model.vocab)) return undefined;
  const prefix = model.continuing_subword_prefix;
  const unknown = model.unk_token;
  const cleans = normalizer.clean_text !== false && normalizer.handle_chinese_chars !== false;
  const whole = added.every((token) => !token.normalized && !token.singleWord);
  const isBert = whole && model.type === "WordPiece" && normalizer.type === "BertNormalizer" &&
    cleans &&
    splitter.type === "BertPreTokenizer" && typeof prefix === "string" &&
    typeof unknown === "string";
  if (!isBert) return undefined;
  const unknownId = ids.get(unknown);
  if (unknownId === undefined) {
    throw new TypeError(`the vocabulary has no ${JSON.stringify(unknown)}`);
  }
  const most = model.max_input_chars_per_word;
  const lowercase = normalizer.lowercase !== false;
  return new WordPiece({
    ids,
    unknownId,
    prefix,
    maxCharacters: typeof most === "number" ? most : 100,
    lowercase,
    stripAccents: typeof normalizer.strip_accents === "boolean"
      ? normalizer.strip_accents
      : lowercase,
  });
}
