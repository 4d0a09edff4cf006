import { assert, assertEquals, assertThrows } from "@std/assert";
import { tokenizerFromJson } from "../../lib/tokenizers/mod.ts";
import { smallTokenizer } from "./small_tokenizer.ts";

const small = () => tokenizerFromJson({ tokenizer: smallTokenizer() });

/** Texts, the ids that `tokenizers` 0.23.3 of Python gives, and what it decodes them to. */
const REFERENCE: readonly [string, number[], string][] = [
  ["The mills.", [2, 4, 5, 8, 10, 3], "the mills."],
  ["Café CAFÉ cafe\u0301", [2, 9, 9, 9, 3], "cafe cafe cafe"],
  ["中mill𠀀", [2, 13, 5, 14, 3], "中 mill 𠀀"],
  ["mi\0ll the\u00a0mill\u200bs", [2, 5, 4, 5, 8, 3], "mill the mills"],
  ["ΣΑ σς Σ", [2, 1, 18, 19, 18, 3], "σς σ"],
  ["aaaaaaaaaa aaaaaaaaaaa", [2, 16, ...new Array<number>(9).fill(17), 1, 3], "aaaaaaaaaa"],
  ["a[SEP]b [sep]", [2, 16, 3, 1, 1, 1, 1, 3], "a"],
  ["##s #s", [2, 12, 12, 1, 12, 1, 3], "# # #"],
  // Punctuation and a mark that Unicode has had since version 11 only.
  ["\u2e4d\u0898a", [2, 1, 3], ""],
  ["", [2, 3], ""],
  ["   ", [2, 3], ""],
  ["\ufffdmill\u0085s", [2, 5, 8, 3], "mills"],
];

/** For each limit: the ids and segments of two pairs, by the same. */
const PAIRS: readonly [number, number[], number[], number[], number[]][] = [
  [3, [2, 3, 3], [0, 0, 1], [2, 3, 3], [0, 0, 1]],
  [4, [2, 4, 3, 3], [0, 0, 0, 1], [2, 3, 4, 3], [0, 0, 1, 1]],
  [5, [2, 4, 3, 5, 3], [0, 0, 0, 1, 1], [2, 5, 3, 4, 3], [0, 0, 0, 1, 1]],
  [6, [2, 4, 5, 3, 5, 3], [0, 0, 0, 0, 1, 1], [2, 5, 3, 4, 4, 3], [0, 0, 0, 1, 1, 1]],
  [
    9,
    [2, 4, 5, 16, 3, 5, 8, 10, 3],
    [0, 0, 0, 0, 0, 1, 1, 1, 1],
    [2, 5, 3, 4, 4, 4, 4, 4, 3],
    [0, 0, 0, 1, 1, 1, 1, 1, 1],
  ],
];

Deno.test("tokenizerFromJson() encodes and decodes as the reference does", () => {
  const tokenizer = small();
  for (const [text, ids, decoded] of REFERENCE) {
    assertEquals([...tokenizer.encode(text)], ids, text);
    assertEquals([...tokenizer.encode(text)], ids, `${text}, a second time`);
    assertEquals(tokenizer.decode(ids, { skipSpecial: true }), decoded);
    const plain = [...tokenizer.encode(text, { addSpecial: false })];
    assertEquals(plain, ids.slice(1, -1));
  }
  assertEquals([tokenizer.bosId, tokenizer.eosId, tokenizer.vocabularySize], [2, 3, 22]);
  assertEquals(tokenizer.maxTokens, undefined);
  assertEquals([...tokenizer.endIds], [3]);
});

Deno.test("encode() cuts a text to the tokens that are asked for, those around it included", () => {
  const tokenizer = small();
  const text = "the mills. the mills.";
  const whole = [2, 4, 5, 8, 10, 4, 5, 8, 10, 3];
  for (let maxTokens = 2; maxTokens < 14; maxTokens++) {
    const expected = [...whole.slice(0, -1).slice(0, maxTokens - 1), 3];
    assertEquals([...tokenizer.encode(text, { maxTokens })], expected);
    const plain = tokenizer.encode(text, { maxTokens, addSpecial: false });
    assertEquals([...plain], whole.slice(1, -1).slice(0, maxTokens));
  }
  for (const maxTokens of [0, -1, 1.5, NaN]) {
    const encode = () => tokenizer.encode(text, { maxTokens });
    assertThrows(encode, RangeError, "maxTokens is an integer of 1 or more");
  }
});

Deno.test("encodePair() shares the limit among two texts as the reference does", () => {
  const tokenizer = small();
  for (const [maxTokens, ids, typeIds, swapped, swappedTypes] of PAIRS) {
    const first = tokenizer.encodePair("the mill a a a a", "mills . ! a", { maxTokens });
    assertEquals([[...first.ids], [...first.typeIds]], [ids, typeIds]);
    const second = tokenizer.encodePair("mill", "the the the the the the the", { maxTokens });
    assertEquals([[...second.ids], [...second.typeIds]], [swapped, swappedTypes]);
  }
  const plain = tokenizer.encodePair("the mill", "a", { addSpecial: false });
  assertEquals([[...plain.ids], [...plain.typeIds]], [[4, 5, 16], [0, 0, 1]]);
});

