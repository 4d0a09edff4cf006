/**
 * Seeded random numbers for choices made in TypeScript (drawing a token). Bulk
 * random tensors are filled by a native kernel.
 *
 * The generator is xoshiro128** (Blackman and Vigna, 2018), its state filled
 * from the seed by SplitMix32, so that neighbouring seeds are unrelated.
 */

/** A seeded stream of uniform numbers. */
export class Random {
  /** The seed that the stream began with. */
  readonly seed: number;
  readonly #state = new Uint32Array(4);

  /**
   * Begins a stream.
   *
   * @param seed An integer from 0 to 2^32 - 1; drawn at random when left out.
   * @throws {RangeError} When the seed is not such an integer.
   */
  constructor(seed?: number) {
    if (seed !== undefined && (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff)) {
      throw new RangeError(`A seed is an integer from 0 to 2^32 - 1, not ${seed}`);
    }
    this.seed = seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
    let counter = this.seed;
    for (let i = 0; i < 4; i++) {
      counter = (counter + 0x9e3779b9) | 0;
      let z = counter ^ (counter >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#state[i] = z ^ (z >>> 15);
    }
  }

  /**
   * The next 32 random bits.
   *
   * @returns An integer from 0 to 2^32 - 1.
   */
  nextUint32(): number {
    const s = this.#state;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /**
   * The next uniform number, with 53 random bits.
   *
   * @returns A number in [0, 1).
   */
  next(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 0x4000000 + low) / 2 ** 53;
  }
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}
