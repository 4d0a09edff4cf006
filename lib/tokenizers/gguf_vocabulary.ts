/**
 * Reads the vocabulary out of a GGUF file's metadata (the `tokenizer.*` keys) and checks it.
 *
 * Why a step of its own: metadata comes from files that others made. After this step every array
 * has the vocabulary's length, every special id is inside it, and every default that llama.cpp
 * applies to a missing key is applied. References: ggml's `docs/gguf.md` for the keys, llama.cpp's
 * `llama-vocab.cpp` for the defaults.
 *
 * @module
 */
import type { GgufValue } from "../formats/mod.ts";
import { PRE_TOKENIZER_NAMES, preTokenizerNamed } from "./pre_tokenizers.ts";

/** The kinds of tokens, as `tokenizer.ggml.token_type` numbers them. */
export const TokenType = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

/** The families of vocabularies: byte-level BPE, SentencePiece BPE, WordPiece. */
export type VocabularyModel = "gpt2" | "llama" | "bert";

/** A checked vocabulary. */
export interface Vocabulary {
  /** The family. */
  readonly model: VocabularyModel;
  /** The pre-tokenizer's name; `default` where the file names none. */
  readonly pre: string;
  /** The tokens' spellings; the index is the id. */
  readonly tokens: readonly string[];
  /** A `TokenType` for each token. */
  readonly types: Int32Array;
  /** SentencePiece scores, empty for other families. */
  readonly scores: Float32Array;
  /** `left right` pairs in order of rank, empty for other families than BPE. */
  readonly merges: readonly string[];
  /** Token that begins a text (`[CLS]` for WordPiece). */
  readonly bosId: number | undefined;
  /** Token that ends a text. */
  readonly eosId: number | undefined;
  /** Token that ends a turn of a conversation. */
  readonly eotId: number | undefined;
  /** Token that ends a message of a turn. */
  readonly eomId: number | undefined;
  /** Token that separates texts (`[SEP]`). */
  readonly separatorId: number | undefined;
  /** Token for what the vocabulary cannot spell. */
  readonly unknownId: number | undefined;
  /** Infill tokens (padding, repository, file separator) that the metadata names. */
  readonly infillEndIds: readonly number[];
  /** Encoding begins with `bosId`. */
  readonly addBos: boolean;
  /** Encoding ends with `eosId` (`separatorId` for WordPiece). */
  readonly addEos: boolean;
  /** SentencePiece: a text begins with a space of its own. */
  readonly addSpacePrefix: boolean;
  /** WordPiece: letters are lower-cased. */
  readonly lowercase: boolean;
  /** WordPiece: accents are taken off. */
  readonly stripAccents: boolean;
  /** The model's name, for the few rules that depend on it. */
  readonly modelName: string;
  /** The chat template, where there is one. */
  readonly chatTemplate: string | undefined;
}

const MODELS: readonly VocabularyModel[] = ["gpt2", "llama", "bert"];
const WHERE = "tokenizerFromGguf()";

/** The ids that a family uses where the metadata names none. */
const DEFAULT_IDS: Record<VocabularyModel, Record<string, number>> = {
  gpt2: {},
  llama: { bos: 1, eos: 2, unknown: 0 },
  bert: { bos: 101, unknown: 100, seperator: 102 },
};

/**
 * Reads and checks the vocabulary of a GGUF file.
 * @param metadata The file's metadata.
 * @returns The vocabulary.
 */