Deno.test("encode() reads special tokens as plain text where it is asked to", () => {
  const tokenizer = small();
  const ids = tokenizer.encode("a[SEP]", { addSpecial: false, parseSpecial: false });
  assertEquals([...ids], [16, 1, 1, 1]);
  assertEquals([...tokenizer.encode("a[SEP]", { addSpecial: false })], [16, 3]);
});

Deno.test("a decoder of single tokens gives what decode() gives at once", () => {
  const tokenizer = small();
  for (const [, ids, decoded] of REFERENCE) {
    for (const skipSpecial of [true, false]) {
      const decoder = tokenizer.createDecoder({ skipSpecial });
      for (let round = 0; round < 2; round++) {
        const text = ids.map((id) => decoder.push(id)).join("") + decoder.flush();
        assertEquals(text, skipSpecial ? decoded : tokenizer.decode(ids));
      }
    }
  }
  const decoder = tokenizer.createDecoder({ continuation: true });
  assertEquals([5, 8, 4].map((id) => decoder.push(id)), [" mill", "s", " the"]);
  assertEquals(decoder.flush(), "");
});

Deno.test("tokenText(), tokenBytes() and decode() know the vocabulary, and its end", () => {
  const tokenizer = small();
  assertEquals([tokenizer.tokenText(8), tokenizer.tokenText(3)], ["##s", "[SEP]"]);
  assertEquals(new TextDecoder().decode(tokenizer.tokenBytes(13)), "中");
  assertEquals(tokenizer.tokenBytes(3).length, 0);
  for (const id of [-1, 22, 0.5, NaN]) {
    assertThrows(() => tokenizer.tokenText(id), RangeError, "outside the vocabulary (0 to 21)");
    assertThrows(() => tokenizer.decode([4, id]), RangeError, "outside the vocabulary");
  }
  assertEquals(tokenizer.decode([]), "");
});

Deno.test("maxTokens is what a model's maker set for sentences, or the least that files allow", () => {
  const maxTokens = (files: Record<string, unknown>) =>
    tokenizerFromJson({ tokenizer: smallTokenizer(), ...files }).maxTokens;
  const tokenizerConfig = { model_max_length: 512 };
  const config = { model_type: "bert", max_position_embeddings: 300 };
  const sentenceBertConfig = { max_seq_length: 256, do_lower_case: false };
  assertEquals(maxTokens({ tokenizerConfig, config, sentenceBertConfig }), 256);
  assertEquals(maxTokens({ tokenizerConfig, config }), 300);
  assertEquals(maxTokens({ tokenizerConfig }), 512);
  assertEquals(maxTokens({ sentenceBertConfig: { max_seq_length: 900 }, config }), 300);
  assertEquals(maxTokens({ tokenizerConfig: { model_max_length: 1e30 } }), undefined);
  const roberta = { model_type: "roberta", max_position_embeddings: 514, pad_token_id: 1 };
  assertEquals(maxTokens({ config: roberta, tokenizerConfig: { model_max_length: 1e30 } }), 512);
  for (const wrong of [-1, 0, 1.5, "7", null, true, {}]) {
    assertEquals(maxTokens({ sentenceBertConfig: { max_seq_length: wrong } }), undefined);
  }
  const limited = tokenizerFromJson({
    tokenizer: smallTokenizer(),
    sentenceBertConfig: { max_seq_length: 3 },
  });
  assertEquals([...limited.encode("the mill")], [2, 4, 3]);
  assertEquals(limited.encode("the mill", { maxTokens: Infinity }).length, 4);
});

Deno.test("files beside the tokenizer say how texts are cased and which tokens begin and end", () => {
  const tokenizer = smallTokenizer({ post_processor: null, normalizer: null });
  const files = {
    tokenizer,
    tokenizerConfig: { chat_template: "{{ x }}", cls_token: { content: "[CLS]" } },
    specialTokensMap: { sep_token: "[SEP]", cls_token: "the" },
    sentenceBertConfig: { do_lower_case: true },
  };
  const made = tokenizerFromJson(files);
  assertEquals([made.bosId, made.eosId, made.chatTemplate], [2, 3, "{{ x }}"]);
  assertEquals([...made.encode("THE mill")], [4, 5]);
  assertEquals([...tokenizerFromJson({ tokenizer }).encode("THE mill")], [1, 5]);
});

