/**
 * The files that describe a tokenizer beside safetensors weights, read as far as they are used:
 * `tokenizer.json`, which says how text becomes ids, and the files that say which tokens have a
 * part to play and how long a text may be.
 *
 * The library trusts what it is handed; what it would trip over is refused here.
 *
 * @module
 */

/** What is known of a tokenizer, from its files or made by a program. */
export interface TokenizerFiles {
  /** The object in `tokenizer.json`. */
  readonly tokenizer: unknown;
  /** The object in `tokenizer_config.json`. */
  readonly tokenizerConfig?: unknown;
  /** The object in `special_tokens_map.json`. */
  readonly specialTokensMap?: unknown;
  /** The object in `sentence_bert_config.json`. */
  readonly sentenceBertConfig?: unknown;
  /** The object in `config.json`. */
  readonly config?: unknown;
}

/** A token with a life of its own, outside the model's vocabulary or in it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly normalized: boolean;
  readonly singleWord: boolean;
}

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A `tokenizer.json` that can be handed to the library. */
export interface TokenizerJson {
  /** The whole object. */
  readonly object: JsonObject;
  /** Its `model`. */
  readonly model: JsonObject;
  /** Its `added_tokens`. */
  readonly added: readonly AddedToken[];
  /** The id of each token; only of the added ones where the model's vocabulary is a list. */
  readonly ids: ReadonlyMap<string, number>;
  /** Ids are 0 … vocabularySize - 1. */
  readonly vocabularySize: number;
}

/** More tokens than any model has; ids index arrays. */
const MAX_TOKENS = 1 << 24;
/** The steps that the library asks for, which files may leave out. */
const STEPS = ["normalizer", "pre_tokenizer", "post_processor", "decoder"] as const;

/**
 * Whether a value is a JSON object.
 * @param value Anything.
 */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Checks the object of a `tokenizer.json`.
 * @param value The object.
 * @returns What it says.
 * @throws {TypeError} Where it is not one that can be used.
 */
export function readTokenizerJson(value: unknown): TokenizerJson {
  if (!isObject(value)) throw new TypeError("tokenizer.json is not an object");
  const { model } = value;
  if (!isObject(model)) throw new TypeError("tokenizer.json has no model");
  const added = readAddedTokens(value.added_tokens);
  const absent = Object.fromEntries(STEPS.map((step) => [step, null]));
  const object = { ...absent, ...value, added_tokens: value.added_tokens ?? [] };
  for (const step of STEPS) {
    const wrong = object[step as keyof typeof object];
    if (wrong !== null && !isObject(wrong)) {
      throw new TypeError(`tokenizer.json has a ${step} that is not an object`);
    }
  }
  const { ids, size } = readVocabulary(model);
  for (const { content, id } of added) ids.set(content, id);
  const vocabularySize = added.reduce((most, { id }) => Math.max(most, id + 1), size);
  return { object, model, added, ids, vocabularySize };
}

/** The ids of a vocabulary, all checked, and the first that there is not. */
function readVocabulary({ vocab }: JsonObject): { ids: Map<string, number>; size: number } {
  const ids = new Map<string, number>();
  if (Array.isArray(vocab)) {
    // Unigram's: spellings with their scores, the id is the place.
    const wrong = vocab.findIndex((pair) =>
      !Array.isArray(pair) || typeof pair[0] !== "string" || typeof pair[1] !== "number"
    );
    if (wrong >= 0) throw new TypeError(`vocab[${wrong}] is not a token with its score`);
    return { ids, size: vocab.length };
  }
  if (!isObject(vocab)) throw new TypeError("tokenizer.json's model has no vocab");
  let size = 0;
  // Half of a tokenizer's start is spent here; entries() would make it twice as long.
  for (const token of Object.keys(vocab)) {
    const id = vocab[token];
    checkId(id, token);
    ids.set(token, id);
    if (id >= size) size = id + 1;
  }
  return { ids, size };
}

function checkId(id: unknown, token: string): asserts id is number {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < MAX_TOKENS) return;
  const shown = JSON.stringify(token.slice(0, 64));
  throw new TypeError(`the token ${shown} has the id ${String(id)}, not one from 0 on`);
}

function readAddedTokens(value: unknown): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new TypeError("added_tokens is not an array");
  return value.map((token, i) => {
    if (!isObject(token) || typeof token.content !== "string" || token.content === "") {
      throw new TypeError(`added_tokens[${i}] has no content`);
    }
    checkId(token.id, token.content);
    const special = token.special === true;
    return {
      id: token.id,
      content: token.content,
      special,
      normalized: typeof token.normalized === "boolean" ? token.normalized : !special,
      singleWord: token.single_word === true,
    };
  });
}

/**
 * The spelling of a token that plays a part, such as `cls_token`.
 * @param files The files.
 * @param part Its key in `tokenizer_config.json` and `special_tokens_map.json`.
 * @returns The spelling; undefined where neither has it.
 */
export function namedToken(files: TokenizerFiles, part: string): string | undefined {
  for (const file of [files.tokenizerConfig, files.specialTokensMap]) {
    const value = isObject(file) ? file[part] : undefined;
    if (typeof value === "string") return value;
    if (isObject(value) && typeof value.content === "string") return value.content;
  }
  return undefined;
}

/**
 * How many tokens a model reads of a text, those around it included: what its maker set for
 * sentences, or else the least of what the tokenizer and the model allow.
 * @param files The files.
 * @returns The number; undefined where no file says it.
 */
export function maxTokensOf(files: TokenizerFiles): number | undefined {
  const positions = positionsOf(files.config);
  const sentence = sizeAt(files.sentenceBertConfig, "max_seq_length");
  const limits = [sentence ?? sizeAt(files.tokenizerConfig, "model_max_length"), positions];
  const known = limits.filter((limit) => limit !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** The places that a model has embeddings for. */
function positionsOf(config: unknown): number | undefined {
  const size = sizeAt(config, "max_position_embeddings") ?? sizeAt(config, "n_positions");
  if (size === undefined || !isObject(config)) return undefined;
  // These begin to count behind the padding token.
  const behindPadding = ["roberta", "xlm-roberta", "camembert", "mpnet"];
  if (!behindPadding.includes(String(config.model_type))) return size;
  const pad = typeof config.pad_token_id === "number" ? config.pad_token_id : 1;
  return size > pad + 1 ? size - pad - 1 : undefined;
}

/** A size of a file; the huge number that some write for "no limit" is none. */
function sizeAt(file: unknown, key: string): number | undefined {
  const value = isObject(file) ? file[key] : undefined;
  const size = typeof value === "number" && Number.isInteger(value) && value > 0;
  return size && value <= 0x7fffffff ? value : undefined;
}
