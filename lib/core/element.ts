/**
 * Single elements of a plain dtype, read from and written into the typed array
 * that holds them. bfloat16 has no typed array of its own: its bits are the upper
 * half of a float32's.
 */
import type { DataOf, ElementOf, PlainDType } from "./dtype.ts";

/** A value that an element can be made of. */
export type ElementSource = number | bigint | boolean;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * Reads one element.
 *
 * @param dtype The element type.
 * @param data The elements.
 * @param index Which one.
 * @returns A number; a bigint for int64; 0 or 1 for bool.
 */
export function readElement<D extends PlainDType>(
  dtype: D,
  data: DataOf[D],
  index: number,
): ElementOf<D> {
  if (dtype !== "bfloat16") return data[index] as ElementOf<D>;
  bits[0] = (data[index] as number) << 16;
  return float[0] as ElementOf<D>;
}

/**
 * Writes one element: floats are rounded to nearest, ties to even; integers take the
 * low bits of a value without its fraction, as typed arrays do; bool takes 1 for
 * whatever is not 0, NaN too.
 *
 * @param dtype The element type.
 * @param data The elements.
 * @param index Which one.
 * @param value A bigint for int64, or an integer; a number or a boolean for the others.
 * @throws {RangeError} When a number for int64 is no integer.
 * @throws {TypeError} When a bigint is given for another dtype.
 */
export function writeElement(
  dtype: PlainDType,
  data: DataOf[PlainDType],
  index: number,
  value: ElementSource,
): void {
  if (data instanceof BigInt64Array) data[index] = BigInt(value);
  else if (typeof value === "bigint") throw new TypeError(`a bigint is no element of ${dtype}`);
  else if (dtype === "bool") data[index] = value === 0 || value === false ? 0 : 1;
  else if (dtype === "bfloat16") data[index] = bfloat16Bits(Number(value));
  else data[index] = Number(value);
}

/** The bfloat16 nearest to a number, rounded once: a float32 between is rounded to odd. */
function bfloat16Bits(value: number): number {
  float[0] = value;
  if (float[0] !== value && Number.isFinite(float[0])) {
    // Of the two floats around the value, the odd one keeps which side it is on.
    const tooLarge = Math.abs(float[0]) > Math.abs(value);
    if (tooLarge) bits[0] -= 1;
    bits[0] |= 1;
  }
  if (Number.isNaN(value)) return 0x7fc0;
  return (bits[0] + 0x7fff + (bits[0] >>> 16 & 1)) >>> 16;
}
