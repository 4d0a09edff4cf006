/**
 * Models that must be refused: each ends in one error that names the file and
 * what is wrong, and nothing is leaked.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { SMALL, smallGguf, type SmallGgufOptions } from "../support/small_gguf.ts";
import { modelFromBytes, smallModel } from "../support/small_model.ts";
import { parseGguf } from "../../lib/formats/mod.ts";

interface Refusal {
  what: string;
  options: SmallGgufOptions;
  kind: typeof SyntaxError | typeof RangeError | typeof TypeError;
  words: string;
}

const norm = { type: "F32", shape: [SMALL.dim + 32], data: new Uint8Array(4 * (SMALL.dim + 32)) };
const query = { type: "F32", shape: [8, 8], data: new Uint8Array(256) };
const half = { type: "F16", shape: [SMALL.dim], data: new Uint8Array(2 * SMALL.dim) };

const refusals: Refusal[] = [
  {
    what: "another architecture",
    options: { metadata: { "general.architecture": "mamba" } },
    kind: RangeError,
    words: 'the architecture "mamba" is not supported; Quern runs llama',
  },
  {
    what: "no architecture",
    options: { metadata: { "general.architecture": undefined } },
    kind: RangeError,
    words: "small.gguf: the architecture",
  },
  {
    what: "a missing size",
    options: { metadata: { "llama.block_count": undefined } },
    kind: SyntaxError,
    words: "small.gguf: metadata llama.block_count is missing",
  },
  {
    what: "a size of zero",
    options: { metadata: { "llama.context_length": 0 } },
    kind: SyntaxError,
    words: "metadata llama.context_length is 0, expected a positive size",
  },
  {
    what: "a size that is a text",
    options: { metadata: { "llama.embedding_length": "many" } },
    kind: SyntaxError,
    words: "metadata llama.embedding_length is not a number",
  },
  {
    what: "more layers than there are",
    options: { metadata: { "llama.block_count": 3 } },
    kind: SyntaxError,
    words: "tensor blk.2.attn_norm.weight is missing",
  },
  {
    what: "two thousand million layers",
    options: { metadata: { "llama.block_count": 2_000_000_000 } },
    kind: SyntaxError,
    words: "tensor blk.2.attn_norm.weight is missing",
  },
  {
    what: "heads that cannot share keys",
    options: { metadata: { "llama.attention.head_count_kv": 3 } },
    kind: SyntaxError,
    words: "small.gguf: 4 query heads cannot share 3 key heads evenly",
  },
  {
    what: "an odd number of rotary elements",
    options: { metadata: { "llama.rope.dimension_count": 7 } },
    kind: SyntaxError,
    words: "7 rotary elements do not fit a head of 16",
  },
  {
    what: "experts",
    options: { metadata: { "llama.expert_count": 8 } },
    kind: RangeError,
    words: "a mixture of experts is not supported",
  },
  {
    what: "an unknown rotary scaling",
    options: { metadata: { "llama.rope.scaling.type": "yarn" } },
    kind: RangeError,
    words: "rotary scaling of type yarn is not supported",
  },
  {
    what: "a norm of another length",
    options: { tensors: { "output_norm.weight": norm } },
    kind: SyntaxError,
    words: "tensor output_norm.weight is [96], expected [64]",
  },
  {
    what: "a matrix of another shape",
    options: { tensors: { "blk.1.attn_q.weight": query } },
    kind: SyntaxError,
    words: "tensor blk.1.attn_q.weight is [8, 8], expected [64, 64]",
  },
  {
    what: "a norm that is not float32",
    options: { tensors: { "blk.0.ffn_norm.weight": half } },
    kind: RangeError,
    words: "tensor blk.0.ffn_norm.weight is stored as float16, expected float32",
  },
  {
    what: "no embedding",
    options: { tensors: { "token_embd.weight": undefined } },
    kind: SyntaxError,
    words: "tensor token_embd.weight is missing",
  },
  {
    what: "an unknown pre-tokenizer",
    options: { metadata: { "tokenizer.ggml.pre": "tea-leaves" } },
    kind: TypeError,
    words: "tea-leaves",
  },
];

for (const { what, options, kind, words } of refusals) {
  Deno.test(
    `a model with ${what} is refused`,
    withoutLeaks(() => {
      const error = assertThrows(() => smallModel(options), kind);
      assertStringIncludes(error.message, words);
    }),
  );
}

Deno.test(
  "a model cut off anywhere is refused",
  withoutLeaks(() => {
    const { bytes } = smallGguf({ type: "Q4_0" });
    const { dataOffset } = parseGguf(bytes);
    // Every byte of the header, then a prime step through the tensors' data.
    for (let length = 0; length < bytes.length; length += length < dataOffset ? 1 : 97) {
      const error = assertThrows(() => modelFromBytes(bytes.subarray(0, length)), SyntaxError);
      assert(/small\.gguf: .* at offset \d+/s.test(error.message), error.message);
    }
  }),
);

Deno.test("a type without a kernel is refused by name, with those that have one", () => {
  const wide = { type: "Q6_K", shape: [300, 256], data: new Uint8Array(300 * 210) };
  const options: SmallGgufOptions = {
    metadata: { "llama.embedding_length": 256 },
    tensors: { "token_embd.weight": wide },
  };
  const error = assertThrows(() => smallModel(options), RangeError);
  assertEquals(
    error.message,
    "small.gguf: tensor token_embd.weight is stored as Q6_K, which is not supported; " +
      "use a file with F32, F16, BF16, Q8_0, Q4_0, Q4_1",
  );
});
