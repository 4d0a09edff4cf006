import { assertEquals } from "@std/assert";
import { ROOT } from "../../../tools/files.ts";
import { HEADER_URL } from "../../../tools/gen_symbols.ts";
import { parseHeader } from "../../../tools/header.ts";

Deno.test("The table of calls whose memory fails has every exported function once", async () => {
  const table = await Deno.readTextFile(`${ROOT}tests/csrc/every_call.h`);
  const header = parseHeader(await Deno.readTextFile(HEADER_URL));
  const called = [...table.matchAll(/^ {4}ENTRY\w*\((qn_\w+)/gm)].map((match) => match[1]);
  const declared = header.functions.map(({ name }) => name);
  assertEquals(called.toSorted(), declared.toSorted());
});
