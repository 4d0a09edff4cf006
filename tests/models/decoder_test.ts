/**
 * Decoders: held against a forward pass in plain float64, against differences, and against
 * the runtime that runs the file they are written to.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseGguf, writeGguf } from "../../lib/formats/mod.ts";
import { pool, PooledStorage } from "../../lib/memory/mod.ts";
import {
  Decoder,
  decoderFromGguf,
  type DecoderOptions,
  decoderToGguf,
} from "../../lib/models/mod.ts";
import { LoraAdapters } from "../../lib/nn/mod.ts";
import { AdamW } from "../../lib/optim/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { checkLayer, type Doubles } from "../nn/support.ts";
import { withoutLeaks, withoutLeaksAsync } from "../support/native.ts";
import { referenceLogits } from "../support/reference_llama.ts";
import { smallGguf, type SmallGgufOptions } from "../support/small_gguf.ts";
import { modelFromBytes } from "../support/small_model.ts";

const IDS = [5, 99, 42, 42, 7, 260, 0, 13];

const sizes = { vocabularySize: 11, dim: 8, layers: 2, heads: 2, contextLength: 6, seed: 3 };

/** As GPT-2, but smaller. */
const gpt = {
  ...sizes,
  positions: "learned",
  normalization: "layer",
  activation: "gelu",
  bias: true,
} as const;

/** A decoder of the bytes of a GGUF file. */
function decoderOf(bytes: Uint8Array): Decoder {
  const storage = new PooledStorage(bytes.length);
  try {
    new Uint8Array(storage.buffer, storage.bufferOffset, bytes.length).set(bytes);
    return decoderFromGguf(parseGguf(bytes, { name: "x.gguf" }), storage, "x.gguf");
  } finally {
    storage.release();
  }
}

