/**
 * Expected pieces come from the Python package `tokenizers` 0.23.3, with each model's own
 * pre-tokenizer (Digits and ByteLevel, or Split with the model's expression and ByteLevel).
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  PRE_TOKENIZER_NAMES,
  preTokenizerJson,
  preTokenizerNamed,
} from "../../lib/tokenizers/pre_tokenizers.ts";
import { bytesOfToken } from "../../lib/tokenizers/token_bytes.ts";
import { readVocabulary } from "../../lib/tokenizers/gguf_vocabulary.ts";

const TEXTS = [
  "The mill's wheel turned 1987 times.",
  "it'S I'LL we've 'd",
  "  two   spaces before\n\n  and  after  ",
  "x = [1, 22, 333, 4444];\n\treturn x;\n",
  "tab\t\tline\r\nend \r\n",
  "na\u00efve fa\u00e7ade, gr\u00f6\u00dfer",
  "\u6771\u4eac\u30bf\u30ef\u30fc 3\u3064\u3002",
  "\u00bd \u2167 \u0663\u0664 \u00b2",
  "a\u00a0b\u3000c\u0085d",
  "\ud83d\ude42\ud83d\ude42 ok!?...\n\n\n",
  "-- (a)_b__c",
  "e\u0301 \ufeffx",
];

const EXPECTED: Record<string, string[][]> = {
  "gpt-2": [
    ["The", " mill", "'s", " wheel", " turned", " 1987", " times", "."],
    ["it", "'", "S", " I", "'", "LL", " we", "'ve", " '", "d"],
    [" ", " two", "  ", " spaces", " before", "\n\n ", " and", " ", " after", "  "],
    [
      "x",
      " =",
      " [",
      "1",
      ",",
      " 22",
      ",",
      " 333",
      ",",
      " 4444",
      "];",
      "\n",
      "\t",
      "return",
      " x",
      ";",
      "\n",
    ],
    ["tab", "\t", "\t", "line", "\r", "\n", "end", " \r\n"],
    ["na\u00efve", " fa\u00e7ade", ",", " gr\u00f6\u00dfer"],
    ["\u6771\u4eac\u30bf\u30ef\u30fc", " 3", "\u3064", "\u3002"],
    ["\u00bd", " \u2167", " \u0663\u0664", " \u00b2"],
    ["a", "\u00a0", "b", "\u3000", "c", "\u0085", "d"],
    ["\ud83d\ude42\ud83d\ude42", " ok", "!?...", "\n\n\n"],
    ["--", " (", "a", ")_", "b", "__", "c"],
    ["e", "\u0301", " \ufeff", "x"],
  ],
  "smollm": [
    ["The", " mill", "'s", " wheel", " turned", " ", "1", "9", "8", "7", " times", "."],
    ["it", "'", "S", " I", "'", "LL", " we", "'ve", " '", "d"],
    [" ", " two", "  ", " spaces", " before", "\n\n ", " and", " ", " after", "  "],
    [
      "x",
      " =",
      " [",
      "1",
      ",",
      " ",
      "2",
      "2",
      ",",
      " ",
      "3",
      "3",
      "3",
      ",",
      " ",
      "4",
      "4",
      "4",
      "4",
      "];",
      "\n",
      "\t",
      "return",
      " x",
      ";",
      "\n",
    ],
    ["tab", "\t", "\t", "line", "\r", "\n", "end", " \r\n"],
    ["na\u00efve", " fa\u00e7ade", ",", " gr\u00f6\u00dfer"],
    ["\u6771\u4eac\u30bf\u30ef\u30fc", " ", "3", "\u3064", "\u3002"],
    ["\u00bd", " ", "\u2167", " ", "\u0663", "\u0664", " ", "\u00b2"],
    ["a", "\u00a0", "b", "\u3000", "c", "\u0085", "d"],
    ["\ud83d\ude42\ud83d\ude42", " ok", "!?...", "\n\n\n"],
    ["--", " (", "a", ")_", "b", "__", "c"],
    ["e", "\u0301", " \ufeff", "x"],
  ],
  "llama-bpe": [
    ["The", " mill", "'s", " wheel", " turned", " ", "198", "7", " times", "."],
    ["it", "'S", " I", "'LL", " we", "'ve", " '", "d"],
    [" ", " two", "  ", " spaces", " before", "\n\n", " ", " and", " ", " after", "  "],
    [
      "x",
      " =",
      " [",
      "1",
      ",",
      " ",
      "22",
      ",",
      " ",
      "333",
      ",",
      " ",
      "444",
      "4",
      "];\n",
      "\treturn",
      " x",
      ";\n",
    ],
    ["tab", "\t", "\tline", "\r\n", "end", " \r\n"],
    ["na\u00efve", " fa\u00e7ade", ",", " gr\u00f6\u00dfer"],
    ["\u6771\u4eac\u30bf\u30ef\u30fc", " ", "3", "\u3064", "\u3002"],
    ["\u00bd", " ", "\u2167", " ", "\u0663\u0664", " ", "\u00b2"],
    ["a", "\u00a0b", "\u3000c", "\u0085d"],
    ["\ud83d\ude42\ud83d\ude42", " ok", "!?...\n\n\n"],
    ["--", " (", "a", ")_", "b", "__", "c"],
    ["e", "\u0301", " \ufeff", "x"],
  ],
  "qwen2": [
    ["The", " mill", "'s", " wheel", " turned", " ", "1", "9", "8", "7", " times", "."],
    ["it", "'S", " I", "'LL", " we", "'ve", " '", "d"],
    [" ", " two", "  ", " spaces", " before", "\n\n", " ", " and", " ", " after", "  "],
    [
      "x",
      " =",
      " [",
      "1",
      ",",
      " ",
      "2",
      "2",
      ",",
      " ",
      "3",
      "3",
      "3",
      ",",
      " ",
      "4",
      "4",
      "4",
      "4",
      "];\n",
      "\treturn",
      " x",
      ";\n",
    ],
    ["tab", "\t", "\tline", "\r\n", "end", " \r\n"],
    ["na\u00efve", " fa\u00e7ade", ",", " gr\u00f6\u00dfer"],
    ["\u6771\u4eac\u30bf\u30ef\u30fc", " ", "3", "\u3064", "\u3002"],
    ["\u00bd", " ", "\u2167", " ", "\u0663", "\u0664", " ", "\u00b2"],
    ["a", "\u00a0b", "\u3000c", "\u0085d"],
    ["\ud83d\ude42\ud83d\ude42", " ok", "!?...\n\n\n"],
    ["--", " (", "a", ")_", "b", "__", "c"],
    ["e", "\u0301", " \ufeff", "x"],
  ],
};

/** The pieces of a text, turned back from the byte-level alphabet. */
function pieces(name: string, text: string): string[] {
  const rule = preTokenizerNamed(name);
  assert(rule !== undefined);
  const tokenizer = new Tokenizer({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: preTokenizerJson(rule),
    model: { type: "BPE", vocab: {}, merges: [] },
    post_processor: null,
    decoder: null,
  }, {});
  assert(tokenizer.pre_tokenizer !== null);
  return tokenizer.pre_tokenizer.pre_tokenize(text).map(fromAlphabet);
}

