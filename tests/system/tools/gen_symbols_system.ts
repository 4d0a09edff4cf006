import { assertEquals, assertNotEquals } from "@std/assert";
import { symbols } from "../../../lib/ffi/symbols.ts";
import { generateSymbols, HEADER_URL, SYMBOLS_URL } from "../../../tools/gen_symbols.ts";

Deno.test("The checked-in FFI table is what the header gives", async () => {
  const text = generateSymbols(await Deno.readFile(HEADER_URL));
  assertEquals(await Deno.readTextFile(SYMBOLS_URL), text);
});

Deno.test("generateSymbols() gives another hash when one byte of the header changes", async () => {
  const bytes = await Deno.readFile(HEADER_URL);
  const text = generateSymbols(bytes);
  const changed = bytes.slice();
  changed[changed.indexOf(0x54 /* "T", in the comment at the head */)] = 0x74;
  assertNotEquals(generateSymbols(changed), text);
});

Deno.test("generateSymbols() writes formatted TypeScript", async () => {
  const text = generateSymbols(await Deno.readFile(HEADER_URL));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--check", "--ext=ts", "--line-width=100", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  assertEquals((await child.status).code, 0);
});

Deno.test("The FFI table passes addresses as usize and QN_BUFFER as buffer", () => {
  assertEquals(symbols.qn_pool_rent.parameters, ["buffer", "usize", "u32", "u32"]);
  assertEquals(symbols.qn_pool_return.parameters, ["usize", "u32", "u32"]);
  assertEquals(symbols.qn_isa_name.result, "pointer");
});
