/**
 * Tokenizers of folders: a real model's against reference ids, and folders with something wrong.
 * The model is pulled into the cache when it is not there.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { resolveModel } from "../../../lib/hub/mod.ts";
import { tokenizerFromFolder } from "../../../lib/tokenizers/mod.ts";
import { withFolder } from "../../support/folder.ts";
import { smallTokenizer } from "../../tokenizers/small_tokenizer.ts";

const references: { text: string; ids: number[] }[] = JSON.parse(
  Deno.readTextFileSync(new URL("../../data/minilm_reference.json", import.meta.url)),
);

Deno.test("MiniLM's tokenizer gives the reference's ids, truncated to what the model reads", async () => {
  const tokenizer = await tokenizerFromFolder(await resolveModel("minilm"));
  assertEquals([tokenizer.maxTokens, tokenizer.vocabularySize], [256, 30522]);
  assertEquals([tokenizer.bosId, tokenizer.eosId], [101, 102]);
  for (const { text, ids } of references) assertEquals([...tokenizer.encode(text)], ids);
  assertEquals(tokenizer.decode([101, 1037, 4937, 1012, 102], { skipSpecial: true }), "a cat.");
});

Deno.test("a folder's tokenizer needs no file but tokenizer.json, and heeds the others", async () => {
  const json = JSON.stringify(smallTokenizer());
  await withFolder(async (folder) => {
    const tokenizer = await tokenizerFromFolder(folder);
    assertEquals([...tokenizer.encode("the mill")], [2, 4, 5, 3]);
  }, { "tokenizer.json": json });
  const files = { "tokenizer.json": json, "sentence_bert_config.json": '{"max_seq_length": 3}' };
  await withFolder(async (folder) => {
    const tokenizer = await tokenizerFromFolder(folder);
    assertEquals([...tokenizer.encode("the mill")], [2, 4, 3]);
  }, files);
});

Deno.test("tokenizerFromFolder() refuses files that are missing, damaged or something else", async () => {
  const cases: [Record<string, string>, string][] = [
    [{}, "tokenizer.json: no such file; a folder model has a tokenizer.json"],
    [{ "tokenizer.json": "" }, "tokenizer.json is not valid JSON"],
    [{ "tokenizer.json": '{"model":' }, "tokenizer.json is not valid JSON"],
    [{ "tokenizer.json": "[]" }, "tokenizer.json is not an object"],
    [{ "tokenizer.json": '{"model":{"type":"BPE","vocab":{"a":-1}}}' }, 'token "a" has the id -1'],
    [
      { "tokenizer.json": JSON.stringify(smallTokenizer()), "config.json": "{" },
      "config.json is not valid JSON",
    ],
  ];
  for (const [files, message] of cases) {
    await withFolder(async (folder) => {
      await assertRejects(() => tokenizerFromFolder(folder), Error, message);
    }, files);
  }
});
