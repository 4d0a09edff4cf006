/**
 * The encoder that is trained: PyTorch's rows from the same files, padding that changes nothing,
 * and gradients.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { encoderReferences, Formula } from "../support/small_encoder.ts";
import { Hyperparameters, readSentenceEncoder, SentenceEncoder } from "../../lib/models/mod.ts";
import { noGrad } from "../../lib/autograd/mod.ts";
import { pool } from "../../lib/memory/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { checkLayer, flat } from "../nn/support.ts";

const sequences = [
  [3, 5, 9, 12],
  [7],
  [2, 2, 30, 11, 4, 6, 39, 8, 10, 13, 14, 15, 16, 17, 18, 19, 20, 21],
];
const trained = ["bert", "bert, gelu_new", "roberta", "xlm-roberta"];

/** An encoder of the formula; see small_encoder.ts. */
function read(name: string, use = {}, changes = {}): SentenceEncoder {
  const { config, shapes } = encoderReferences[name];
  const values = new Hyperparameters("config.json", (key) => ({ ...config, ...changes })[key]);
  return readSentenceEncoder(values, new Formula(new Map(Object.entries(shapes))), use);
}

/** Sequences with padding behind them. */
function padded(tokens: number): { ids: Tensor<"int32">; mask: Tensor<"int32"> } & Disposable {
  const fill = (of: (id: number) => number, rest: number) =>
    Tensor.from(
      sequences.map((one) =>
        Array.from({ length: tokens }, (_, i) => {
          return i < one.length ? of(one[i]) : rest;
        })
      ),
      "int32",
    );
  const ids = fill((id) => id, 1);
  const mask = fill(() => 1, 0);
  const dispose = () => [ids, mask].forEach((each) => each.dispose());
  return { ids, mask, [Symbol.dispose]: dispose };
}

for (const name of trained) {
  Deno.test(
    `a sentence encoder of ${name}'s files gives the rows of PyTorch's, with padding too`,
    withoutLeaks(() => {
      using encoder = read(name, { normalize: false });
      using batch = padded(18);
      const { hidden: expected } = encoderReferences[name];
      for (const training of [true, false]) {
        encoder.train(training);
        using rows = encoder.hidden(batch.ids, { mask: batch.mask });
        const found = rows.toArray() as number[][][];
        sequences.forEach((one, i) => {
          assertClose(found[i].slice(0, one.length).flat(), expected[i].flat(), 2e-5);
        });
        using vectors = encoder.forward(batch.ids, { mask: batch.mask });
        const means = expected.map((rows) =>
          rows[0].map((_, j) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length)
        );
        assertClose(flat(vectors), means.flat(), 2e-5);
      }
    }),
  );
}

Deno.test(
  "a sentence encoder's vectors are means or first rows, of length 1 or not",
  withoutLeaks(() => {
    using ids = Tensor.from([3, 5, 9, 12], "int32");
    const { hidden: [rows] } = encoderReferences.bert;
    using first = read("bert", { pooling: "cls", normalize: false });
    for (const training of [true, false]) {
      using vector = first.train(training).forward(ids);
      using other = Tensor.from([7], "int32");
      first.forward(other).dispose();
      assertClose(flat(vector), rows[0], 2e-5);
    }
    using whole = read("bert", { pooling: "cls" });
    using unit = whole.forward(ids);
    assertClose(flat(unit), rows[0].map((x) => x / Math.hypot(...rows[0])), 2e-5);
  }),
);

Deno.test(
  "gradients of a sentence encoder are the slopes of differences",
  withoutLeaks(() => {
    const sizes = { vocabularySize: 5, dim: 4, layers: 2, heads: 2, hidden: 3, contextLength: 4 };
    using ids = Tensor.from([[1, 2, 3], [4, 0, 0]], "int32");
    using mask = Tensor.from([[true, true, true], [true, true, false]], "bool");
    using types = Tensor.from([[0, 0, 1], [0, 1, 1]], "int32");
    for (const pooling of ["mean", "cls"] as const) {
      using encoder = new SentenceEncoder({ ...sizes, pooling, dtype: "float64", seed: 1 });
      // Larger than in training, so that slopes are not lost among digits.
      noGrad(() => {
        for (const tensor of Object.values(encoder.parameters())) {
          using values = Tensor.randn(tensor.shape, { seed: tensor.size, dtype: "float64" });
          tensor.copyFrom(values);
        }
      });
      checkLayer(encoder, [], () => encoder.forward(ids, { mask, types }));
    }
  }),
);

Deno.test(
  "a sentence encoder holds nothing more after another pass, and dropout is for training",
  withoutLeaks(() => {
    using encoder = read("bert", { dropout: 0.5, seed: 1 });
    using batch = padded(20);
    const run = () => {
      using vectors = encoder.forward(batch.ids, { mask: batch.mask });
      return flat(vectors);
    };
    const passes = [run(), run()].map(String);
    assert(passes[0] !== passes[1], "dropout in training");
    encoder.eval();
    const first = run();
    const { liveBytes } = pool.stats();
    assertEquals(run(), first);
    assertEquals(pool.stats().liveBytes, liveBytes);
  }),
);

Deno.test(
  "files without biases or types of tokens are read, others that lack something are refused",
  withoutLeaks(() => {
    const { config, shapes } = encoderReferences.bert;
    const values = new Hyperparameters("config.json", (key) => config[key]);
    const without = (name: string) => {
      const { [name]: _, ...rest } = shapes;
      return readSentenceEncoder(values, new Formula(new Map(Object.entries(rest))));
    };
    using unbiased = without("encoder.layer.1.output.dense.bias");
    assertEquals(flat(unbiased.blocks[1].mlp.down.bias!), Array(16).fill(0));
    using untyped = without("embeddings.token_type_embeddings.weight");
    assertEquals(untyped.types, undefined);
    for (
      const name of ["encoder.layer.0.attention.output.LayerNorm.bias", "embeddings.LayerNorm.bias"]
    ) {
      assertThrows(() => without(name), SyntaxError, `tensor ${name} is missing`);
    }
    assertThrows(() => read("bert", {}, { model_type: "mpnet" }), RangeError, '"mpnet"');
    assertThrows(
      () => read("bert", {}, { position_embedding_type: "relative_key" }),
      RangeError,
      "positions of type relative_key",
    );
  }),
);

Deno.test(
  "a sentence encoder refuses ids, masks and kinds that do not fit",
  withoutLeaks(() => {
    using encoder = read("bert");
    using long = Tensor.ones([1, 21], "int32");
    using ids = Tensor.ones([2, 3], "int32");
    using mask = Tensor.ones([3], "int32");
    using unknown = Tensor.from([40], "int32");
    const forward = (...args: Parameters<SentenceEncoder["forward"]>) => () =>
      encoder.forward(...args).dispose();
    assertThrows(forward(long), RangeError, "[1, 21], expected […, tokens] of at most 20 tokens");
    assertThrows(forward(ids, { mask }), RangeError, "ids are [2, 3], and their mask or types [3]");
    assertThrows(forward(unknown), RangeError, "tokens: embedding: ");
    const sizes = { vocabularySize: 5, dim: 4, layers: 1, heads: 2, contextLength: 4 };
    assertThrows(() => new SentenceEncoder({ ...sizes, layers: 0 }), RangeError, "layers is 0");
    assertThrows(() => new SentenceEncoder({ ...sizes, heads: 3 }), RangeError, "3 heads");
    const pooling = "max" as "mean";
    assertThrows(() => new SentenceEncoder({ ...sizes, pooling }), TypeError, 'pooling is "max"');
  }),
);
