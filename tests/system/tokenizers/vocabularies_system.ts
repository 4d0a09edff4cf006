/**
 * Whole vocabularies of known models against llama.cpp's own tokenization tests. See
 * tests/data/vocabs/README.md for where they come from.
 */
import { assert, assertEquals, assertLess, assertStrictEquals } from "@std/assert";
import { parseGguf } from "../../../lib/formats/mod.ts";
import { type Tokenizer, tokenizerFromGguf } from "../../../lib/tokenizers/mod.ts";
import { random, randomText } from "../../tokenizers/vocabularies.ts";

const FOLDER = new URL("../../data/vocabs/", import.meta.url);

async function load(name: string): Promise<Tokenizer> {
  const packed = await Deno.readFile(new URL(`${name}.gguf.gz`, FOLDER));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return tokenizerFromGguf(parseGguf(bytes, { name }).metadata);
}

async function cases(name: string): Promise<[text: string, ids: number[]][]> {
  const read = (file: string) => Deno.readTextFile(new URL(file, FOLDER));
  const texts = (await read(`${name}.inp`)).split("\n__ggml_vocab_test__\n");
  const lines = (await read(`${name}.out`)).split("\n");
  return texts.map((text, i) => [text, lines[i].trim().split(/\s+/).filter(Boolean).map(Number)]);
}

for (const name of ["gpt-2", "phi-3", "bert-bge"]) {
  Deno.test(`encode() with the ${name} vocabulary agrees with llama.cpp`, async () => {
    const tokenizer = await load(name);
    const all = await cases(name);
    assertEquals(all.length, 47);
    for (const [text, ids] of all) {
      const options = { addSpecial: false, parseSpecial: false };
      assertEquals([...tokenizer.encode(text, options)], ids, JSON.stringify(text));
      if (name !== "bert-bge") assertStrictEquals(tokenizer.decode(ids), text);
    }
  });
}

for (const name of ["gpt-2", "phi-3"]) {
  Deno.test(`decode() with the ${name} vocabulary gives random texts back`, async () => {
    const tokenizer = await load(name);
    const next = random(21);
    for (let i = 0; i < 300; i++) {
      const text = randomText(next, 1 + Math.floor(next() * 60)).replaceAll("▁", "");
      const ids = tokenizer.encode(text, { parseSpecial: false });
      assertStrictEquals(tokenizer.decode(ids, { skipSpecial: true }), text);
    }
  });

  Deno.test(`encode() with the ${name} vocabulary stays linear on long runs`, async () => {
    const tokenizer = await load(name);
    const time = (text: string): number => {
      const start = performance.now();
      const ids = tokenizer.encode(text, { addSpecial: false });
      assertStrictEquals(tokenizer.decode(ids), text);
      return performance.now() - start;
    };
    for (const unit of ["a", " ", "qz", "🙂"]) {
      time(unit.repeat(20_000));
      const short = time(unit.repeat(50_000));
      // Ten times the text: quadratic work would take a hundred times as long.
      assertLess(time(unit.repeat(500_000)), 40 * short + 500);
    }
  });
}

Deno.test("the phi-3 vocabulary has its special tokens", async () => {
  const tokenizer = await load("phi-3");
  assertEquals([...tokenizer.encode("<|user|>\nhi<|end|>")].slice(0, 2), [1, 32010]);
  for (const id of [2, 32000, 32007]) assert(tokenizer.endIds.has(id));
  assert(tokenizer.chatTemplate?.includes("<|assistant|>"));
});

Deno.test("WordPiece decoding is stable: its text encodes to the same ids", async () => {
  const tokenizer = await load("bert-bge");
  for (const [text] of await cases("bert-bge")) {
    const ids = tokenizer.encode(text, { addSpecial: false });
    if (ids.includes(100)) continue;
    assertEquals(tokenizer.encode(tokenizer.decode(ids), { addSpecial: false }), ids);
  }
});
