/**
 * The trainer beside Hugging Face's: tests/data/byte_pairs_reference.py made the figures.
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parseGguf, writeGguf } from "../../lib/formats/mod.ts";
import {
  ggufVocabulary,
  tokenizerFromGguf,
  tokenizerFromJson,
  tokenizerJson,
  trainBytePairs,
} from "../../lib/tokenizers/mod.ts";
import reference from "../data/byte_pairs_reference.json" with { type: "json" };
import { random, randomText } from "./vocabularies.ts";

for (const { title, texts, encoded, tokens, merges, ...options } of reference.cases) {
  Deno.test(`the merges of Hugging Face's trainer: ${title}`, async () => {
    const pairs = await trainBytePairs(texts, options);
    assertEquals(pairs.merges, merges);
    assertEquals(pairs.tokens.slice(256 + options.specialTokens.length), tokens);
    assertEquals(pairs.tokens.slice(0, options.specialTokens.length), options.specialTokens);
  });

  Deno.test(`a file with the vocabulary gives Hugging Face's ids: ${title}`, async () => {
    const metadata = ggufVocabulary(await trainBytePairs(texts, options));
    const file = parseGguf(writeGguf({ metadata, tensors: [] }));
    const tokenizer = tokenizerFromGguf(file.metadata);
    for (const [text, ids] of encoded as [string, number[]][]) {
      assertEquals([...tokenizer.encode(text)], ids, JSON.stringify(text));
      assertEquals(tokenizer.decode(ids), text);
    }
  });
}

const [{ texts, encoded, ...options }] = reference.cases;

Deno.test("a merge that spells a special token takes its id", async () => {
  const { texts, specialTokens, vocabularySize } = reference.cases[2];
  const pairs = await trainBytePairs(texts, { specialTokens, vocabularySize, minFrequency: 0 });
  assert(pairs.merges.includes("a b"));
  assertEquals(pairs.tokens.indexOf("ab"), 1);
  assertEquals(pairs.tokens.length, vocabularySize);
});

Deno.test("a tokenizer.json of the vocabulary gives the same ids as the GGUF file", async () => {
  const pairs = await trainBytePairs(texts, options);
  const copy = JSON.parse(JSON.stringify(tokenizerJson(pairs)));
  const tokenizer = tokenizerFromJson({ tokenizer: copy });
  for (const [text, ids] of encoded as [string, number[]][]) {
    // The library's own rule takes JavaScript's white space, which lacks U+0085 and has U+FEFF.
    if (/[\u0085\ufeff]/.test(text)) continue;
    assertEquals([...tokenizer.encode(text)], ids, JSON.stringify(text));
  }
});

Deno.test("any text comes back from the ids of a trained vocabulary", async () => {
  const tokenizer = tokenizerFromGguf(ggufVocabulary(await trainBytePairs(texts, options)));
  const next = random(7);
  for (let i = 0; i < 200; i++) {
    const text = randomText(next, 40);
    assertEquals(tokenizer.decode(tokenizer.encode(text)), text);
  }
});

Deno.test("the order of the texts does not matter, nor whether they come at once", async () => {
  async function* later() {
    for (const text of texts.toReversed()) yield await Promise.resolve(text);
  }
  assertEquals(await trainBytePairs(later(), options), await trainBytePairs(texts, options));
});

Deno.test("no token crosses the end of a text", async () => {
  const pairs = await trainBytePairs(["ab", "ab", "ab"], { vocabularySize: 300 });
  assertEquals(pairs.merges, ["a b"]);
  assertEquals(await trainBytePairs([], { vocabularySize: 300 }).then((p) => p.merges), []);
});

Deno.test("special tokens and the two ends are in the metadata", async () => {
  const pairs = await trainBytePairs(["a"], {
    vocabularySize: 258,
    specialTokens: ["<|s|>", "<|e|>"],
  });
  const metadata = ggufVocabulary(pairs, { bos: "<|s|>", eos: "<|e|>", addBos: true });
  assertEquals(metadata.get("tokenizer.ggml.pre"), "gpt-2");
  assertEquals(metadata.get("tokenizer.ggml.bos_token_id"), 0);
  assertEquals(metadata.get("tokenizer.ggml.eos_token_id"), 1);
  assertEquals(metadata.get("tokenizer.ggml.merges"), []);
  const types = metadata.get("tokenizer.ggml.token_type") as Int32Array;
  assertEquals([...types.subarray(0, 3)], [3, 3, 1]);
  const tokenizer = tokenizerFromGguf(metadata);
  assertEquals([...tokenizer.encode("<|e|>")], [0, 1]);
  assert(tokenizer.endIds.has(1));
  assertEquals(tokenizer.encode("<|e|>", { parseSpecial: false }).length, 6);
});

Deno.test("a vocabulary without special tokens has no BOS to add", async () => {
  const pairs = await trainBytePairs(["a"], { vocabularySize: 256, specialTokens: [] });
  assertEquals(ggufVocabulary(pairs).has("tokenizer.ggml.bos_token_id"), false);
  assertThrows(() => ggufVocabulary(pairs, { addBos: true }), RangeError, "addBos");
  assertThrows(() => ggufVocabulary(pairs, { eos: "</s>" }), RangeError, "</s>");
});

Deno.test("wrong options throw and say what is possible", async () => {
  const message = (await assertRejects(
    () => trainBytePairs(["a"], { vocabularySize: 256 }),
    RangeError,
  )).message;
  assertStringIncludes(message, "257");
  for (const vocabularySize of [NaN, 300.5, Infinity, -1]) {
    await assertRejects(() => trainBytePairs(["a"], { vocabularySize }), RangeError);
  }
  for (const specialTokens of [[""], ["<a>", "<a>"]]) {
    const given = { vocabularySize: 300, specialTokens };
    await assertRejects(() => trainBytePairs(["a"], given), RangeError, "special");
  }
  const rare = { vocabularySize: 300, minFrequency: NaN };
  await assertRejects(() => trainBytePairs(["a"], rare), RangeError, "minFrequency");
  await assertRejects(() => trainBytePairs("one text", options), TypeError, "array");
});

Deno.test("lone surrogates count as U+FFFD", async () => {
  const pairs = await trainBytePairs(["\ud800\ud800", "\ufffd\ufffd"], { vocabularySize: 300 });
  assertEquals(
    pairs,
    await trainBytePairs(["\ufffd\ufffd", "\ufffd\ufffd"], { vocabularySize: 300 }),
  );
});

Deno.test("training ends with the signal's reason and tells how far it is", async () => {
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const error = await assertRejects(() => trainBytePairs(texts, { ...options, signal }));
  assertEquals(error, reason);
  const stages = new Map<string, [completed: number, total: number | undefined]>();
  const { tokens } = await trainBytePairs(texts, {
    ...options,
    onProgress: ({ stage, completed, total }) => {
      assert(completed >= (stages.get(stage)?.[0] ?? 0));
      stages.set(stage, [completed, total]);
    },
  });
  assertEquals(stages.get("counting words"), [3, undefined]);
  assertEquals(stages.get("choosing tokens"), [tokens.length, tokens.length]);
});
