import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readNpy } from "../../../lib/formats/mod.ts";
import { withFolder } from "../../support/folder.ts";
import { quern, withSmallModel } from "./run_command.ts";

const NOTE = /^no --model: using quern-default, .*\n$/;
/** Neither of the two sources has it. */
const SENTENCE = "The old man went to the river with his sons, and they sat down under a tree, " +
  "and he said to them that he was tired of the journey, and wished to go home again.";

Deno.test("generate without --model continues a prompt and says which model speaks", async () => {
  const args = ["generate", "--prompt", "The river was high, and", "--max-tokens", "12"];
  const { code, stdout, stderr } = await quern([...args, "--temperature", "0"]);
  assertEquals(code, 0);
  assertMatch(stdout, /[a-z]{2,} [a-z]{2,}/);
  assertMatch(stderr, NOTE);
  const again = await quern([...args, "--temperature", "0", "--json"]);
  const result = JSON.parse(again.stdout);
  assertEquals([`${result.text}\n`, again.code], [stdout, 0]);
  assert(result.promptTokens > 0 && result.ids.length <= 12);
});

Deno.test("the default model predicts English far better than other text", async () => {
  await withFolder(async (folder) => {
    const perplexityOf = async (text: string) => {
      await Deno.writeTextFile(`${folder}/text.txt`, text);
      const { stdout, stderr } = await quern([
        "perplexity",
        "--file",
        `${folder}/text.txt`,
        "--json",
      ]);
      assertMatch(stderr, NOTE);
      return JSON.parse(stdout).perplexity;
    };
    const english = await perplexityOf(SENTENCE);
    assert(english < 60, `${english}`);
    assert(await perplexityOf(SENTENCE.split(" ").reverse().join(" ")) > 5 * english);
  });
});

Deno.test("tokenize and logits work without --model", async () => {
  const env = { QUERN_LIBRARY: "/nonexistent/libquern.so" };
  const { stdout, stderr } = await quern(["tokenize"], { input: SENTENCE, env });
  assertMatch(stderr, NOTE);
  const ids = JSON.parse(stdout);
  assert(ids.length < SENTENCE.length / 2);
  assertEquals((await quern(["tokenize", "--decode"], { input: stdout, env })).stdout, SENTENCE);
  await withFolder(async (folder) => {
    const out = `${folder}/logits.npy`;
    assertEquals((await quern(["logits", "--ids", ids.slice(0, 9).join(), "--out", out])).code, 0);
    const { data } = readNpy(await Deno.readFile(out));
    assert(data.every((logit) => Number.isFinite(Number(logit))) && data.length === 2048);
  });
});

Deno.test("a model that is named is the one that speaks", async () => {
  await withSmallModel(async (model) => {
    const args = ["generate", "--model", model, "--prompt", "the", "--max-tokens", "2"];
    const { code, stderr } = await quern(args);
    assertEquals([code, stderr], [0, ""]);
  });
});

Deno.test("generate without --model and without a prompt ends with wrong usage", async () => {
  const { code, stderr } = await quern(["generate"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "the prompt is empty");
});
