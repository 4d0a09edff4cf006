import { assert, assertEquals } from "@std/assert";
import { prepareText } from "../../lib/train/text_data.ts";

Deno.test("prepareText() learns no words from the token that separates texts", async () => {
  const text = "the mill\n<|endoftext|>\nthe river\n<|endoftext|>\n".repeat(40);
  const options = { vocabularySize: 280, validationShare: 0.1 };
  const { vocabulary, training, tokenizer } = await prepareText(text, options);
  assert(vocabulary.merges.includes("m il"), `${vocabulary.merges}`);
  assertEquals(vocabulary.merges.filter((merge) => /[|<>x]/.test(merge)), []);
  const end = vocabulary.tokens.indexOf("<|endoftext|>");
  const words = ["the mill\n", "\nthe river\n"].map((part) => [...tokenizer.encode(part)]);
  const expected = [...words[0], end, ...words[1], end];
  assertEquals([...training.subarray(0, expected.length)], expected);
});
