import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { Random } from "../../lib/core/random.ts";

/** xoshiro128** by its definition, with 64-bit integers instead of Math.imul. */
function reference(state: bigint[], count: number): number[] {
  const mask = 0xffffffffn;
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
  return Array.from({ length: count }, () => {
    const result = (rotate((state[1] * 5n) & mask, 7n) * 9n) & mask;
    const t = (state[1] << 9n) & mask;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotate(state[3], 11n);
    return Number(result);
  });
}

function splitmix(seed: number): bigint[] {
  const mask = 0xffffffffn;
  let counter = BigInt(seed);
  return Array.from({ length: 4 }, () => {
    counter = (counter + 0x9e3779b9n) & mask;
    let z = counter;
    z = ((z ^ (z >> 16n)) * 0x21f0aaadn) & mask;
    z = ((z ^ (z >> 15n)) * 0x735a2d97n) & mask;
    return z ^ (z >> 15n);
  });
}

Deno.test("Random follows xoshiro128** seeded by SplitMix32", () => {
  for (const seed of [0, 1, 42, 0xffffffff]) {
    const random = new Random(seed);
    const drawn = Array.from({ length: 100 }, () => random.nextUint32());
    assertEquals(drawn, reference(splitmix(seed), 100));
  }
});

Deno.test("Random draws uniform numbers in [0, 1)", () => {
  const random = new Random(7);
  const tenths = new Array(10).fill(0);
  for (let i = 0; i < 100_000; i++) {
    const x = random.next();
    assert(x >= 0 && x < 1);
    tenths[Math.floor(x * 10)]++;
  }
  for (const count of tenths) assert(Math.abs(count - 10_000) < 600, `${tenths}`);
});

Deno.test("Random without a seed draws one, which can be used again", () => {
  const a = new Random();
  const b = new Random(a.seed);
  assertEquals(a.nextUint32(), b.nextUint32());
  assertNotEquals(new Random().seed, new Random().seed);
});

Deno.test("Random refuses seeds that are not 32-bit integers", () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 32]) {
    assertThrows(() => new Random(seed), RangeError, "seed");
  }
});
