/**
 * Encoders against PyTorch in float64; see tests/support/small_encoder.ts.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import "../support/native.ts";
import {
  encoderReferences,
  encoderRows,
  Formula,
  normName,
  smallEncoder,
} from "../support/small_encoder.ts";
import type { DType } from "../../lib/core/dtype.ts";
import type { Shape } from "../../lib/core/shape.ts";
import { pool } from "../../lib/memory/mod.ts";
import { ggufEncoderArchitecture, Hyperparameters, Weights } from "../../lib/models/mod.ts";
import { bucketOf } from "../../lib/models/mpnet.ts";
import type { Tensor } from "../../lib/tensor/mod.ts";

const sequences = [
  [3, 5, 9, 12],
  [7],
  [2, 2, 30, 11, 4, 6, 39, 8, 10, 13, 14, 15, 16, 17, 18, 19, 20, 21],
];

for (const [name, entry] of Object.entries(encoderReferences)) {
  Deno.test(`${name} gives the rows of PyTorch's`, () => {
    using encoder = smallEncoder(entry);
    const got = encoderRows(encoder, sequences);
    const expected = entry.hidden.flat(2);
    assertEquals(got.length, expected.length);
    const worst = Math.max(...expected.map((value, i) => Math.abs(value - got[i])));
    assert(worst < 2e-5, `${worst}`);
  });

  Deno.test(`${name} gives a sequence the same bits in any company`, () => {
    using encoder = smallEncoder(entry);
    const alone = sequences.map((ids) => encoderRows(encoder, [ids]));
    assertEquals(
      encoderRows(encoder, sequences),
      Float32Array.from(alone.flatMap((rows) => [...rows])),
    );
    const turned = encoderRows(encoder, sequences.toReversed());
    assertEquals(turned.subarray(0, alone[2].length), alone[2]);
  });

  Deno.test(`${name} leaves nothing behind, whole or not`, () => {
    const { liveBytes } = pool.stats();
    smallEncoder(entry)[Symbol.dispose]();
    assertEquals(pool.stats().liveBytes, liveBytes);
    for (const missing of Object.keys(entry.shapes)) {
      const { [missing]: _, ...shapes } = entry.shapes;
      if (isOptional(missing)) smallEncoder({ ...entry, shapes })[Symbol.dispose]();
      else assertThrows(() => smallEncoder({ ...entry, shapes }), SyntaxError, missing);
      assertEquals(pool.stats().liveBytes, liveBytes);
    }
  });
}

/** Biases of products, and types of tokens, which some files do without. */
function isOptional(name: string): boolean {
  return name.includes("token_type") || (name.endsWith(".bias") && !normName.test(name));
}

Deno.test("MPNet's buckets are those of PyTorch's float32 at powers of two", () => {
  // transformers' relative_position_bucket of 32 buckets, for keys before and behind.
  const expected: [distance: number, bucket: number][] = [
    [0, 0],
    [-1, 1],
    [-7, 7],
    [-8, 8],
    [-11, 8],
    [-12, 9],
    [-16, 10],
    [-32, 12],
    [-64, 14],
    [-127, 15],
    [-511, 15],
    [1, 17],
    [7, 23],
    [8, 24],
    [16, 26],
    [32, 28],
    [64, 30],
    [511, 31],
  ];
  for (const [distance, bucket] of expected) assertEquals(bucketOf(distance, 32), bucket);
});

/** What GGUF calls the tensors of an encoder, and PyTorch. */
const ggufNames: Readonly<Record<string, readonly [gguf: RegExp, torch: string][]>> = {
  bert: [
    [/^token_embd\./, "embeddings.word_embeddings."],
    [/^position_embd\./, "embeddings.position_embeddings."],
    [/^token_types\./, "embeddings.token_type_embeddings."],
    [/^token_embd_norm\./, "embeddings.LayerNorm."],
    [/^blk\.(\d+)\./, "encoder.layer.$1."],
    [/attn_q\./, "attention.self.query."],
    [/attn_k\./, "attention.self.key."],
    [/attn_v\./, "attention.self.value."],
    [/attn_output\./, "attention.output.dense."],
    [/attn_output_norm\./, "attention.output.LayerNorm."],
    [/ffn_up\./, "intermediate.dense."],
    [/ffn_down\./, "output.dense."],
    [/layer_output_norm\./, "output.LayerNorm."],
  ],
  nomic_bert: [
    [/^token_embd\./, "embeddings.word_embeddings."],
    [/^token_types\./, "embeddings.token_type_embeddings."],
    [/^token_embd_norm\./, "emb_ln."],
    [/^blk\.(\d+)\./, "encoder.layers.$1."],
    [/attn_qkv\./, "attn.Wqkv."],
    [/attn_output\./, "attn.out_proj."],
    [/attn_output_norm\./, "norm1."],
    [/ffn_up\./, "mlp.fc11."],
    [/ffn_gate\./, "mlp.fc12."],
    [/ffn_down\./, "mlp.fc2."],
    [/layer_output_norm\./, "norm2."],
  ],
};

/** PyTorch's tensors under the names that GGUF has for them. */
class Renamed extends Formula {
  readonly #names: readonly [RegExp, string][];

  constructor(shapes: ReadonlyMap<string, Shape>, names: readonly [RegExp, string][]) {
    super(shapes);
    this.#names = names;
  }

  override shape(name: string): Shape | undefined {
    return super.shape(this.#torchName(name));
  }

  override open(name: string): Tensor<DType> {
    return super.open(this.#torchName(name));
  }

  #torchName(name: string): string {
    return this.#names.reduce((text, [gguf, torch]) => text.replace(gguf, torch), name);
  }
}

for (const [name, names] of Object.entries(ggufNames)) {
  Deno.test(`${name} from a GGUF file gives the same bits`, () => {
    const entry = encoderReferences[name];
    const architecture = name.replace("_", "-");
    const metadata: Record<string, unknown> = {
      "general.architecture": architecture,
      [`${architecture}.block_count`]: 2,
      [`${architecture}.embedding_length`]: 16,
      [`${architecture}.feed_forward_length`]: 24,
      [`${architecture}.attention.head_count`]: 4,
      [`${architecture}.attention.layer_norm_epsilon`]: 1e-12,
      [`${architecture}.context_length`]: 20,
      [`${architecture}.rope.freq_base`]: 1000,
    };
    const weights = new Weights(new Renamed(new Map(Object.entries(entry.shapes)), names));
    const values = new Hyperparameters("small.gguf", (key) => metadata[key]);
    using encoder = ggufEncoderArchitecture(architecture, "small.gguf")(values, weights);
    using expected = smallEncoder(entry);
    assertEquals(encoderRows(encoder, sequences), encoderRows(expected, sequences));
  });
}
