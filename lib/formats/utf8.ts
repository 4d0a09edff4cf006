/**
 * UTF-8 for formats whose headers hold a hundred thousand short strings.
 *
 * `TextDecoder` costs most of a microsecond a call, whatever the length; a vocabulary and its
 * merges are about 100,000 strings of 2 to 12 bytes. Short strings of one- and two-byte sequences
 * (ASCII, and the letters that byte-level BPE puts in place of bytes) are therefore assembled
 * here; everything else goes to `TextDecoder`.
 *
 * @module
 */

// The byte order mark is kept: vocabularies have tokens that begin with U+FEFF.
const LENIENT = new TextDecoder("utf-8", { ignoreBOM: true });
const STRICT = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Above this many bytes `TextDecoder` is faster. */
const SHORT = 32;

/** Code units of the string being assembled, by length, so that no array is made for a string. */
const UNITS: readonly number[][] = Array.from(
  { length: SHORT + 1 },
  (_, length) => new Array<number>(length).fill(0),
);
const SCRATCH = new Uint16Array(SHORT);

/**
 * Decodes `bytes[start, end)` as UTF-8; what is not valid becomes U+FFFD.
 *
 * @param bytes The bytes of a file.
 * @param start Where the text begins.
 * @param end Where it ends; not checked here.
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT) return LENIENT.decode(bytes.subarray(start, end));
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte < 0x80) {
      SCRATCH[length++] = byte;
      continue;
    }
    const next = at + 1 < end ? bytes[at + 1] : 0;
    if (byte < 0xc2 || byte > 0xdf || (next & 0xc0) !== 0x80) {
      return LENIENT.decode(bytes.subarray(start, end));
    }
    SCRATCH[length++] = (byte & 0x1f) << 6 | next & 0x3f;
    at++;
  }
  if (length === 1) return String.fromCharCode(SCRATCH[0]);
  const units = UNITS[length];
  for (let i = 0; i < length; i++) units[i] = SCRATCH[i];
  return String.fromCharCode.apply(null, units);
}

/**
 * Decodes UTF-8 that must be valid.
 *
 * @param bytes The bytes of a file.
 * @param start Where the text begins.
 * @param end Where it ends; not checked here.
 * @returns The text, or `undefined` where the bytes are not valid UTF-8.
 */
export function decodeStrictUtf8(
  bytes: Uint8Array,
  start: number,
  end: number,
): string | undefined {
  try {
    return STRICT.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}
