import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { tokenizerFromGguf } from "../../lib/tokenizers/mod.ts";
import { byteLevel, random, randomText, sentencePiece, wordPiece } from "./vocabularies.ts";

const FIRST_MERGE = 259;

Deno.test("encode() merges by rank, not by length or place", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  const text = (id: number) => tokenizer.tokenText(id);
  assertEquals(Array.from(tokenizer.encode("the in the"), text), ["the", "Ġ", "in", "Ġthe"]);
  // Three a's: the leftmost pair wins.
  assertEquals(Array.from(tokenizer.encode("aaa"), text), ["aa", "a"]);
  assertEquals(tokenizer.encode("the")[0], FIRST_MERGE + 1);
});

Deno.test("encode() recognises control tokens only with parseSpecial", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  assertEquals([...tokenizer.encode("the<|im_end|>")], [FIRST_MERGE + 1, 1]);
  const plain = tokenizer.encode("the<|im_end|>", { parseSpecial: false });
  assert(!plain.includes(1));
  assertEquals(tokenizer.decode(plain), "the<|im_end|>");
});

Deno.test("encode() recognises added tokens in plain text", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  assertEquals([...tokenizer.encode("<added>the", { parseSpecial: false })], [2, FIRST_MERGE + 1]);
  assertEquals(new TextDecoder().decode(tokenizer.tokenBytes(2)), "<added>");
});

Deno.test("encode() adds BOS and EOS as the metadata says", () => {
  const plain = tokenizerFromGguf(byteLevel());
  assertEquals([...plain.encode("")], []);
  const asked = { "ggml.add_bos_token": true, "ggml.add_eos_token": true };
  const both = tokenizerFromGguf(byteLevel({ ...asked, "ggml.eos_token_id": 1 }));
  assertEquals([...both.encode("in")], [0, FIRST_MERGE + 3, 1]);
  assertEquals([...both.encode("in", { addSpecial: false })], [FIRST_MERGE + 3]);
  assertEquals([...tokenizerFromGguf(sentencePiece()).encode("")], [1]);
  assertEquals([...tokenizerFromGguf(wordPiece()).encode("")], [2, 3]);
  const llama = tokenizerFromGguf(byteLevel({ "ggml.pre": "llama-bpe" }));
  assertEquals([...llama.encode("in")], [0, FIRST_MERGE + 3]);
});

Deno.test("encode() keeps a whole token whole where the model ignores merges", () => {
  const tokens = byteLevel().get("tokenizer.ggml.tokens") as string[];
  const more = { "ggml.tokens": [...tokens, "inthe"], "ggml.pre": "llama-bpe" };
  const types = { "ggml.token_type": new Int32Array(tokens.length + 1).fill(1) };
  const tokenizer = tokenizerFromGguf(byteLevel({ ...more, ...types }));
  assertEquals([...tokenizer.encode("inthe", { addSpecial: false })], [tokens.length]);
});

Deno.test("endIds holds every token that ends generation", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  assertEquals([...tokenizer.endIds].sort(), [0, 1]);
  assertEquals(tokenizer.bosId, 0);
  assertEquals(tokenizer.eosId, 0);
  assertEquals([...tokenizerFromGguf(byteLevel({ "ggml.eot_token_id": 2 })).endIds].sort(), [
    0,
    1,
    2,
  ]);
});

Deno.test("decode() gives random texts back exactly", () => {
  const next = random(11);
  const tokenizers = [byteLevel(), byteLevel({ "ggml.pre": "qwen2" }), sentencePiece()];
  for (const tokenizer of tokenizers.map(tokenizerFromGguf)) {
    for (let i = 0; i < 200; i++) {
      const text = randomText(next, 1 + Math.floor(next() * 40)).replaceAll("▁", "");
      const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
      assertStrictEquals(tokenizer.decode(ids), text);
    }
  }
});

Deno.test("tokens' bytes together are the text's bytes", () => {
  const tokenizer = tokenizerFromGguf(byteLevel({ "ggml.pre": "smollm" }));
  const text = randomText(random(3), 300);
  const ids = tokenizer.encode(text, { parseSpecial: false });
  const bytes = Array.from(ids).flatMap((id) => [...tokenizer.tokenBytes(id)]);
  assertEquals(bytes, [...new TextEncoder().encode(text)]);
});

