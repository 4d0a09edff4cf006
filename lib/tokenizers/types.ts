/**
 * What a tokenizer is to the rest of the library.
 *
 * @module
 */

/** How a text is encoded. */
export interface EncodeOptions {
  /** Adds BOS and EOS (or `[CLS]` and `[SEP]`) where the model's metadata asks. Default: true. */
  addSpecial?: boolean;
  /** Reads texts such as `<|im_end|>` as control tokens, not as plain text. Default: true. */
  parseSpecial?: boolean;
  /**
   * The most ids that there may be, those that `addSpecial` adds included; a longer text loses its
   * end. Default: the tokenizer's own `maxTokens`; `Infinity` lets every text be whole.
   */
  maxTokens?: number;
}

/** How ids become text. */
export interface DecodeOptions {
  /** Leaves control tokens out instead of writing their names. Default: false. */
  skipSpecial?: boolean;
}

/** How a stream of ids becomes text. */
export interface DecoderOptions {
  /** Leaves control tokens out instead of writing their names. Default: true. */
  skipSpecial?: boolean;
  /**
   * The ids continue a text that is already there, so the first word keeps its leading space.
   * Matters only where a word's space belongs to its token (SentencePiece, WordPiece). Default:
   * false.
   */
  continuation?: boolean;
}

/** Turns ids into text one at a time and never returns half a character. */
export interface TokenDecoder {
  /**
   * Adds one token.
   * @param id The token.
   * @returns The text that is complete now, often empty for parts of rare characters.
   */
  push(id: number): string;
  /**
   * Ends the text; the decoder can then begin a new one.
   * @returns U+FFFD where the ids ended inside a character, else nothing.
   */
  flush(): string;
}

/** Text to token ids and back, for one model's vocabulary. */
export interface Tokenizer {
  /** Ids are 0 … vocabularySize - 1. */
  readonly vocabularySize: number;
  /** The most tokens that the model reads of a text; undefined where its files do not say. */
  readonly maxTokens: number | undefined;
  /** The token that begins a text, where the model has one. */
  readonly bosId: number | undefined;
  /** The token that ends a text, where the model has one. */
  readonly eosId: number | undefined;
  /** Every id that ends generation: end of text, of turn, of message. */
  readonly endIds: ReadonlySet<number>;
  /** The model's own Jinja template for conversations. */
  readonly chatTemplate: string | undefined;
  /**
   * Encodes a text. Lone surrogates count as U+FFFD, as in every UTF-8 encoder.
   * @param text The text.
   * @param options Which special tokens are added and recognised.
   * @returns The ids; the array is the caller's.
   */
  encode(text: string, options?: EncodeOptions): Int32Array;
  /**
   * Decodes ids. Lossless vocabularies give the encoded text back exactly; WordPiece gives the
   * normalised text with its words and punctuation separated by spaces.
   * @param ids The tokens.
   * @param options Whether control tokens are written.
   * @returns The text, with U+FFFD for bytes that are no UTF-8.
   */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /**
   * The bytes that a token stands for.
   * @param id The token.
   * @returns A copy; empty for control tokens.
   */
  tokenBytes(id: number): Uint8Array;
  /**
   * A token as the vocabulary spells it.
   * @param id The token.
   * @returns The spelling, for example `Ġthe`.
   */
  tokenText(id: number): string;
  /**
   * A decoder for ids that arrive one by one. Without options it gives, piece by piece, what
   * `decode(ids, { skipSpecial: true })` gives at once.
   * @param options Whether control tokens are written and whether a text is continued.
   * @returns A decoder with its own state.
   */
  createDecoder(options?: DecoderOptions): TokenDecoder;
}

/** The ids of one or two texts with what belongs around them. */
export interface TokenSequence {
  /** The ids. */
  readonly ids: Int32Array;
  /** The segment of each, 0 or 1, for models that tell two texts apart. */
  readonly typeIds: Uint8Array;
}

/** A tokenizer that also knows how its model reads two texts at once. */
export interface PairTokenizer extends Tokenizer {
  /**
   * Encodes two texts for a model that reads them together. Where they are too long, the longer
   * loses its end first, as in `tokenizers` with its strategy "longest first".
   * @param first The first text, for example a question.
   * @param second The second text, for example a passage.
   * @param options Which special tokens are added and recognised, and how many ids there may be.
   * @returns The ids and their segments; the arrays are the caller's.
   */
  encodePair(first: string, second: string, options?: EncodeOptions): TokenSequence;
}
