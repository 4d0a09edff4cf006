import { assertEquals, assertThrows } from "@std/assert";
import { byteLengthOf, type DType, dtypeLayout } from "../../lib/core/dtype.ts";

Deno.test("byteLengthOf() counts whole blocks", () => {
  assertEquals(byteLengthOf("float32", 3), 12);
  assertEquals(byteLengthOf("bfloat16", 3), 6);
  assertEquals(byteLengthOf("q8_0", 64), 68);
  assertEquals(byteLengthOf("q4_0", 32), 18);
  assertEquals(byteLengthOf("q4_1", 0), 0);
});

Deno.test("byteLengthOf() refuses elements that do not fill blocks", () => {
  assertThrows(() => byteLengthOf("q4_1", 33), RangeError, "33 elements of q4_1");
});

Deno.test("dtypeLayout() names the dtypes when there is no such one", () => {
  assertThrows(() => dtypeLayout("float8" as DType), TypeError, "float32, float16");
});