Deno.test("byte-level BPE goes through the library, its segments as RoBERTa has them", () => {
  const model = {
    type: "BPE",
    vocab: {
      "<s>": 0,
      "</s>": 1,
      m: 2,
      i: 3,
      l: 4,
      mi: 5,
      mil: 6,
      mill: 7,
      "Ġ": 8,
      "Ã": 9,
      "©": 10,
    },
    merges: ["m i", "mi l", "mil l"],
  };
  const tokenizer = tokenizerFromJson({
    tokenizer: {
      model,
      added_tokens: ["<s>", "</s>"].map((content, id) => ({ id, content, special: true })),
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
      post_processor: { type: "RobertaProcessing", cls: ["<s>", 0], sep: ["</s>", 1] },
      decoder: { type: "ByteLevel" },
    },
  });
  assertEquals([...tokenizer.encode("mill mié")], [0, 7, 8, 5, 9, 10, 1]);
  assertEquals([...tokenizer.encode("mill mié", { maxTokens: 4 })], [0, 7, 8, 1]);
  const pair = tokenizer.encodePair("mill", "mi");
  assertEquals([[...pair.ids], [...pair.typeIds]], [[0, 7, 1, 1, 5, 1], [0, 0, 0, 0, 0, 0]]);
  const decoder = tokenizer.createDecoder();
  assertEquals([7, 8, 9, 10, 2].map((id) => decoder.push(id)), ["mill", " ", "", "é", "m"]);
  const long = "mill".repeat(100_000);
  assertEquals(tokenizer.encode(long, { addSpecial: false }), new Int32Array(100_000).fill(7));
  const plain = tokenizer.encode("mill</s>", { addSpecial: false, parseSpecial: false });
  assert(!plain.includes(1));
});

Deno.test("texts that mean harm get a right answer or an error, in bounded time", () => {
  const tokenizer = small();
  assertEquals([...tokenizer.encode("a\ud800 \udc00 mill")], [2, 16, 5, 3]);
  const million = 1_000_000;
  assertEquals([...tokenizer.encode("a".repeat(10 * million))], [2, 1, 3]);
  const start = { maxTokens: 4 };
  assertEquals([...tokenizer.encode("!".repeat(10 * million), start)], [2, 11, 11, 3]);
  assertEquals([...tokenizer.encode("中".repeat(million), start)], [2, 13, 13, 3]);
  assertEquals([...tokenizer.encode("[SEP]".repeat(million), start)], [2, 3, 3, 3]);
  assertEquals(tokenizer.encode("中".repeat(million / 10)).length, million / 10 + 2);
  assertEquals([...tokenizer.encode("e" + "\u0301".repeat(million))], [2, 1, 3]);
});

Deno.test("a word too long for a unigram model is refused", () => {
  const vocab = [["<unk>", 0], ["▁", -2], ["a", -1], ["▁a", -1.5]];
  const tokenizer = tokenizerFromJson({
    tokenizer: {
      model: { type: "Unigram", unk_id: 0, vocab },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "WhitespaceSplit" },
          { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
        ],
      },
      decoder: { type: "Metaspace", replacement: "▁" },
    },
  });
  assertEquals([...tokenizer.encode("a aa")], [3, 3, 2]);
  const encode = () => tokenizer.encode("a".repeat(300_000));
  assertThrows(encode, RangeError, "a word of 300001 characters, more than 200000");
  assertEquals(tokenizer.encode("a ".repeat(150_000)).length, 150_000);
});

Deno.test("tokenizerFromJson() refuses what describes no tokenizer", () => {
  const refused = (tokenizer: unknown, message: string) =>
    assertThrows(() => tokenizerFromJson({ tokenizer }), TypeError, message);
  for (const value of [null, 1, "x", []]) refused(value, "tokenizer.json is not an object");
  refused({}, "has no model");
  refused({ model: {} }, "model has no vocab");
  refused({ model: { vocab: "x" } }, "model has no vocab");
  for (const id of [-1, 1.5, "1", null, 2 ** 40]) {
    refused({ model: { vocab: { a: id } } }, 'the token "a" has the id');
  }
  refused({ model: { vocab: [["a"]] } }, "vocab[0] is not a token with its score");
  refused(smallTokenizer({ added_tokens: {} }), "added_tokens is not an array");
  refused(smallTokenizer({ added_tokens: [{ id: 1 }] }), "added_tokens[0] has no content");
  refused(smallTokenizer({ added_tokens: [{ id: -1, content: "x" }] }), 'token "x" has the id -1');
  refused(smallTokenizer({ normalizer: "NFC" }), "normalizer that is not an object");
  for (const step of ["normalizer", "pre_tokenizer", "post_processor", "decoder"]) {
    refused(smallTokenizer({ [step]: { type: "Nonsense" } }), "tokenizer.json cannot be used");
  }
  refused(smallTokenizer({}, { unk_token: "[NONE]" }), 'the vocabulary has no "[NONE]"');
  const post = { type: "BertProcessing", cls: ["[NONE]", 7], sep: ["[SEP]", 3] };
  refused(smallTokenizer({ post_processor: post }), 'the token "[NONE]" around texts is not');
  refused({ model: { type: "BPE", vocab: { a: 0 }, merges: 7 } }, "cannot be used");
});
