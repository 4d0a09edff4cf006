/**
 * The texts that `quern bench embed` embeds.
 */
import { assert, assertEquals } from "@std/assert";
import { embedCases, makeTexts } from "../../lib/cli/bench/embed_cases.ts";

const wordsOf = (text: string) => text.split(" ").length;

Deno.test("makeTexts() makes texts of 2 to 254 words, half of them short, the same each time", () => {
  const texts = makeTexts(1000);
  assertEquals(texts, makeTexts(1000));
  const lengths = texts.map(wordsOf).sort((a, b) => a - b);
  assertEquals(lengths[0], 2);
  assert(lengths[500] >= 10 && lengths[500] <= 20, `${lengths[500]}`);
  assert(lengths[999] >= 200 && lengths[999] <= 254, `${lengths[999]}`);
});

Deno.test("embedCases() has the texts in both orders, and equal ones of 30 and 14 words", () => {
  const cases = embedCases(["a mill by the river", "mills", "a mill"]);
  assertEquals(cases[0].texts, ["a mill by the river", "mills", "a mill"]);
  assertEquals(cases[1].texts, ["mills", "a mill", "a mill by the river"]);
  assertEquals(cases[2].texts.map(wordsOf), Array(32).fill(30));
  assertEquals(cases[3].texts.map(wordsOf), [14]);
});
