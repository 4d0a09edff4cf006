/**
 * Single elements of every dtype, against values that NumPy and ml_dtypes give.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { readElement, writeElement } from "../../lib/core/element.ts";

Deno.test("bfloat16 is rounded once, to nearest, ties to even", () => {
  const data = new Uint16Array(1);
  // np.float64(value).astype(ml_dtypes.bfloat16).view(np.uint16), by rounding exactly.
  const cases: [value: number, bits: number][] = [
    [0, 0],
    [-0, 0x8000],
    [1, 0x3f80],
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    // Nearer to the upper neighbour, by less than a float32 can tell.
    [1 + 2 ** -8 + 2 ** -40, 0x3f81],
    [1 + 3 * 2 ** -8 - 2 ** -40, 0x3f81],
    [-(1 + 2 ** -8 + 2 ** -40), 0xbf81],
    [3.4e38, 0x7f80],
    [3.3895313892515355e38, 0x7f7f],
    [1e300, 0x7f80],
    [Infinity, 0x7f80],
    [-Infinity, 0xff80],
    [2 ** -133, 1],
    [2 ** -134, 0],
    [2 ** -134 + 2 ** -180, 1],
  ];
  for (const [value, bits] of cases) {
    writeElement("bfloat16", data, 0, value);
    assertEquals(data[0], bits, `${value}`);
  }
  writeElement("bfloat16", data, 0, NaN);
  assert(Number.isNaN(readElement("bfloat16", data, 0)));
  data[0] = 0xc049;
  assertEquals(readElement("bfloat16", data, 0), -3.140625);
});

Deno.test("int64 takes bigints and integers, bool whatever is not zero", () => {
  const wide = new BigInt64Array(1);
  writeElement("int64", wide, 0, 2n ** 62n + 1n);
  assertEquals(readElement("int64", wide, 0), 2n ** 62n + 1n);
  writeElement("int64", wide, 0, -3);
  assertEquals(readElement("int64", wide, 0), -3n);
  assertThrows(() => writeElement("int64", wide, 0, 0.5), RangeError);
  const bytes = new Uint8Array(1);
  for (const [value, expected] of [[0, 0], [-0, 0], [false, 0], [true, 1], [0.5, 1], [NaN, 1]]) {
    writeElement("bool", bytes, 0, value as number | boolean);
    assertEquals(bytes[0], expected as number);
  }
  assertThrows(() => writeElement("float32", new Float32Array(1), 0, 1n), TypeError, "float32");
});
