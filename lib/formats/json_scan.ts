/**
 * A walk over JSON text before it is parsed, for what `JSON.parse` does not say: which keys occur
 * twice, how deep the text goes, and where in the file each key stands.
 *
 * The walk needs the structure only; whether the text is JSON at all is left to `JSON.parse`, which
 * must run afterwards. Its time and memory are proportional to the text.
 *
 * @module
 */
import { type ByteReader, quote } from "./byte_reader.ts";

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Walks the JSON object in `bytes[start, end)` of a file.
 *
 * @param reader The file.
 * @param start Where the object begins.
 * @param end Where the text ends.
 * @param maxDepth How deep objects and arrays may hold each other.
 * @returns The offset of each key of the outermost object.
 * @throws {SyntaxError} Where a key occurs twice in an object, or the text goes too deep.
 */
export function scanJsonObject(
  reader: ByteReader,
  start: number,
  end: number,
  maxDepth: number,
): Map<string, number> {
  const { bytes } = reader;
  const outermost = new Map<string, number>();
  // Keys seen in each open object; an open array has none, and undefined marks it.
  const open: (Map<string, number> | undefined)[] = [];
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (open.length === maxDepth) {
        throw reader.error(`the header nests more than ${maxDepth} deep`, at);
      }
      const keys = open.length === 0 ? outermost : new Map<string, number>();
      open.push(byte === OPEN_BRACE ? keys : undefined);
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      open.pop();
    } else if (byte === QUOTE) {
      const close = endOfString(bytes, at, end);
      if (isBeforeColon(bytes, close + 1, end)) addKey(reader, open.at(-1), at, close);
      at = close;
    }
  }
  return outermost;
}

/** The offset of the quote that closes the string that `at` opens, or `end`. */
function endOfString(bytes: Uint8Array, at: number, end: number): number {
  let close = at + 1;
  while (close < end && bytes[close] !== QUOTE) close += bytes[close] === BACKSLASH ? 2 : 1;
  return Math.min(close, end);
}

function isBeforeColon(bytes: Uint8Array, at: number, end: number): boolean {
  let next = at;
  while (next < end && (bytes[next] === 0x20 || bytes[next] >= 9 && bytes[next] <= 13)) next++;
  return next < end && bytes[next] === COLON;
}

/** Notes the key whose quotes stand at `at` and `close`. */
function addKey(
  reader: ByteReader,
  keys: Map<string, number> | undefined,
  at: number,
  close: number,
): void {
  if (keys === undefined) return;
  const key = decodeKey(reader.bytes.subarray(at, close + 1));
  if (keys.has(key)) throw reader.error(`the key ${quote(key)} occurs twice`, at);
  keys.set(key, at);
}

/** A key with its escapes resolved; one that is not JSON stays as it is and fails later. */
function decodeKey(quoted: Uint8Array): string {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(quoted);
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