function fromAlphabet(piece: string): string {
  const vocabulary = readVocabulary(
    new Map<string, string | string[] | Int32Array>([
      ["tokenizer.ggml.model", "gpt2"],
      ["tokenizer.ggml.tokens", [piece]],
      ["tokenizer.ggml.token_type", Int32Array.of(1)],
      ["tokenizer.ggml.merges", []],
    ]),
  );
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytesOfToken(vocabulary, 0));
}

for (const [name, expected] of Object.entries(EXPECTED)) {
  Deno.test(`pre-tokenizer ${name} cuts texts where the model's own does`, () => {
    TEXTS.forEach((text, index) => assertEquals(pieces(name, text), expected[index]));
  });
}

Deno.test("pre-tokenizer default separates punctuation, numbers and digits in threes", () => {
  assertEquals(pieces("default", "it's 12345.6"), ["it", "'", "s", " ", "123", "45", ".", "6"]);
});

Deno.test("every pre-tokenizer keeps every character", () => {
  const text = "\0a\t\u0301\u200b\ue000\u{10ffff} 9½ \r\n'S'\u2028ſ\u0378 ---\u3000中 ".repeat(3);
  for (const name of PRE_TOKENIZER_NAMES) assertStrictEquals(pieces(name, text).join(""), text);
});

Deno.test("a contraction with a long s is no contraction", () => {
  assertEquals(pieces("qwen2", "it'ſ"), ["it", "'ſ"]);
});
