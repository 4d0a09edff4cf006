import { assertEquals, assertStrictEquals } from "@std/assert";
import { type Tokenizer, tokenizerFromGguf } from "../../lib/tokenizers/mod.ts";
import { byteLevel, random, randomText, sentencePiece } from "./vocabularies.ts";

function stream(tokenizer: Tokenizer, ids: Iterable<number>): string[] {
  const decoder = tokenizer.createDecoder();
  const pieces = Array.from(ids, (id) => decoder.push(id));
  return [...pieces, decoder.flush()];
}

/** The tokens that stand for single bytes, in both test vocabularies. */
const bytes = (...values: number[]): number[] => values.map((value) => value + 3);

Deno.test("a streamed text is the decoded text, whatever the tokens", () => {
  const next = random(5);
  for (const tokenizer of [byteLevel(), sentencePiece()].map(tokenizerFromGguf)) {
    for (let i = 0; i < 200; i++) {
      // Any bytes at all, so that most of them are no UTF-8.
      const ids = Array.from({ length: 20 }, () => Math.floor(next() * tokenizer.vocabularySize));
      const whole = tokenizer.decode(ids, { skipSpecial: true });
      assertStrictEquals(stream(tokenizer, ids).join(""), whole);
    }
  }
});

Deno.test("no piece of a streamed text ends inside a character", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  const text = randomText(random(9), 400);
  const pieces = stream(tokenizer, tokenizer.encode(text, { parseSpecial: false }));
  assertStrictEquals(pieces.join(""), text);
  for (const piece of pieces) assertStrictEquals(piece.isWellFormed(), true);
});

Deno.test("push() holds bytes back until the character is whole", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  assertEquals(stream(tokenizer, bytes(0xf0, 0x9f, 0x99, 0x82)), ["", "", "", "🙂", ""]);
});

Deno.test("push() gives U+FFFD when the next byte proves a sequence invalid", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  assertEquals(stream(tokenizer, bytes(0xe2, 0x82, 0x61)), ["", "", "\ufffda", ""]);
  assertEquals(stream(tokenizer, bytes(0xff)), ["\ufffd", ""]);
});

Deno.test("flush() gives U+FFFD for what is left and begins anew", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  const decoder = tokenizer.createDecoder();
  assertEquals(decoder.push(bytes(0xe2)[0]), "");
  assertEquals(decoder.flush(), "\ufffd");
  assertEquals(decoder.flush(), "");
  assertEquals(decoder.push(bytes(0x61)[0]), "a");
  assertEquals(decoder.flush(), "");
});

Deno.test("a byte order mark is a character like any other", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  const ids = bytes(0xef, 0xbb, 0xbf, 0x61);
  assertEquals(tokenizer.decode(ids), "\ufeffa");
  assertEquals(stream(tokenizer, ids).join(""), "\ufeffa");
});

Deno.test("a decoder that continues a text keeps the first space", () => {
  const tokenizer = tokenizerFromGguf(sentencePiece());
  const ids = tokenizer.encode("hello", { addSpecial: false });
  const decoder = tokenizer.createDecoder({ continuation: true });
  assertEquals(Array.from(ids, (id) => decoder.push(id)).join(""), " hello");
  assertEquals(decoder.flush(), "");
  assertEquals(stream(tokenizer, ids).join(""), "hello");
});

Deno.test("a decoder writes control tokens only when asked", () => {
  const tokenizer = tokenizerFromGguf(byteLevel());
  assertEquals(tokenizer.createDecoder().push(1), "");
  assertEquals(tokenizer.createDecoder({ skipSpecial: false }).push(1), "<|im_end|>");
});
