/**
 * Casts, against what NumPy's `astype` gives, and beyond it where NumPy leaves open what happens.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { dtypes, isPlain, type PlainDType } from "../../lib/core/dtype.ts";
import { cast } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

const wide = [
  0.1,
  -2.5,
  2.9999,
  65519.99,
  65520,
  1 + 2 ** -11,
  1 + 2 ** -11 + 2 ** -40,
  1 + 3 * 2 ** -11,
  1 + 3 * 2 ** -11 - 2 ** -40,
  2 ** -25,
  2 ** -25 + 2 ** -60,
  3.5e38,
  1e300,
];

/** np.array(values, np.float64).astype(dtype), NumPy 2. */
const rounded: Partial<Record<PlainDType, number[]>> = {
  float16: [
    0.0999755859375,
    -2.5,
    3,
    65504,
    Infinity,
    1,
    1.0009765625,
    1.001953125,
    1.0009765625,
    0,
    2 ** -24,
    Infinity,
    Infinity,
  ],
  float32: wide.map(Math.fround),
  int32: [0, -2, 2, 65519, 65520, 1, 1, 1, 1, 0, 0, 2 ** 31 - 1, 2 ** 31 - 1],
  uint8: [0, 0, 2, 255, 255, 1, 1, 1, 1, 0, 0, 255, 255],
  bool: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
};

for (const [dtype, expected] of Object.entries(rounded)) {
  Deno.test(
    `cast() rounds float64 to ${dtype} once, as documented`,
    withoutLeaks(() => {
      using x = Tensor.from(wide, "float64");
      using y = cast(x, dtype as "float32");
      assertEquals([y.dtype, y.toArray()], [dtype, expected]);
    }),
  );
}

Deno.test(
  "cast() keeps 0 and 1 between every two dtypes, strided too",
  withoutLeaks(() => {
    for (const from of dtypes.filter(isPlain)) {
      using x = Tensor.from([[1, 0, 1], [0, 0, 1]], from);
      using turned = x.transpose();
      for (const to of dtypes.filter(isPlain)) {
        using expected = Tensor.from([[1, 0], [0, 0], [1, 1]], to);
        using y = cast(turned, to);
        assertEquals([y.dtype, y.toArray()], [to, expected.toArray()]);
      }
    }
  }),
);

Deno.test(
  "cast() bounds what an integer cannot hold, and takes NaN for 0",
  withoutLeaks(() => {
    using x = Tensor.from([NaN, Infinity, -Infinity, 1e10, -1e10, -0.9, 255.9]);
    using words = cast(x, "int32");
    assertEquals(words.toArray(), [0, 2 ** 31 - 1, -(2 ** 31), 2 ** 31 - 1, -(2 ** 31), 0, 255]);
    using longs = cast(x, "int64");
    const [most, least] = [2n ** 63n - 1n, -(2n ** 63n)];
    assertEquals(longs.toArray(), [0n, most, least, 10n ** 10n, -(10n ** 10n), 0n, 255n]);
    using bytes = cast(x, "uint8");
    assertEquals(bytes.toArray(), [0, 255, 0, 255, 0, 0, 255]);
    using flags = cast(x, "bool");
    assertEquals(flags.toArray(), [1, 1, 1, 1, 1, 1, 1]);
    using narrowed = cast(longs, "int32");
    assertEquals(narrowed.toArray(), words.toArray());
  }),
);

Deno.test(
  "cast() rounds int64 to floats once",
  withoutLeaks(() => {
    const values = [2n ** 53n + 1n, 2n ** 62n + 2n ** 38n + 1n, -(2n ** 62n) - 2n ** 38n - 1n, -7n];
    using x = Tensor.from(values, "int64");
    using doubles = cast(x, "float64");
    assertEquals(doubles.toArray(), values.map(Number));
    using floats = cast(x, "float32");
    // np.int64(value).astype(np.float32): above the middle by one, which a double cannot tell.
    const above = 2 ** 62 + 2 ** 39;
    assertEquals(floats.toArray(), [2 ** 53, above, -above, -7]);
  }),
);

Deno.test(
  "cast() refuses quantised dtypes, and those that do not exist",
  withoutLeaks(() => {
    using blocks = Tensor.empty([32], "q8_0");
    using x = Tensor.zeros([32]);
    assertThrows(() => cast(blocks, "float32"), TypeError, "cast: x is q8_0");
    assertThrows(() => cast(x, "q8_0" as "float32"), TypeError, "cast: the result is q8_0");
    assertThrows(() => cast(x, "float8" as "float32"), TypeError, 'no dtype "float8"');
  }),
);