export function readVocabulary(metadata: ReadonlyMap<string, GgufValue>): Vocabulary {
  const reader = new Reader(metadata);
  const model = readModel(reader);
  const pre = reader.text("tokenizer.ggml.pre") ?? "default";
  if (model === "gpt2") checkPreTokenizer(pre);
  const tokens = readTokens(reader);
  const types = readTypes(reader, tokens.length);
  const scores = model === "llama" ? readScores(reader, tokens.length) : new Float32Array(0);
  const merges = model === "gpt2" ? readMerges(reader) : [];
  const ids = readIds(reader, model, tokens.length);
  const vocabulary: Vocabulary = {
    model,
    pre,
    tokens,
    types,
    scores,
    merges,
    ...ids,
    addBos: reader.flag("tokenizer.ggml.add_bos_token") ?? addsBos(model, pre),
    addEos: reader.flag("tokenizer.ggml.add_eos_token") ?? model === "bert",
    addSpacePrefix: model === "llama" &&
      (reader.flag("tokenizer.ggml.add_space_prefix") ?? true),
    lowercase: reader.flag("tokenizer.ggml.normalizer.lowercase") ?? true,
    stripAccents: reader.flag("tokenizer.ggml.normalizer.strip_accents") ??
      reader.flag("tokenizer.ggml.normalizer.lowercase") ?? true,
    modelName: reader.text("general.name") ?? "",
    chatTemplate: reader.text("tokenizer.chat_template"),
  };
  checkAdded(vocabulary);
  return vocabulary;
}

function addsBos(model: VocabularyModel, pre: string): boolean {
  return model !== "gpt2" || preTokenizerNamed(pre)?.addBos === true;
}

function readModel(reader: Reader): VocabularyModel {
  const name = reader.text("tokenizer.ggml.model");
  if (name === undefined) {
    throw new TypeError(
      `${WHERE}: the metadata has no tokenizer.ggml.model; the file carries no vocabulary. ` +
        `Use a GGUF file that was converted with its tokenizer`,
    );
  }
  const model = MODELS.find((known) => known === name);
  if (model === undefined) {
    throw new TypeError(
      `${WHERE}: tokenizer.ggml.model is "${name}"; supported are ${MODELS.join(", ")}`,
    );
  }
  return model;
}

function checkPreTokenizer(pre: string): void {
  if (preTokenizerNamed(pre) !== undefined) return;
  throw new TypeError(
    `${WHERE}: tokenizer.ggml.pre is "${pre}"; supported are ${PRE_TOKENIZER_NAMES.join(", ")}`,
  );
}

function readTokens(reader: Reader): string[] {
  const key = "tokenizer.ggml.tokens";
  const tokens = reader.texts(key);
  if (tokens.length === 0) throw new TypeError(`${WHERE}: ${key} is empty`);
  if (new Set(tokens).size !== tokens.length) refuseDuplicate(tokens);
  const empty = tokens.indexOf("");
  if (empty < 0) return tokens;
  // An empty spelling could match anywhere; a name that no text has keeps the id's place.
  return tokens.map((token, id) => token === "" ? `[EMPTY_${id}]` : token);
}

function refuseDuplicate(tokens: readonly string[]): void {
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => {
    const first = ids.get(token);
    // Empty spellings are renamed and may repeat.
    if (first !== undefined && token !== "") {
      throw new TypeError(
        `${WHERE}: tokenizer.ggml.tokens has ${JSON.stringify(token)} twice, as ids ${first} ` +
          `and ${id}`,
      );
    }
    ids.set(token, id);
  });
}

function readTypes(reader: Reader, count: number): Int32Array {
  const key = "tokenizer.ggml.token_type";
  const values = reader.numbers(key);
  if (values === undefined) {
    throw new TypeError(
      `${WHERE}: the metadata has no ${key}, so control tokens cannot be told from text. ` +
        `Convert the model again with a current converter`,
    );
  }
  checkLength(key, values.length, count);
  return Int32Array.from(values);
}

function readScores(reader: Reader, count: number): Float32Array {
  const key = "tokenizer.ggml.scores";
  const values = reader.numbers(key);
  if (values === undefined) {
    throw new TypeError(`${WHERE}: a "llama" vocabulary needs ${key}; the metadata has none`);
  }
  checkLength(key, values.length, count);
  const scores = Float32Array.from(values);
  const bad = scores.findIndex(Number.isNaN);
  if (bad >= 0) throw new TypeError(`${WHERE}: ${key}[${bad}] is not a number`);
  return scores;
}

function readMerges(reader: Reader): string[] {
  const key = "tokenizer.ggml.merges";
  const merges = reader.texts(key);
  const bad = merges.findIndex((merge) => merge.indexOf(" ", 1) < 0);
  if (bad < 0) return merges;
  throw new TypeError(
    `${WHERE}: ${key}[${bad}] is "${merges[bad]}", not two tokens with a space between`,
  );
}