Deno.test("encode() takes lone surrogates for U+FFFD and keeps NUL", () => {
  for (const tokenizer of [byteLevel(), sentencePiece()].map(tokenizerFromGguf)) {
    const ids = tokenizer.encode("a\ud800\0\udc00b", { addSpecial: false });
    assertStrictEquals(tokenizer.decode(ids), "a\ufffd\0\ufffdb");
  }
});

Deno.test("encode() handles a long word exactly as many short ones would merge", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  assertEquals(tokenizer.encode("a".repeat(4001)).length, 1001);
  assertEquals(tokenizer.encode("a".repeat(401)).length, 101);
  const spaces = tokenizer.encode(" ".repeat(100_000));
  assertEquals(spaces.length, 25_000);
  assertEquals(tokenizer.decode(spaces).length, 100_000);
});

Deno.test("decode() leaves control tokens out with skipSpecial", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  const ids = [FIRST_MERGE + 1, 1, FIRST_MERGE + 3, 0];
  assertEquals(tokenizer.decode(ids), "the<|im_end|>in<|endoftext|>");
  assertEquals(tokenizer.decode(ids, { skipSpecial: true }), "thein");
  assertEquals(tokenizer.tokenBytes(1).length, 0);
});

Deno.test("an id outside the vocabulary throws RangeError that names it", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  const size = tokenizer.vocabularySize;
  for (const id of [-1, size, 1.5, NaN]) {
    assertThrows(() => tokenizer.decode([id]), RangeError, String(id));
    assertThrows(() => tokenizer.tokenText(id), RangeError, String(id));
    assertThrows(() => tokenizer.tokenBytes(id), RangeError, String(id));
    assertThrows(() => tokenizer.createDecoder().push(id), RangeError, String(id));
  }
});

Deno.test("SentencePiece joins the neighbours whose joint token has the highest score", () => {
  const tokenizer = tokenizerFromGguf(sentencePiece());
  const spell = (text: string) =>
    Array.from(tokenizer.encode(text, { addSpecial: false }), (id) => tokenizer.tokenText(id));
  // "he" scores best, so the h of "▁h" is gone before its turn comes.
  assertEquals(spell("he"), ["▁he"]);
  assertEquals(spell("hellohello"), ["▁hello", "hello"]);
  assertEquals(spell("helo"), ["▁he", "lo"]);
  assertEquals(spell("hhe"), ["▁h", "he"]);
  assertEquals(spell("lll"), ["▁", "ll", "l"]);
  assertEquals(spell("é"), ["▁", "<0xC3>", "<0xA9>"]);
  assertEquals(spell("  o"), ["▁▁", "▁", "o"]);
});

Deno.test("SentencePiece puts no space first where the metadata says so", () => {
  const tokenizer = tokenizerFromGguf(sentencePiece({ "ggml.add_space_prefix": false }));
  const ids = tokenizer.encode("hello", { addSpecial: false });
  assertEquals(Array.from(ids, (id) => tokenizer.tokenText(id)), ["hello"]);
  assertEquals(tokenizer.decode(tokenizer.encode(" hello", { addSpecial: false })), " hello");
});

Deno.test("SentencePiece decoding takes the first space away, after special tokens too", () => {
  const tokenizer = tokenizerFromGguf(sentencePiece());
  const ids = tokenizer.encode("hello</s>lo");
  assertEquals(tokenizer.decode(ids), "<s>hello</s>lo");
  assertEquals(tokenizer.decode(ids, { skipSpecial: true }), "hellolo");
});

Deno.test("WordPiece lower-cases, strips accents, splits ideographs and takes the longest", () => {
  const tokenizer = tokenizerFromGguf(wordPiece());
  const spell = (text: string) =>
    Array.from(tokenizer.encode(text, { addSpecial: false }), (id) => tokenizer.tokenText(id));
  assertEquals(spell("The MILLS milling!"), ["▁the", "▁mill", "s", "▁mill", "ing", "▁!"]);
  assertEquals(spell("Café"), ["▁cafe"]);
  assertEquals(spell("東𠀁東"), ["▁東", "▁𠀁", "▁東"]);
  assertEquals(spell("ΣΣ"), ["▁σ", "σ"]);
  assertEquals(spell("mi\u00adll\0s"), ["▁mill", "s"]);
  assertEquals(spell("unheard the"), ["[UNK]", "▁the"]);
  assertEquals(spell("mill".repeat(30)), ["[UNK]"]);
  assertEquals(
    tokenizer.decode(tokenizer.encode("The mills!"), { skipSpecial: true }),
    "the mills !",
  );
});
