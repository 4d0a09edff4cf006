import { assertStringIncludes, assertThrows } from "@std/assert";
import { tokenizerFromGguf } from "../../lib/tokenizers/mod.ts";
import { byteLevel, type Metadata, sentencePiece, wordPiece } from "./vocabularies.ts";

function without(metadata: Metadata, key: string): Metadata {
  metadata.delete(`tokenizer.${key}`);
  return metadata;
}

function message(metadata: Metadata): string {
  return assertThrows(() => tokenizerFromGguf(metadata), TypeError).message;
}

Deno.test("an unknown model throws TypeError with the supported ones", () => {
  const text = message(byteLevel({ "ggml.model": "t5" }));
  for (const part of ['"t5"', "gpt2", "llama", "bert"]) assertStringIncludes(text, part);
});

Deno.test("an unknown pre-tokenizer throws TypeError with the supported ones", () => {
  const text = message(byteLevel({ "ggml.pre": "tekken" }));
  for (const part of ['"tekken"', "gpt-2", "smollm", "llama-bpe", "qwen2"]) {
    assertStringIncludes(text, part);
  }
});

Deno.test("a missing part of the vocabulary throws TypeError that names its key", () => {
  for (const key of ["ggml.model", "ggml.tokens", "ggml.token_type", "ggml.merges"]) {
    assertStringIncludes(message(without(byteLevel(), key)), `tokenizer.${key}`);
  }
  assertStringIncludes(message(without(sentencePiece(), "ggml.scores")), "tokenizer.ggml.scores");
});

Deno.test("arrays of the wrong length throw TypeError with both lengths", () => {
  const text = message(byteLevel({ "ggml.token_type": new Int32Array(7) }));
  assertStringIncludes(text, "7 entries");
  assertStringIncludes(text, "269 tokens");
  assertStringIncludes(
    message(sentencePiece({ "ggml.scores": new Float32Array(2) })),
    "tokenizer.ggml.scores",
  );
});

Deno.test("values of the wrong type throw TypeError that names the key", () => {
  const wrong = {
    "ggml.model": 3,
    "ggml.pre": true,
    "ggml.tokens": "abc",
    "ggml.token_type": "abc",
    "ggml.merges": new Int32Array(3),
    "ggml.eos_token_id": "2",
    "ggml.add_bos_token": 1,
    "chat_template": 5,
  };
  for (const [key, value] of Object.entries(wrong)) {
    assertStringIncludes(message(byteLevel({ [key]: value })), `tokenizer.${key}`);
  }
});

Deno.test("a merge without a space throws TypeError that names it", () => {
  assertStringIncludes(message(byteLevel({ "ggml.merges": ["t h", "the"] })), "merges[1]");
});

Deno.test("BOS that is asked for and absent throws TypeError", () => {
  const asked = byteLevel({ "ggml.add_bos_token": true });
  assertStringIncludes(message(without(asked, "ggml.bos_token_id")), "bos_token_id");
});

Deno.test("ids outside the vocabulary count as absent", () => {
  const text = message(wordPiece({ "ggml.seperator_token_id": 4000 }));
  assertStringIncludes(text, "seperator_token_id");
});

Deno.test("a duplicate token throws TypeError with both ids", () => {
  const tokens = [...byteLevel().get("tokenizer.ggml.tokens") as string[]];
  tokens[268] = tokens[40];
  const text = message(byteLevel({ "ggml.tokens": tokens }));
  assertStringIncludes(text, "40");
  assertStringIncludes(text, "268");
});

Deno.test("tokens that are names of an object's own parts are only tokens", () => {
  const tokens = [...wordPiece().get("tokenizer.ggml.tokens") as string[]];
  tokens[4] = "▁__proto__";
  tokens[5] = "▁constructor";
  const tokenizer = tokenizerFromGguf(wordPiece({ "ggml.tokens": tokens }));
  const ids = [...tokenizer.encode("constructor", { addSpecial: false })];
  assertStringIncludes(tokenizer.decode(ids), "constructor");
});