/** The squared distance of two lists, as a part of the second's. */
function nmse(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [distance, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    distance += (actual[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return distance / size;
}

for (
  const [what, options] of Object.entries<SmallGgufOptions>({
    "in float32": {},
    "with a head of its own": { tied: false },
    "in q8_0": { type: "Q8_0" },
    "in float16": { type: "F16" },
  })
) {
  Deno.test(
    `a decoder of a file ${what} gives the logits of a pass in float64`,
    withoutLeaks(() => {
      const small = smallGguf(options);
      using decoder = decoderOf(small.bytes);
      using ids = Tensor.from(IDS, "int32");
      using logits = decoder.forward(ids);
      const expected = referenceLogits(small, IDS).flat();
      assertEquals(logits.shape, [IDS.length, 300]);
      assert(nmse(logits.data, expected) < 1e-11, String(nmse(logits.data, expected)));
    }),
  );
}

Deno.test(
  "a decoder that is written to a file and read again has the same bits, and the runtime runs it",
  withoutLeaksAsync(async () => {
    const { metadata } = smallGguf();
    for (const tied of [true, false]) {
      const options = { vocabularySize: 300, dim: 24, layers: 3, heads: 4, contextLength: 32 };
      using decoder = new Decoder({ ...options, keyValueHeads: 2, tied, seed: 5, epsilon: 1e-6 });
      const bytes = writeGguf(decoderToGguf(decoder, {
        metadata: [...metadata].filter(([key]) => /^(tokenizer|general)/.test(key)),
        types: new Map([["tokenizer.ggml.token_type", "int32[]"]]),
      }));
      using read = decoderOf(bytes);
      const own = decoder.parameters();
      const names = Object.keys(read.parameters());
      assertEquals(names, Object.keys(own));
      for (const [name, tensor] of Object.entries(read.parameters())) {
        assertEquals(tensor.data, own[name].data, name);
      }
      using ids = Tensor.from(IDS, "int32");
      using logits = decoder.eval().forward(ids);
      using model = modelFromBytes(bytes);
      using session = model.createSession({ precision: "exact" });
      const last = await session.logits(IDS);
      assert(nmse(last, logits.data.slice(-300)) < 1e-11);
    }
  }),
);

Deno.test(
  "gradients of decoders of every kind agree with differences",
  withoutLeaks(() => {
    const kinds: Record<string, DecoderOptions<"float64">> = {
      llama: { ...sizes, keyValueHeads: 1, dtype: "float64" },
      "with a head of its own": { ...sizes, layers: 1, tied: false, dtype: "float64" },
      gpt: { ...gpt, dtype: "float64" },
    };
    for (const options of Object.values(kinds)) {
      using decoder = new Decoder(options);
      // The first values of biases and norms are all alike, and weights are small.
      for (const tensor of Object.values(decoder.parameters()) as Doubles[]) {
        for (let i = 0; i < tensor.size; i++) tensor.data[i] += Math.sin(5 * i + tensor.size) / 3;
      }
      using ids = Tensor.from([[3, 1, 4], [1, 5, 9]], "int32");
      using targets = Tensor.from([[1, 4, -100], [5, 9, 2]], "int32");
      checkLayer(decoder, [ids, targets], () => decoder.loss(ids, targets));
    }
  }),
);

Deno.test(
  "a sequence that comes piece by piece has the logits of the whole",
  withoutLeaks(() => {
    for (const options of [sizes, gpt]) {
      using decoder = new Decoder<"float32">(options).eval();
      using ids = Tensor.from([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]], "int32");
      using whole = decoder.forward(ids);
      const caches = decoder.createCaches({ tokens: 5, batch: [2] });
      const rows: number[][][] = [[], []];
      for (const [start, end] of [[0, 2], [2, 3], [3, 5]]) {
        using piece = ids.slice(start, end, { axis: 1 });
        using logits = decoder.forward(piece, { caches });
        const each = logits.toArray() as number[][][];
        each.forEach((sequence, i) => rows[i].push(...sequence));
      }
      assert(nmse(rows.flat(2), whole.data) < 1e-12);
      assertThrows(
        () => decoder.forward(ids, { caches: caches.slice(1) }),
        RangeError,
        "Decoder: 1 caches for 2 blocks",
      );
      for (const cache of caches) cache.dispose();
    }
  }),
);

Deno.test(
  "a decoder learns a sequence by heart, and allocates nothing once it is warm",
  withoutLeaks(() => {
    for (const options of [sizes, gpt]) {
      using decoder = new Decoder<"float32">({ ...options, dropout: 0.05 });
      using optimizer = new AdamW(decoder.parameters(), { learningRate: 0.02, weightDecay: 0 });
      using ids = Tensor.from([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]], "int32");
      using targets = Tensor.from([[1, 4, 1, 5, 9], [2, 6, 5, 3, 5]], "int32");
      const step = () => {
        using loss = decoder.loss(ids, targets);
        loss.backward();
        optimizer.step();
        optimizer.zeroGrad();
        return loss.get();
      };
      assert(Math.abs(step() - Math.log(11)) < 0.3);
      for (let i = 0; i < 5; i++) step();
      const { misses, liveBytes, outstanding } = pool.stats();
      let loss = NaN;
      for (let i = 0; i < 100; i++) loss = step();
      assert(loss < 0.5, String(loss));
      const after = pool.stats();
      assertEquals(
        [after.misses, after.liveBytes, after.outstanding],
        [misses, liveBytes, outstanding],
      );
      decoder.eval();
      using trained = decoder.loss(ids, targets);
      assert(trained.get() < 0.3, String(trained.get()));
    }
  }),
);

Deno.test(
  "the same seed gives the same weights, of the deviations of GPT-2",
  withoutLeaks(() => {
    const options = { ...sizes, dim: 64, heads: 4, vocabularySize: 100 };
    using one = new Decoder(options);
    using same = new Decoder(options);
    using other = new Decoder({ ...options, seed: 4 });
    const of = (decoder: Decoder, name: string) => decoder.parameters()[name].data;
    const deviation = (data: ArrayLike<number | bigint>) =>
      Math.sqrt(Array.from(data).reduce((sum: number, x) => sum + Number(x) ** 2, 0) / data.length);
    for (const name of Object.keys(one.parameters())) {
      const isEqualTo = (decoder: Decoder) =>
        of(decoder, name).every((x: number | bigint, i: number) => x === of(one, name)[i]);
      assert(isEqualTo(same), name);
      assertEquals(isEqualTo(other), name.includes("orm"), name);
    }
    assert(Math.abs(deviation(of(one, "tokens.weight")) - 0.02) < 0.001);
    assert(Math.abs(deviation(of(one, "blocks.1.mlp.gate.weight")) - 0.02) < 0.001);
    assert(Math.abs(deviation(of(one, "blocks.1.mlp.down.weight")) - 0.01) < 0.0005);
    assertEquals(one.blocks[0].mlp.up.weight.shape, [192, 64]);
  }),
);

Deno.test(
  "decoders refuse what does not fit, and say what would",
  withoutLeaks(() => {
    const made = (options: object) => () => new Decoder({ ...sizes, ...options } as typeof sizes);
    assertThrows(made({ layers: 0 }), RangeError, "Decoder: layers is 0, expected an integer");
    assertThrows(made({ vocabularySize: 1.5 }), RangeError, "vocabularySize is 1.5");
    assertThrows(made({ positions: "absolute" }), TypeError, '"rotary" or "learned"');
    assertThrows(made({ heads: 3 }), RangeError, "no multiple of 3 heads");
    using decoder = new Decoder(sizes);
    using long = Tensor.zeros([2, 7], "int32");
    assertThrows(() => decoder.forward(long), RangeError, "do not fit a context of 6 tokens");
    using number = Tensor.zeros([], "int32");
    assertThrows(() => decoder.forward(number), RangeError, "ids are […, tokens]");
    using unknown = Tensor.full([2], 11, "int32");
    assertThrows(() => decoder.forward(unknown), RangeError, "tokens: embedding: ");
    using gpt2 = new Decoder<"float32">(gpt);
    assertThrows(
      () => decoderToGguf(gpt2),
      RangeError,
      "no place for LayerNorm, learned positions, the activation gelu, heads that do not turn in " +
        "adjacent pairs, biases",
    );
  }),
);

Deno.test(
  "a frozen decoder is written whole, and one with adapters once they are merged",
  withoutLeaks(() => {
    using decoder = new Decoder({ ...sizes, tied: false, dropout: 0.1 });
    const namesOf = () => Array.from(decoderToGguf(decoder).tensors, ({ name }) => name);
    const names = namesOf();
    assertEquals([names.length, new Set(names).size], [2 * 9 + 3, names.length]);
    using adapters = new LoraAdapters(decoder, { rank: 2 });
    assertThrows(namesOf, RangeError, "no place for adapters that are not merged");
    adapters.merge();
    assertEquals(namesOf(), names);
  }),
);

Deno.test(
  "files that a decoder cannot be made of are refused by name",
  withoutLeaks(() => {
    const of = (options: SmallGgufOptions) => () => decoderOf(smallGguf(options).bytes);
    assertThrows(
      of({ metadata: { "general.architecture": "gpt2" } }),
      RangeError,
      "x.gguf: to train the architecture gpt2 is not supported",
    );
    assertThrows(
      of({ metadata: { "llama.rope.dimension_count": 8 } }),
      RangeError,
      "heads that turn in part",
    );
    assertThrows(
      of({ tensors: { "blk.1.ffn_up.weight": undefined } }),
      SyntaxError,
      "blk.1.ffn_up.weight is missing",
    );
  }),
);
