import { assertEquals, assertThrows } from "@std/assert";
import { checkShape, colsOf, rowsOf, sameShape, sizeOf, stridesOf } from "../../lib/core/shape.ts";

Deno.test("shapes have sizes, strides, rows and columns", () => {
  assertEquals(sizeOf([]), 1);
  assertEquals(sizeOf([2, 0, 3]), 0);
  assertEquals(stridesOf([2, 3, 4]), [12, 4, 1]);
  assertEquals([rowsOf([2, 3, 4]), colsOf([2, 3, 4])], [6, 4]);
  assertEquals([rowsOf([]), colsOf([])], [1, 1]);
  assertEquals(sameShape([1, 2], [1, 2, 1]), false);
});

Deno.test("checkShape() refuses what is not a shape", () => {
  for (const extent of [-1, 1.5, NaN, 2 ** 32, Infinity]) {
    assertThrows(() => checkShape([2, extent], "test"), RangeError, "test: shape");
  }
  assertThrows(() => checkShape([2 ** 31, 2 ** 31], "test"), RangeError, "too many");
  for (const shape of [[2 ** 16, 2 ** 16, 1], [2 ** 31, 2, 0]]) {
    assertThrows(() => checkShape(shape, "test"), RangeError, "2^32 rows");
  }
});
