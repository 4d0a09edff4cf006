/**
 * Small vocabularies for tests, one of each family, in the form of a GGUF file's metadata.
 *
 * @module
 */
import type { GgufValue } from "../../lib/formats/mod.ts";

/** Metadata of a GGUF file. */
export type Metadata = Map<string, GgufValue>;

/** The byte-level alphabet: the character of each byte. */
export const ALPHABET: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const shown = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  if (shown) return String.fromCharCode(byte);
  if (byte <= 32) return String.fromCharCode(256 + byte);
  return String.fromCharCode(byte <= 160 ? 256 + byte - 94 : 256 + 67);
});

function metadata(
  model: string,
  tokens: readonly (readonly [text: string, type: number])[],
  more: Record<string, GgufValue>,
): Metadata {
  return new Map<string, GgufValue>([
    ["tokenizer.ggml.model", model],
    ["tokenizer.ggml.tokens", tokens.map(([text]) => text)],
    ["tokenizer.ggml.token_type", Int32Array.from(tokens, ([, type]) => type)],
    ...Object.entries(more).map(([key, value]) => [`tokenizer.${key}`, value] as const),
  ]);
}

/**
 * Byte-level BPE: two control tokens (0, 1), one added token (2), the bytes (3 … 258), merges.
 * @param more Keys to set besides, without `tokenizer.`.
 * @returns The metadata.
 */
export function byteLevel(more: Record<string, GgufValue> = {}): Metadata {
  const merges = ["t h", "th e", "Ġ the", "i n", "Ġ Ġ", "ĠĠ ĠĠ", "a a", "aa aa", "Ã ¤", "1 2"];
  return metadata("gpt2", [
    ["<|endoftext|>", 3],
    ["<|im_end|>", 3],
    ["<added>", 4],
    ...ALPHABET.map((character) => [character, 1] as const),
    ...merges.map((merge) => [merge.replace(" ", ""), 1] as const),
  ], {
    "ggml.pre": "gpt-2",
    "ggml.merges": merges,
    "ggml.eos_token_id": 0,
    "ggml.bos_token_id": 0,
    ...more,
  });
}

/**
 * SentencePiece BPE: `<unk>`, `<s>`, `</s>`, the bytes (3 … 258), then scored pieces.
 * @param more Keys to set besides, without `tokenizer.`.
 * @returns The metadata.
 */
export function sentencePiece(more: Record<string, GgufValue> = {}): Metadata {
  const pieces = ["he", "ll", "hell", "hello", "▁h", "▁he", "▁hello", "lo", "▁▁", "▁", "h", "e"];
  const tokens = [
    ["<unk>", 2],
    ["<s>", 3],
    ["</s>", 3],
    ...ALPHABET.map((_, byte) =>
      [`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, 6] as const
    ),
    ...[...pieces, "l", "o", "w"].map((piece) => [piece, 1] as const),
  ] as const;
  const scores = Float32Array.from(tokens, (_, id) => id < 259 ? 0 : 259 - id);
  return metadata("llama", tokens, { "ggml.scores": scores, ...more });
}

/**
 * WordPiece with a few words: `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, then words and their ends.
 * @param more Keys to set besides, without `tokenizer.`.
 * @returns The metadata.
 */
export function wordPiece(more: Record<string, GgufValue> = {}): Metadata {
  const words = ["▁mill", "▁the", "s", "ing", "▁!", "▁東", "▁𠀁", "▁σ", "σ", "▁cafe"];
  return metadata("bert", [
    ["[PAD]", 3],
    ["[UNK]", 3],
    ["[CLS]", 3],
    ["[SEP]", 3],
    ...words.map((word) => [word, 1] as const),
  ], {
    "ggml.unknown_token_id": 1,
    "ggml.cls_token_id": 2,
    "ggml.seperator_token_id": 3,
    ...more,
  });
}

/**
 * A generator of numbers in [0, 1) that gives the same row every time.
 * @param seed Where the row begins.
 * @returns The generator.
 */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * A text of anything: letters, digits, spaces, marks, emoji, any plane of Unicode.
 * @param next Numbers in [0, 1).
 * @param length How many characters.
 * @returns Well-formed text.
 */
export function randomText(next: () => number, length: number): string {
  const ranges = [
    [0x20, 0x5f],
    [0x61, 26],
    [0x20, 1],
    [0, 0x80],
    [0x80, 0x780],
    [0x4e00, 0x200],
    [
      0x1f600,
      0x50,
    ],
    [0xe000, 0x2000],
    [0x10000, 0xfffff],
  ];
  let text = "";
  for (let i = 0; i < length; i++) {
    const [from, count] = ranges[Math.floor(next() * ranges.length)];
    text += String.fromCodePoint(from + Math.floor(next() * count));
  }
  return text;
}
