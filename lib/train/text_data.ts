/**
 * A text as a language model learns it: a vocabulary trained on it, and its tokens, of which
 * the last are kept for validation.
 */
import { Pacer } from "../core/pacer.ts";
import type { Progress } from "../core/progress.ts";
import {
  type BytePairs,
  ggufVocabulary,
  type Tokenizer,
  tokenizerFromGguf,
  trainBytePairs,
} from "../tokenizers/mod.ts";

/** A text in tokens. */
export interface TextData {
  /** The vocabulary, trained on the part for training alone. */
  readonly vocabulary: BytePairs;
  /** Text to tokens and back. */
  readonly tokenizer: Tokenizer;
  /** The part for training. */
  readonly training: Int32Array;
  /** The part for validation. */
  readonly validation: Int32Array;
  /** How many bytes of UTF-8 the part for validation has. */
  readonly validationBytes: number;
}

/** Options of {@linkcode prepareText}. */
export interface TextDataOptions {
  /** How many tokens the vocabulary has. */
  vocabularySize: number;
  /** Which part of the text is for validation, from its end. */
  validationShare: number;
  /** Ends the work; the call then throws the signal's reason. */
  signal?: AbortSignal;
  /** Told how far the work is. */
  onProgress?: (progress: Progress) => void;
}

/** Separates texts; the one special token of the vocabulary. */
const END_OF_TEXT = "<|endoftext|>";
/** Validation of more takes time and tells hardly more. */
const MOST_VALIDATION_CHARACTERS = 200_000;
/** About how much is encoded before the event loop gets a turn. */
const PIECE_CHARACTERS = 1 << 14;

/**
 * Trains a vocabulary on a text, and encodes it.
 *
 * @param text The text.
 * @param options The sizes, and how to follow and end the work.
 * @returns The tokens.
 */
export async function prepareText(text: string, options: TextDataOptions): Promise<TextData> {
  const { vocabularySize, validationShare, signal, onProgress } = options;
  const cut = placeOfCut(text, validationShare);
  const [seen, kept] = [text.slice(0, cut), text.slice(cut)];
  const texts = textsOf(seen);
  const vocabulary = await trainBytePairs(texts, { vocabularySize, signal, onProgress });
  const tokenizer = tokenizerFromGguf(ggufVocabulary(vocabulary));
  return {
    vocabulary,
    tokenizer,
    training: await encode(tokenizer, seen, signal, onProgress),
    validation: await encode(tokenizer, kept, signal, onProgress),
    validationBytes: new TextEncoder().encode(kept).length,
  };
}

/** Where the part for validation begins: at a line's beginning where one is near. */
function placeOfCut(text: string, share: number): number {
  const length = Math.min(Math.ceil(text.length * share), MOST_VALIDATION_CHARACTERS);
  const cut = text.length - length;
  const line = text.indexOf("\n", cut) + 1;
  if (line > 0 && line - cut <= length / 10) return line;
  // Not between the halves of a character.
  return text.slice(cut, cut + 1).isWellFormed() ? cut : cut + 1;
}

/** What is learnt of a text: without the token that ends texts, whose letters are no words. */
function* textsOf(text: string): Generator<string, void, void> {
  for (const piece of piecesOf(text)) yield* piece.split(END_OF_TEXT);
}

/**
 * Cuts a text where no token reaches across, whatever the vocabulary: between a single line
 * break and what is no space.
 */
function* piecesOf(text: string): Generator<string, void, void> {
  const seam = /(?<=\S\n)(?=\S)/g;
  let start = 0;
  while (start < text.length) {
    seam.lastIndex = start + PIECE_CHARACTERS;
    const end = seam.lastIndex < text.length ? seam.exec(text)?.index : undefined;
    yield text.slice(start, end);
    start = end ?? text.length;
  }
}

async function encode(
  tokenizer: Tokenizer,
  text: string,
  signal?: AbortSignal,
  onProgress?: (progress: Progress) => void,
): Promise<Int32Array> {
  const pacer = new Pacer(signal);
  const parts: Int32Array[] = [];
  let completed = 0;
  for (const piece of piecesOf(text)) {
    const ids = tokenizer.encode(piece, { addSpecial: false });
    parts.push(ids);
    completed += ids.length;
    onProgress?.({ stage: "encoding the text", completed, total: undefined, unit: "tokens" });
    await pacer.pause();
  }
  const all = new Int32Array(completed);
  let place = 0;
  for (const part of parts) {
    all.set(part, place);
    place += part.length;
  }
  return all;
}
