/**
 * JSON in the bytes of an untrusted file, read value by value as the caller asks for them.
 *
 * `JSON.parse` would keep the last of two equal keys without a word, take `2.0` for an integer,
 * accept half a surrogate pair, and build whatever it is given. Here nothing is built but what is
 * asked for, every error names its offset, and what is accepted is what `serde_json`, the reader of
 * the safetensors library, accepts: RFC 8259, well-formed texts, numbers that a float64 holds, at
 * most 127 objects and arrays inside each other.
 *
 * Time and memory are proportional to the text.
 *
 * @module
 */
import { type ByteReader, quote } from "./byte_reader.ts";
import { decodeStrictUtf8, decodeUtf8 } from "./utf8.ts";

const [QUOTE, COMMA, MINUS, COLON, BACKSLASH] = [0x22, 0x2c, 0x2d, 0x3a, 0x5c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];
const [ZERO, NINE] = [0x30, 0x39];
/** serde_json's limit on recursion. */
const MAX_DEPTH = 127;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** The kinds of JSON values, by their first byte. */
export type JsonKind = "object" | "array" | "string" | "number" | "null" | "boolean";

/** Reads one JSON text from the front. */
export class JsonReader {
  readonly #file: ByteReader;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  /** What the text is, for messages. */
  readonly #what: string;
  #at: number;
  #depth = 0;

  /**
   * Begins at a place of a file.
   *
   * @param file The file.
   * @param start Where the text begins.
   * @param end Where it ends, inside the file.
   * @param what What the text is, for messages: `the header`.
   */
  constructor(file: ByteReader, start: number, end: number, what: string) {
    this.#file = file;
    this.#bytes = file.bytes;
    this.#at = start;
    this.#end = end;
    this.#what = what;
  }

  /** Where the next value begins, white space skipped. */
  position(): number {
    this.#skipSpace();
    return this.#at;
  }

  /** The kind of the next value. */
  kind(): JsonKind {
    switch (this.#bytes[this.#next("a value")]) {
      case OPEN_BRACE:
        return "object";
      case OPEN_BRACKET:
        return "array";
      case QUOTE:
        return "string";
      case 0x6e:
        return "null";
      case 0x74:
      case 0x66:
        return "boolean";
      default:
        return "number";
    }
  }

  /**
   * Reads an object.
   *
   * @param member Called for each member; it must read or skip the value, which comes next.
   */
  object(member: (key: string, at: number) => void): void {
    this.#sequence(OPEN_BRACE, CLOSE_BRACE, "{", () => {
      const at = this.position();
      const key = this.string();
      this.#expect(COLON, ":");
      member(key, at);
    });
  }

  /**
   * Reads an array.
   *
   * @param element Called before each element, which it must read or skip.
   */
  array(element: () => void): void {
    this.#sequence(OPEN_BRACKET, CLOSE_BRACKET, "[", element);
  }

  /** Reads a string. */
  string(): string {
    const start = this.#next('"');
    this.#expect(QUOTE, '"');
    let [at, escaped, ascii] = [start + 1, false, true];
    for (; at < this.#end && this.#bytes[at] !== QUOTE; at++) {
      const byte = this.#bytes[at];
      if (byte < 0x20) throw this.#error("has a control character in a string", at);
      if (byte >= 0x80) ascii = false;
      if (byte === BACKSLASH) {
        escaped = true;
        at++;
      }
    }
    if (at >= this.#end) throw this.#error("has a string without an end", start);
    this.#at = at + 1;
    if (ascii && !escaped) return decodeUtf8(this.#bytes, start + 1, at);
    return this.#decode(start, at + 1, escaped);
  }

  /** Reads a number as its text: what an integer is to the caller, only the caller knows. */
  number(): string {
    const start = this.#next("a number");
    let end = start;
    while (end < this.#end && isNumeric(this.#bytes[end])) end++;
    if (end === start) {
      throw this.#error(`has ${this.#found(start)} where a value should be`, start);
    }
    const text = decodeUtf8(this.#bytes, start, end);
    if (!NUMBER.test(text)) throw this.#error(`has the bad number ${quote(text)}`, start);
    if (!Number.isFinite(Number(text))) throw this.#error("has a number out of range", start);
    this.#at = end;
    return text;
  }

  /** Reads `null`. */
  null(): void {
    this.#literal("null");
  }

  /** Reads a value of any kind and forgets it. */
  skip(): void {
    switch (this.kind()) {
      case "object":
        return this.object(() => this.skip());
      case "array":
        return this.array(() => this.skip());
      case "string":
        return void this.string();
      case "null":
        return this.null();
      case "boolean":
        return this.#literal(this.#bytes[this.#at] === 0x74 ? "true" : "false");
      case "number":
        return void this.number();
    }
  }

  /** Checks that only white space is left. */
  end(): void {
    this.#skipSpace();
    if (this.#at < this.#end) throw this.#error("goes on after its value", this.#at);
  }

  #sequence(open: number, close: number, name: string, item: () => void): void {
    const at = this.#next(name);
    this.#expect(open, name);
    if (++this.#depth > MAX_DEPTH) throw this.#error(`nests more than ${MAX_DEPTH} deep`, at);
    let first = true;
    while (!this.#accept(close)) {
      if (!first) this.#expect(COMMA, ",");
      first = false;
      item();
    }
    this.#depth--;
  }

  #decode(start: number, end: number, escaped: boolean): string {
    const text = decodeStrictUtf8(this.#bytes, start, end);
    if (text === undefined) throw this.#error("is not valid UTF-8", start);
    if (!escaped) return text.slice(1, -1);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw this.#error("has a bad escape in a string", start);
    }
    if (typeof value === "string" && value.isWellFormed()) return value;
    throw this.#error("has half a surrogate pair in a string", start);
  }

  #literal(word: string): void {
    const start = this.#next(word);
    for (let i = 0; i < word.length; i++) {
      if (start + i < this.#end && this.#bytes[start + i] === word.charCodeAt(i)) continue;
      throw this.#error(`has ${this.#found(start)} where a value should be`, start);
    }
    this.#at = start + word.length;
  }

  /** Skips white space and checks that something follows it. */
  #next(wanted: string): number {
    this.#skipSpace();
    if (this.#at < this.#end) return this.#at;
    throw this.#error(`ends where ${wanted} should be`, this.#at);
  }

  #accept(byte: number): boolean {
    this.#skipSpace();
    if (this.#at >= this.#end || this.#bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  #expect(byte: number, name: string): void {
    if (this.#accept(byte)) return;
    const at = this.#next(name);
    throw this.#error(`has ${this.#found(at)} where ${name} should be`, at);
  }

  #found(at: number): string {
    const byte = this.#bytes[at];
    return byte < 0x80 ? quote(String.fromCharCode(byte)) : "a byte beyond ASCII";
  }

  #skipSpace(): void {
    const bytes = this.#bytes;
    while (this.#at < this.#end && isSpace(bytes[this.#at])) this.#at++;
  }

  #error(what: string, at: number): SyntaxError {
    return this.#file.error(`${this.#what} is not valid JSON: it ${what}`, at);
  }
}

/**
 * Whether a byte is JSON's white space.
 *
 * @param byte The byte; undefined is none.
 */
export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isNumeric(byte: number): boolean {
  const digit = byte >= ZERO && byte <= NINE;
  // A plus, a point and an exponent stand in numbers only; a minus also begins them.
  return digit || byte === MINUS || byte === 0x2b || byte === 0x2e || (byte | 0x20) === 0x65;
}
