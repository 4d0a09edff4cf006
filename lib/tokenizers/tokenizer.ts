/**
 * The tokenizer of a GGUF file: special tokens are found first, the text between them is encoded,
 * and decoding goes through the bytes of the tokens.
 *
 * Decoding invariant: the text is the concatenation of the tokens' bytes, except that a space is
 * dropped at the beginning and after each special token where encoding had put one there. So
 * `decode(encode(text))` is the text for every vocabulary that can spell it.
 *
 * @module
 */
import type { GgufValue } from "../formats/mod.ts";
import { type Encoder, makeEncoder } from "./encoders.ts";
import { readVocabulary, type Vocabulary } from "./gguf_vocabulary.ts";
import {
  SpecialSplitter,
  type SpecialTokens,
  specialTokens,
  trimmingIds,
} from "./special_tokens.ts";
import { bytesOfToken } from "./token_bytes.ts";
import { checkId, checkMaxTokens } from "./token_limits.ts";
import { ByteWriter, StreamingDecoder } from "./token_decoder.ts";
import type {
  DecodeOptions,
  DecoderOptions,
  EncodeOptions,
  TokenDecoder,
  Tokenizer,
} from "./types.ts";

/**
 * Makes the tokenizer that a GGUF file's metadata describes.
 * @param metadata The metadata, as `parseGguf` returns it.
 * @returns The tokenizer.
 * @throws {TypeError} When the vocabulary is missing, incomplete or of an unknown kind.
 *
 * @example
 * ```ts
 * import { tokenizerFromGguf } from "@quern/quern/tokenizers";
 *
 * const tokenizer = tokenizerFromGguf(
 *   new Map<string, string | string[] | Int32Array>([
 *     ["tokenizer.ggml.model", "gpt2"],
 *     ["tokenizer.ggml.pre", "gpt-2"],
 *     ["tokenizer.ggml.tokens", ["m", "i", "l", "mi", "mil", "mill"]],
 *     ["tokenizer.ggml.token_type", new Int32Array(6).fill(1)],
 *     ["tokenizer.ggml.merges", ["m i", "mi l", "mil l"]],
 *   ]),
 * );
 * console.log(tokenizer.encode("mill")); // Int32Array(1) [ 5 ]
 * console.log(tokenizer.decode([5, 3])); // millmi
 * ```
 */
export function tokenizerFromGguf(metadata: ReadonlyMap<string, GgufValue>): Tokenizer {
  return new GgufTokenizer(readVocabulary(metadata));
}

/** Written after a special token or at the start: the space that encoding puts before a text. */
const SPACE = 0x20;

class GgufTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly maxTokens = undefined;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly endIds: ReadonlySet<number>;
  readonly chatTemplate: string | undefined;
  #vocabulary: Vocabulary;
  #encoder: Encoder;
  #special: SpecialTokens;
  #splitAll: SpecialSplitter;
  #splitUser: SpecialSplitter;
  #dropsSpace: boolean;
  #bytes: (Uint8Array | undefined)[] = [];

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#encoder = makeEncoder(vocabulary);
    const idOf = (text: string): number | undefined => this.#encoder.idOf(text);
    this.#special = specialTokens(vocabulary, idOf);
    const { controlIds, userIds, endIds } = this.#special;
    const trimAfter = trimmingIds(vocabulary, this.#special);
    const texts = (ids: Iterable<number>): string[] =>
      Array.from(ids, (id) => vocabulary.tokens[id]);
    this.#splitAll = new SpecialSplitter(texts([...controlIds, ...userIds]), idOf, trimAfter);
    this.#splitUser = new SpecialSplitter(texts(userIds), idOf, trimAfter);
    this.#dropsSpace = vocabulary.addSpacePrefix || vocabulary.model === "bert";
    this.vocabularySize = vocabulary.tokens.length;
    this.bosId = vocabulary.bosId;
    this.eosId = vocabulary.eosId;
    this.endIds = endIds;
    this.chatTemplate = vocabulary.chatTemplate;
  }

  encode(text: string, options: EncodeOptions = {}): Int32Array {
    const { addSpecial = true, parseSpecial = true } = options;
    const maxTokens = checkMaxTokens(options.maxTokens ?? Infinity);
    const { addBos, addEos, bosId, eosId, separatorId, model } = this.#vocabulary;
    const ids: number[] = [];
    if (addSpecial && addBos && bosId !== undefined) ids.push(bosId);
    const splitter = parseSpecial ? this.#splitAll : this.#splitUser;
    let starts = true;
    for (const fragment of splitter.split(text.toWellFormed())) {
      starts = this.#encodeFragment(fragment, starts, ids);
    }
    const end = model === "bert" ? separatorId : eosId;
    const ends = addSpecial && addEos && end !== undefined;
    const most = ends ? maxTokens - 1 : maxTokens;
    if (ids.length > most) ids.length = Math.max(most, 0);
    if (ends) ids.push(end);
    return Int32Array.from(ids);
  }

  #encodeFragment(fragment: string | number, starts: boolean, ids: number[]): boolean {
    if (typeof fragment === "number") {
      ids.push(fragment);
      return true;
    }
    this.#encoder.encode(fragment, starts, ids);
    return false;
  }

  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const writer = new ByteWriter();
    let starts = true;
    for (const id of ids) starts = this.#write(id, starts, options.skipSpecial ?? false, writer);
    return writer.text();
  }

  createDecoder(options: DecoderOptions = {}): TokenDecoder {
    const { skipSpecial = true, continuation = false } = options;
    const writer = new ByteWriter();
    let starts = !continuation;
    return new StreamingDecoder(
      (id) => {
        starts = this.#write(id, starts, skipSpecial, writer);
        return writer.take();
      },
      () => {
        starts = !continuation;
      },
    );
  }

  /** Writes a token's bytes; answers whether the next one begins a text. */
  #write(id: number, starts: boolean, skipSpecial: boolean, writer: ByteWriter): boolean {
    const bytes = this.#bytesOf(id);
    if (this.#special.controlIds.has(id)) {
      if (!skipSpecial) writer.write(bytes);
      return true;
    }
    const drops = starts && this.#dropsSpace && bytes[0] === SPACE;
    writer.write(drops && !this.#special.userIds.has(id) ? bytes.subarray(1) : bytes);
    return this.#special.userIds.has(id);
  }

  tokenBytes(id: number): Uint8Array {
    const bytes = this.#bytesOf(id);
    return this.#special.controlIds.has(id) ? new Uint8Array(0) : bytes.slice();
  }

  tokenText(id: number): string {
    this.#check(id);
    return this.#vocabulary.tokens[id];
  }

  /** The bytes of a token, the name's bytes for a control token; made once for each. */
  #bytesOf(id: number): Uint8Array {
    const known = this.#bytes[id];
    if (known !== undefined) return known;
    this.#check(id);
    const made = this.#special.controlIds.has(id)
      ? new TextEncoder().encode(this.#vocabulary.tokens[id])
      : bytesOfToken(this.#vocabulary, id);
    this.#bytes[id] = made;
    return made;
  }

  #check(id: number): void {
    checkId(id, this.vocabularySize);
  }
}
