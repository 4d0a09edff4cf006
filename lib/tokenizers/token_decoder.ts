/**
 * From bytes to text: all at once, and piece by piece without ever cutting a character.
 *
 * @module
 */
import type { TokenDecoder } from "./types.ts";

const utf8 = (): TextDecoder => new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes in a buffer that grows by doubling, so that writing is linear in all. */
export class ByteWriter {
  #buffer = new Uint8Array(64);
  #length = 0;

  /**
   * Appends bytes.
   * @param bytes The bytes; they are copied.
   */
  write(bytes: Uint8Array): void {
    const end = this.#length + bytes.length;
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = end;
  }

  /**
   * Empties the writer.
   * @returns What was written, valid until the next write.
   */
  take(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  /**
   * Empties the writer.
   * @returns What was written, as text.
   */
  text(): string {
    return utf8().decode(this.take());
  }
}

/**
 * Holds back the bytes of a character until it is whole. U+FFFD appears where a byte proves the
 * ones before it to be no character, or at the end, exactly as the encoding standard's decoder
 * places it.
 */
export class StreamingDecoder implements TokenDecoder {
  #bytesOf: (id: number) => Uint8Array;
  #reset: () => void;
  #utf8: TextDecoder | undefined;

  /**
   * Makes a decoder.
   * @param bytesOf The bytes that a token adds.
   * @param reset Called when a text has ended.
   */
  constructor(bytesOf: (id: number) => Uint8Array, reset: () => void) {
    this.#bytesOf = bytesOf;
    this.#reset = reset;
  }

  /**
   * Adds one token.
   * @param id The token.
   * @returns The text that is complete now.
   */
  push(id: number): string {
    const bytes = this.#bytesOf(id);
    this.#utf8 ??= utf8();
    return this.#utf8.decode(bytes, { stream: true });
  }

  /**
   * Ends the text.
   * @returns U+FFFD for an incomplete character, else nothing.
   */
  flush(): string {
    const rest = this.#utf8?.decode() ?? "";
    this.#utf8 = undefined;
    this.#reset();
    return rest;
  }
}

/**
 * Decodes token by token with a function that decodes many: what is known of the text is compared
 * with what is known with one token more. Only as many tokens are decoded again as still matter:
 * those since the last that ended a text without a loose end, and that one's, because how a word
 * begins depends on what stands before it.
 */
export class WindowDecoder implements TokenDecoder {
  #decode: (ids: readonly number[]) => string;
  #continuation: boolean;
  /** The tokens that are decoded again, and how many of them are part of what was returned. */
  #window: number[] = [];
  #returned = 0;

  /**
   * Makes a decoder.
   * @param decode Decodes tokens from the beginning of a text.
   * @param continuation Whether the first token continues a text.
   */
  constructor(decode: (ids: readonly number[]) => string, continuation: boolean) {
    this.#decode = decode;
    this.#continuation = continuation;
  }

  /**
   * Adds one token.
   * @param id The token.
   * @returns The text that is complete now.
   */
  push(id: number): string {
    // How a word looks inside a text is seen behind any other, for example itself.
    if (this.#continuation && this.#window.length === 0) this.#returned = this.#window.push(id);
    this.#window.push(id);
    const whole = this.#decode(this.#window);
    if (whole.endsWith("\uFFFD")) return "";
    return this.#take(whole);
  }

  /**
   * Ends the text.
   * @returns What was held back.
   */
  flush(): string {
    const rest = this.#returned < this.#window.length ? this.#take(this.#decode(this.#window)) : "";
    this.#window = [];
    this.#returned = 0;
    return rest;
  }

  #take(whole: string): string {
    const before = this.#decode(this.#window.slice(0, this.#returned));
    // Tokens that add nothing, as control tokens do, would hide what the next one stands behind.
    if (whole.length === before.length) this.#window.length = this.#returned;
    else this.#window = this.#window.slice(this.#returned);
    this.#returned = this.#window.length;
    return whole.slice(before.length);
  }
}
