import { assertEquals, assertThrows } from "@std/assert";
import { formatBytes, parseSize } from "../../lib/core/sizes.ts";

Deno.test("parseSize() reads numbers, binary and decimal units in any case", () => {
  const cases: [string | number, number][] = [
    [0, 0],
    [1536, 1536],
    ["65536", 65536],
    ["512MiB", 512 * 1024 * 1024],
    ["512mib", 512 * 1024 * 1024],
    [" 2 GB ", 2_000_000_000],
    ["1.5GiB", 1.5 * 1024 ** 3],
    ["1kB", 1000],
    ["1k", 1024],
    ["3M", 3 * 1024 ** 2],
    ["7B", 7],
    [".5KiB", 512],
    ["0.0001KiB", 0],
  ];
  for (const [text, bytes] of cases) assertEquals(parseSize(text), bytes, String(text));
});

Deno.test("parseSize() throws RangeError on what is not a size", () => {
  const wrong = ["", "MiB", "-1", "-1MiB", "1XB", "1.5", "1e3", "0x10", "12 34", "9999999999TiB"];
  for (const text of wrong) assertThrows(() => parseSize(text), RangeError, "is not a size", text);
  for (const number of [-1, NaN, Infinity, 1.5, 2 ** 53]) {
    assertThrows(() => parseSize(number), RangeError, "is not a size", String(number));
  }
});

Deno.test("formatBytes() shows three digits and a binary unit, without a step at the unit's end", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.00 KiB"],
    [10 * 1024 - 1, "10.0 KiB"],
    [92871040, "88.6 MiB"],
    [1024 ** 2 - 1, "1.00 MiB"],
    [1.5 * 1024 ** 3, "1.50 GiB"],
    [-2048, "-2.00 KiB"],
    [3000 * 1024 ** 4, "3000 TiB"],
  ];
  for (const [bytes, text] of cases) assertEquals(formatBytes(bytes), text);
});