function checkLength(key: string, length: number, count: number): void {
  if (length === count) return;
  throw new TypeError(
    `${WHERE}: ${key} has ${length} entries for ${count} tokens; the file is damaged or was ` +
      `converted wrongly`,
  );
}

type Ids = Pick<
  Vocabulary,
  "bosId" | "eosId" | "eotId" | "eomId" | "separatorId" | "unknownId" | "infillEndIds"
>;

function readIds(reader: Reader, model: VocabularyModel, count: number): Ids {
  const id = (name: string): number | undefined => {
    const given = reader.id(`tokenizer.ggml.${name}_token_id`, count);
    if (given !== undefined) return given;
    const usual = DEFAULT_IDS[model][name];
    return usual !== undefined && usual < count ? usual : undefined;
  };
  const infill = ["fim_pad", "fim_rep", "fim_sep"].map(id).filter((one) => one !== undefined);
  return {
    bosId: (model === "bert" ? id("cls") : undefined) ?? id("bos"),
    eosId: id("eos"),
    eotId: id("eot"),
    eomId: id("eom"),
    separatorId: id("seperator") ?? id("separator"),
    unknownId: id("unknown"),
    infillEndIds: infill,
  };
}

function checkAdded(vocabulary: Vocabulary): void {
  if (vocabulary.addBos && vocabulary.bosId === undefined) {
    throw new TypeError(
      `${WHERE}: texts begin with BOS, but tokenizer.ggml.bos_token_id is absent`,
    );
  }
  const end = vocabulary.model === "bert" ? vocabulary.separatorId : vocabulary.eosId;
  if (vocabulary.addEos && end === undefined) {
    throw new TypeError(
      `${WHERE}: texts end with EOS, but tokenizer.ggml.eos_token_id (seperator_token_id for ` +
        `"bert") is absent`,
    );
  }
  if (vocabulary.model === "bert" && vocabulary.unknownId === undefined) {
    throw new TypeError(`${WHERE}: "bert" needs tokenizer.ggml.unknown_token_id`);
  }
}

/** Metadata with the types checked on the way out. */
class Reader {
  #metadata: ReadonlyMap<string, GgufValue>;

  constructor(metadata: ReadonlyMap<string, GgufValue>) {
    this.#metadata = metadata;
  }

  text(key: string): string | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined || typeof value === "string") return value;
    throw wrongType(key, "a string", value);
  }

  flag(key: string): boolean | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined || typeof value === "boolean") return value;
    throw wrongType(key, "true or false", value);
  }

  /** An id; one outside the vocabulary counts as absent, as damaged converters write -1. */
  id(key: string, count: number): number | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number") throw wrongType(key, "a token's id", value);
    return Number.isInteger(value) && value >= 0 && value < count ? value : undefined;
  }

  texts(key: string): string[] {
    const value = this.#metadata.get(key);
    if (value === undefined) {
      throw new TypeError(
        `${WHERE}: the metadata has no ${key}; the vocabulary is incomplete. Use a GGUF file ` +
          `that was converted with its tokenizer`,
      );
    }
    if (isTexts(value)) return value;
    throw wrongType(key, "an array of strings", value);
  }

  numbers(key: string): ArrayLike<number> | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined) return undefined;
    if (isNumbers(value)) return value;
    throw wrongType(key, "an array of numbers", value);
  }
}

function isTexts(value: GgufValue): value is string[] {
  return Array.isArray(value) && value.every((element) => typeof element === "string");
}

function isNumbers(value: GgufValue): value is (GgufValue & object) & ArrayLike<number> {
  if (Array.isArray(value)) return value.every((element) => typeof element === "number");
  return ArrayBuffer.isView(value);
}

function wrongType(key: string, wanted: string, value: GgufValue): TypeError {
  const got = typeof value === "object" ? "an array of another type" : `${typeof value} ${value}`;
  return new TypeError(`${WHERE}: ${key} must be ${wanted}, got ${got}`);
}
