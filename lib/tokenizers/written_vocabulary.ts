/**
 * A trained vocabulary in the forms that other programs read: the metadata of a GGUF file, and
 * Hugging Face's `tokenizer.json`.
 *
 * @module
 */
import type { GgufValue } from "../formats/mod.ts";
import { TokenType } from "./gguf_vocabulary.ts";
import { BYTE_LEVEL_RULE } from "./pre_tokenizers.ts";
import type { BytePairs } from "./train_byte_pairs.ts";

/** What a model's files say of its vocabulary. */
export interface VocabularyOptions {
  /** The token that begins a text. Default: the first special token. */
  bos?: string;
  /** The token that ends a text. Default: the first special token. */
  eos?: string;
  /** Whether encoding puts `bos` before a text. Default: false. */
  addBos?: boolean;
}

/**
 * The `tokenizer.ggml.*` metadata of a vocabulary, which `tokenizerFromGguf` and llama.cpp read.
 *
 * @param pairs The vocabulary.
 * @param options Which tokens begin and end a text.
 * @returns Metadata for `writeGguf`.
 * @throws {RangeError} Where `bos` or `eos` is no token, or `addBos` is asked for without a `bos`.
 *
 * @example
 * ```ts
 * import { ggufVocabulary, trainBytePairs } from "@quern/quern/tokenizers";
 *
 * const pairs = await trainBytePairs(["a mill"], { vocabularySize: 257 });
 * const metadata = ggufVocabulary(pairs, { addBos: true });
 * console.log(metadata.get("tokenizer.ggml.bos_token_id")); // 0
 * ```
 */
export function ggufVocabulary(
  pairs: BytePairs,
  options: VocabularyOptions = {},
): Map<string, GgufValue> {
  const special = new Set(pairs.specialTokens);
  const metadata = new Map<string, GgufValue>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", BYTE_LEVEL_RULE.name],
    ["tokenizer.ggml.tokens", [...pairs.tokens]],
    [
      "tokenizer.ggml.token_type",
      Int32Array.from(
        pairs.tokens,
        (token) => special.has(token) ? TokenType.control : TokenType.normal,
      ),
    ],
    ["tokenizer.ggml.merges", [...pairs.merges]],
  ]);
  const { addBos = false } = options;
  for (const part of ["bos", "eos"] as const) {
    const id = idOf(pairs, part, options[part] ?? pairs.specialTokens[0]);
    if (id !== undefined) metadata.set(`tokenizer.ggml.${part}_token_id`, id);
    else if (part === "bos" && addBos) {
      throw new RangeError(
        "ggufVocabulary(): addBos needs bos; the vocabulary has no special token",
      );
    }
  }
  return metadata.set("tokenizer.ggml.add_bos_token", addBos);
}

function idOf(pairs: BytePairs, part: string, token: string | undefined): number | undefined {
  if (token === undefined) return undefined;
  const id = pairs.tokens.indexOf(token);
  if (id >= 0) return id;
  throw new RangeError(`ggufVocabulary(): ${part} is ${JSON.stringify(token)}, which is no token`);
}

/**
 * A vocabulary as the object of a `tokenizer.json`, which `tokenizerFromJson` and Hugging Face's
 * libraries read.
 *
 * @param pairs The vocabulary.
 * @returns An object for `JSON.stringify`.
 *
 * @example
 * ```ts
 * import { tokenizerFromJson, tokenizerJson, trainBytePairs } from "@quern/quern/tokenizers";
 *
 * const pairs = await trainBytePairs(["a mill, a mill"], { vocabularySize: 300 });
 * const tokenizer = tokenizerFromJson({ tokenizer: tokenizerJson(pairs) });
 * console.log(tokenizer.decode(tokenizer.encode("a mill"))); // a mill
 * ```
 */
export function tokenizerJson(pairs: BytePairs): Record<string, unknown> {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: pairs.specialTokens.map((content) => ({
      id: pairs.tokens.indexOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { ...byteLevel, use_regex: true },
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(pairs.tokens.map((token, id) => [token, id])),
      merges: pairs.merges.map((merge) => merge.split(" ")),
    },
  };
}
