/**
 * What bytes a token stands for. Three spellings occur: the byte-level alphabet (one printable
 * character for each byte), SentencePiece (`▁` for a space, `<0xNN>` for a byte) and GGUF's
 * WordPiece (`▁` begins a word).
 *
 * @module
 */
import { SPACE_MARK } from "./encoders.ts";
import { TokenType, type Vocabulary } from "./gguf_vocabulary.ts";

/**
 * GPT-2's alphabet: bytes that print as themselves in Latin-1 keep their character, the others
 * take the characters from U+0100 on, in order. The index is the byte.
 */
export const CHARACTER_OF_BYTE: readonly string[] = byteAlphabet();

const BYTE_OF_CHARACTER = new Int16Array(0x144).fill(-1);
CHARACTER_OF_BYTE.forEach((character, byte) => BYTE_OF_CHARACTER[character.charCodeAt(0)] = byte);
const UTF8 = new TextEncoder();

function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCharCode(prints ? byte : next++);
  });
}

/**
 * The bytes of a token that is not a control token.
 * @param vocabulary The vocabulary.
 * @param id A token of it.
 * @returns New bytes.
 */
export function bytesOfToken(vocabulary: Vocabulary, id: number): Uint8Array {
  const text = vocabulary.tokens[id];
  const type = vocabulary.types[id];
  if (type === TokenType.userDefined) return UTF8.encode(text);
  if (vocabulary.model === "gpt2") return bytesOfAlphabet(text);
  const byte = type === TokenType.byte ? /^<0x([0-9A-Fa-f]{2})>$/.exec(text) : null;
  if (byte !== null) return Uint8Array.of(parseInt(byte[1], 16));
  return UTF8.encode(text.replaceAll(SPACE_MARK, " "));
}

function bytesOfAlphabet(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = BYTE_OF_CHARACTER[text.charCodeAt(i)] ?? -1;
    // Tokens that were added as plain text are not spelled in the alphabet.
    if (byte < 0) return UTF8.encode(text);
    bytes[i] = byte;
  }
  return bytes;
}
