/**
 * Texts cut into passages.
 */
import { assert, assertEquals } from "@std/assert";
import { splitPassages } from "../../../lib/cli/search/passages.ts";

Deno.test("splitPassages() puts short paragraphs together, and tells where they begin", () => {
  assertEquals(splitPassages("\n\none\ntwo\n\n \nthree\r\n\r\nfour"), [
    { line: 3, text: "one\ntwo\nthree\nfour" },
  ]);
  for (const empty of ["", "\n", " \n\t\r\n"]) assertEquals(splitPassages(empty), []);
});

Deno.test("splitPassages() begins a passage at a heading, and when one is full", () => {
  const long = "word ".repeat(100).trim();
  const passages = splitPassages(`intro\n\n# Mills\n\n${long}\n\n${long}\n\n#hash\n\n## Wheels`);
  assertEquals(passages.map(({ line }) => line), [1, 3, 7, 11]);
  assertEquals(passages[1].text, `# Mills\n${long}`);
  assertEquals(passages[2].text, `${long}\n#hash`);
});

Deno.test("splitPassages() loses no word, and makes no passage too long", () => {
  const words = Array.from({ length: 5000 }, (_, i) => `w${i}`);
  for (const between of [" ", "\n", "\n\n"]) {
    const passages = splitPassages(words.join(between));
    assert(passages.every(({ text }) => text.length <= 1000), between);
    assertEquals(passages.flatMap(({ text }) => text.split(/\s+/)), words);
    assert(passages.length < 60);
  }
  const one = splitPassages("x".repeat(10_000));
  assertEquals(one.map(({ text }) => text).join("").length, 10_000);
  assert(one.every(({ text, line }) => text.length <= 900 && line === 1));
});
