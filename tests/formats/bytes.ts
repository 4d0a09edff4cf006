/**
 * Files laid out by hand, byte by byte, as the specifications have them: references for the readers
 * and the writers that share nothing with either.
 *
 * @module
 */

/** A part of a file: bytes, or text that stands for its UTF-8. */
export type Part = Uint8Array | number[] | string;

/** Joins parts to a file. */
export function file(...parts: Part[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  return Uint8Array.from(
    parts.flatMap((part) => [...typeof part === "string" ? encoder.encode(part) : part]),
  );
}

/** A little-endian integer of `size` bytes; negative ones in two's complement. */
function little(value: number | bigint, size: number): number[] {
  let rest = BigInt.asUintN(8 * size, BigInt(value));
  return Array.from({ length: size }, () => {
    const byte = Number(rest & 0xffn);
    rest >>= 8n;
    return byte;
  });
}

/** A 16-bit integer. */
export const u16 = (value: number): number[] => little(value, 2);
/** A 32-bit integer. */
export const u32 = (value: number): number[] => little(value, 4);
/** A 64-bit integer. */
export const u64 = (value: number | bigint): number[] => little(value, 8);
/** A GGUF string: a 64-bit length and the bytes. */
export const text = (value: Part): Uint8Array => {
  const bytes = file(value);
  return file(u64(bytes.length), bytes);
};
/** Zeros. */
export const zeros = (count: number): number[] => new Array<number>(count).fill(0);

/** The codes of GGUF's value types, from the specification. */
export const TYPE = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;

/** The first 24 bytes of a GGUF file. */
export function ggufHead(tensors: number | bigint, entries: number | bigint, version = 3): Part {
  return file("GGUF", u32(version), u64(tensors), u64(entries));
}

/** A metadata entry. */
export function ggufEntry(key: Part, type: number, ...value: Part[]): Part {
  return file(text(key), u32(type), ...value);
}

/** A tensor info; sizes in the file's order, fastest first. */
export function ggufInfo(
  name: Part,
  sizes: (number | bigint)[],
  type: number,
  offset: number | bigint,
): Part {
  return file(text(name), u32(sizes.length), ...sizes.map(u64), u32(type), u64(offset));
}

/** Pads with zeros to a multiple of `alignment`. */
export function padded(bytes: Uint8Array, alignment: number): Uint8Array<ArrayBuffer> {
  return file(bytes, zeros((alignment - bytes.length % alignment) % alignment));
}
