import { assertThrows } from "@std/assert";
import { exportedNames } from "../../tools/exports.ts";

Deno.test("exportedNames() refuses a file that is no library", () => {
  assertThrows(() => exportedNames(new Uint8Array(64)), SyntaxError, "not an ELF");
});

Deno.test("exportedNames() refuses a library that is cut short", () => {
  assertThrows(() => exportedNames(new Uint8Array(2)), SyntaxError, "cut short");
  const header = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0);
  assertThrows(() => exportedNames(header), SyntaxError, "cut short");
});
