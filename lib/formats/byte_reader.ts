/**
 * A little-endian cursor over the bytes of an untrusted file, and the one form of error that every
 * reader in this folder throws.
 *
 * Invariants:
 * - `0 <= position <= bytes.length` at all times.
 * - Nothing is read before {@linkcode ByteReader.need} has shown that the bytes are there, so a
 *   claimed length can never make a reader allocate or loop beyond the size of the file.
 *
 * @module
 */

/** The longest excerpt of a name from a file that an error message repeats. */
const QUOTED_LENGTH = 64;

/**
 * Quotes text from a file for a message: escaped, so that it cannot move a terminal's cursor, and
 * cut, so that a hostile name of a megabyte does not fill the screen.
 *
 * @param text Text as the file has it.
 */
export function quote(text: string): string {
  const short = text.length > QUOTED_LENGTH ? text.slice(0, QUOTED_LENGTH) + "…" : text;
  return JSON.stringify(short).replace(
    /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/**
 * Makes the error for a malformed file: `NAME: what, at offset N (what to do)`.
 *
 * @param name The file's name, for the reader of the message.
 * @param what What is wrong, with the values.
 * @param offset Where in the file, in bytes from its start.
 * @param advice What to do about it.
 */
export function malformed(
  name: string,
  what: string,
  offset: number,
  advice: string,
): SyntaxError {
  return new SyntaxError(`${name}: ${what}, at offset ${offset} (${advice})`);
}

/** What to do about a file that ends too early. */
export const INCOMPLETE = "the file is incomplete: fetch or copy it again";
/** What to do about a file whose content contradicts itself or the format. */
export const DAMAGED =
  "the file is damaged or not made to the specification: fetch or make it again";

/** Reads numbers and text from a file's bytes, in order, never past the end. */
export class ByteReader {
  /** The whole file. */
  readonly bytes: Uint8Array;
  /** The same bytes, for numbers of more than one byte. */
  readonly view: DataView;
  /** The file's name, for messages. */
  readonly name: string;
  /** Where the next read begins. */
  position = 0;

  /**
   * @param bytes The whole file.
   * @param name The file's name, for messages.
   */
  constructor(bytes: Uint8Array, name: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.name = name;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.bytes.length - this.position;
  }

  /**
   * The error for something wrong in this file.
   *
   * @param what What is wrong, with the values.
   * @param offset Where, in bytes from the start of the file.
   * @param advice What to do about it.
   */
  error(what: string, offset: number, advice: string = DAMAGED): SyntaxError {
    return malformed(this.name, what, offset, advice);
  }

  /**
   * Throws unless `count` more bytes are there.
   *
   * @param count Bytes needed.
   * @param what What they hold, for the message.
   */
  need(count: number, what: () => string): void {
    if (count <= this.remaining) return;
    throw this.error(
      `the file ends inside ${what()}: ${count} bytes needed, ${this.remaining} left`,
      this.position,
      INCOMPLETE,
    );
  }

  /**
   * Reads a 32-bit unsigned integer.
   *
   * @param what What it is, for the message.
   */
  uint32(what: () => string): number {
    this.need(4, what);
    const value = this.view.getUint32(this.position, true);
    this.position += 4;
    return value;
  }

  /**
   * Reads a 64-bit unsigned integer: a number where that is exact, else a bigint.
   *
   * @param what What it is, for the message.
   */
  uint64(what: () => string): number | bigint {
    this.need(8, what);
    const low = this.view.getUint32(this.position, true);
    const high = this.view.getUint32(this.position + 4, true);
    const start = this.position;
    this.position += 8;
    return high < 0x200000 ? high * 0x100000000 + low : this.view.getBigUint64(start, true);
  }
}
