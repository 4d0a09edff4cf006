/**
 * Sizes and strides on their way to a native call: 64 bits each, but written as two
 * halves, since making a bigint of each would take longer than the call.
 */

/** An array of 64-bit words that is filled anew for each call. */
export class Words {
  /** What is passed to the native function. */
  readonly array: BigUint64Array<ArrayBuffer>;
  readonly #halves: Uint32Array<ArrayBuffer>;

  /**
   * Words of 0.
   *
   * @param length How many.
   */
  constructor(length: number) {
    this.array = new BigUint64Array(length);
    this.#halves = new Uint32Array(this.array.buffer);
  }

  /**
   * Writes one word.
   *
   * @param index Which.
   * @param value An integer from -2^53 to 2^53; below 0, as 64 bits with a sign.
   */
  set(index: number, value: number): void {
    this.#halves[2 * index] = value;
    this.#halves[2 * index + 1] = value >= 0 && value < 2 ** 32 ? 0 : Math.floor(value / 2 ** 32);
  }
}
