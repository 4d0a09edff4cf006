/**
 * Attention and blocks against PyTorch's figures, caches against whole sequences, gradients
 * against differences, positions, dropout, and the memory of passes.
 */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { noGrad } from "../../lib/autograd/mod.ts";
import { pool } from "../../lib/memory/mod.ts";
import {
  Dropout,
  MultiHeadAttention,
  Positions,
  sinusoidalPositions,
  TransformerBlock,
  type TransformerBlockOptions,
} from "../../lib/nn/mod.ts";
import { sum } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { figures } from "./figures.ts";
import { checkLayer, type Doubles, filled, flat, weighted } from "./support.ts";

const dtype = "float64";
const input = (shape: number[], k: number) => filled(shape, (i) => ((i * 5 + 2 * k) % 13 - 6) / 4);

/** PyTorch's parameters by our names: whose, and where in it, in thirds. */
const attentionNames: Record<string, [string, number?]> = {
  "query.weight": ["in_proj_weight", 0],
  "key.weight": ["in_proj_weight", 1],
  "value.weight": ["in_proj_weight", 2],
  "query.bias": ["in_proj_bias", 0],
  "key.bias": ["in_proj_bias", 1],
  "value.bias": ["in_proj_bias", 2],
  "output.weight": ["out_proj.weight"],
  "output.bias": ["out_proj.bias"],
};
const blockNames: Record<string, [string, number?]> = {
  ...Object.fromEntries(
    Object.entries(attentionNames).map(([own, [name, third]]) => [
      `attention.${own}`,
      [`self_attn.${name}`, third],
    ]),
  ),
  "mlp.up.weight": ["linear1.weight"],
  "mlp.up.bias": ["linear1.bias"],
  "mlp.down.weight": ["linear2.weight"],
  "mlp.down.bias": ["linear2.bias"],
  "attentionNorm.weight": ["norm1.weight"],
  "attentionNorm.bias": ["norm1.bias"],
  "mlpNorm.weight": ["norm2.weight"],
  "mlpNorm.bias": ["norm2.bias"],
};

/** A layer's pass with the figures' parameters, and its gradients. */
function checkFigure(
  name: string,
  layer: MultiHeadAttention<"float64"> | TransformerBlock<"float64">,
  names: Record<string, [string, number?]>,
  inputs: Doubles[],
  run: () => Doubles,
): void {
  const { y, x, parameters } = figures[name];
  const order = Object.keys(parameters);
  const parameterOf = layer.parameters() as Record<string, Doubles>;
  assertEquals(Object.keys(parameterOf).toSorted(), Object.keys(names).toSorted());
  for (const [own, [theirs, third = 0]] of Object.entries(names)) {
    const tensor = parameterOf[own];
    const k = order.indexOf(theirs);
    const first = third * tensor.size;
    using values = filled(tensor.shape, (i) => (((i + first) * 7 + 3 * k) % 11 - 5) / 8);
    layer.load({ [own]: values }, { strict: false });
  }
  for (const each of inputs) each.requiresGrad = true;
  using result = run();
  assertClose(flat(result), y, 1e-10);
  using loss = weighted(result);
  loss.backward();
  inputs.forEach((each, i) => assertClose(flat(each.grad!), x[i], 1e-10));
  for (const [own, [theirs, third = 0]] of Object.entries(names)) {
    const { size, grad } = parameterOf[own];
    const expected = parameters[theirs].slice(third * size, (third + 1) * size);
    assertClose(flat(grad!), expected, 1e-10);
  }
}

Deno.test(
  "attention computes what PyTorch's does, forward and backward",
  withoutLeaks(() => {
    using x = input([2, 3, 4], 1);
    for (const causal of [false, true]) {
      using layer = new MultiHeadAttention({ dim: 4, heads: 2, dtype, causal });
      x.zeroGrad();
      const name = `MultiheadAttention${causal ? " causal" : ""}`;
      checkFigure(name, layer, attentionNames, [x], () => layer.forward(x));
    }
    using layer = new MultiHeadAttention({ dim: 4, heads: 2, dtype });
    using context = input([2, 2, 4], 3);
    x.zeroGrad();
    const name = "MultiheadAttention cross";
    checkFigure(name, layer, attentionNames, [x, context], () => layer.forward(x, { context }));
  }),
);

Deno.test(
  "blocks compute what PyTorch's encoder layers do, forward and backward",
  withoutLeaks(() => {
    for (const norm of ["pre", "post"] as const) {
      using x = input([1, 3, 4], 1);
      using block = new TransformerBlock({ dim: 4, heads: 2, hidden: 6, norm, dtype });
      checkFigure(
        `TransformerEncoderLayer ${norm}`,
        block,
        blockNames,
        [x],
        () => block.forward(x),
      );
    }
  }),
);

Deno.test(
  "gradients of attention and of blocks are the slopes of differences",
  withoutLeaks(() => {
    using x = input([2, 3, 8], 1);
    using context = input([2, 2, 3], 2);
    using cross = new MultiHeadAttention({
      ...{ dim: 8, heads: 4, keyValueHeads: 2, contextDim: 3, bias: false, rotary: true },
      ...{ dtype, seed: 1 },
    });
    checkLayer(cross, [x, context], () => cross.forward(x, { context }));
    using mask = Tensor.from(
      [[true, false, true], [true, true, false], [true, true, true]],
      "bool",
    );
    const kinds: Partial<TransformerBlockOptions<"float64">>[] = [
      { norm: "pre", normalization: "rms", activation: "swiglu", rotary: { layout: "halves" } },
      { norm: "post", normalization: "layer", activation: "gelu_tanh", keyValueHeads: 1 },
    ];
    for (const kind of kinds) {
      using block = new TransformerBlock({
        ...{ dim: 8, heads: 2, hidden: 5, dtype, seed: 2, causal: true },
        ...kind,
      });
      checkLayer(block, [x], () => block.forward(x, { mask }));
    }
  }),
);

for (const batch of [[], [2]]) {
  Deno.test(
    `tokens that come piece by piece give what they give together, ${batch.length} axes before`,
    withoutLeaks(() => {
      for (const rotary of [false, true]) {
        using block = new TransformerBlock({
          ...{ dim: 8, heads: 4, keyValueHeads: 2, causal: true, rotary, seed: 3 },
        });
        block.eval();
        using x = Tensor.randn([...batch, 5, 8], { seed: 4 });
        using whole = block.forward(x);
        using cache = block.createCache({ tokens: 5, batch });
        const axis = batch.length;
        for (const [start, end] of [[0, 2], [2, 3], [3, 5]]) {
          using part = x.slice(start, end, { axis });
          using y = block.forward(part, { cache });
          using expected = whole.slice(start, end, { axis });
          assertClose(flat(y), flat(expected), 2e-6);
          assertEquals(cache.length, end);
        }
        using more = x.slice(0, 1, { axis });
        assertThrows(() => block.forward(more, { cache }), RangeError, "attention: AttentionCache");
        assertEquals(cache.length, 5);
        cache.truncate(4);
        using last = x.slice(4, 5, { axis });
        using again = block.forward(last, { cache });
        using expected = whole.slice(4, 5, { axis });
        assertClose(flat(again), flat(expected), 2e-6);
      }
    }),
  );
}

Deno.test(
  "a cache is refused where gradients are recorded, with a context, and where it is too small",
  withoutLeaks(() => {
    using layer = new MultiHeadAttention({ dim: 4, heads: 2, seed: 1 });
    using x = Tensor.ones([2, 4]);
    using cache = layer.createCache({ tokens: 4 });
    assertThrows(() => layer.forward(x, { cache }), Error, "gradients do not go through a cache");
    layer.eval();
    assertThrows(() => layer.forward(x, { cache, context: x }), RangeError, "leave context out");
    assertEquals(Deno.inspect(cache), "AttentionCache of 0 tokens in float32 [4, 2, 2], twice");
    using mask = Tensor.zeros([3, 3]);
    assertThrows(() => layer.forward(x, { cache, mask }), RangeError, "mask [3, 3]");
    assertEquals(cache.length, 0);
    assertThrows(() => cache.truncate(1), RangeError, "truncate: 1");
    assertThrows(() => layer.createCache({ tokens: 0 }), RangeError, "tokens is 0");
  }),
);

Deno.test(
  "blocks refuse heads, rows and kinds that do not fit, and leak nothing then",
  withoutLeaks(() => {
    const make = (options: object) => () => new TransformerBlock({ dim: 8, heads: 2, ...options });
    assertThrows(make({ heads: 3 }), RangeError, "dim 8 is no multiple of 3 heads");
    assertThrows(make({ keyValueHeads: 4 }), RangeError, "of 4 of keys and values".slice(3));
    assertThrows(make({ heads: 8, rotary: true }), RangeError, "heads of an even size");
    assertThrows(make({ norm: "middle" }), TypeError, 'norm is "middle"');
    assertThrows(make({ normalization: "batch" }), TypeError, 'normalization is "batch"');
    assertThrows(make({ dropout: 2 }), RangeError, "Dropout: rate is 2");
    using block = new TransformerBlock({ dim: 8, heads: 2 });
    using x = Tensor.ones([3, 7]);
    assertThrows(() => block.forward(x), RangeError, "attentionNorm: layerNorm: ");
  }),
);

Deno.test(
  "blocks rent nothing in inference but the result, and give all back in training",
  withoutLeaks(() => {
    using x = Tensor.randn([2, 3, 8], { seed: 1 });
    for (const norm of ["pre", "post"] as const) {
      using block = new TransformerBlock({ dim: 8, heads: 2, norm, rotary: true, dropout: 0.1 });
      const train = () => {
        using y = block.forward(x);
        using loss = sum(y);
        loss.backward();
      };
      train();
      const { liveBytes } = pool.stats();
      for (let i = 0; i < 3; i++) train();
      assertEquals(pool.stats().liveBytes, liveBytes);
      block.eval();
      block.forward(x).dispose();
      block.forward(x).dispose();
      const { misses, outstanding } = pool.stats();
      for (let i = 0; i < 5; i++) {
        using y = block.forward(x);
        assertEquals(pool.stats().outstanding, outstanding + 1);
        assert(!y.requiresGrad);
      }
      assertEquals([pool.stats().misses, pool.stats().outstanding], [misses, outstanding]);
    }
  }),
);

Deno.test(
  "elements are left out in training also where nothing is recorded, and nothing leaks",
  withoutLeaks(() => {
    using block = new TransformerBlock({ dim: 8, heads: 2, dropout: 0.5, seed: 1 });
    using x = Tensor.randn([2, 3, 8], { seed: 1 });
    const run = () => noGrad(() => block.forward(x));
    using first = run();
    const { outstanding } = pool.stats();
    using second = run();
    assertEquals(pool.stats().outstanding, outstanding + 1);
    assertNotEquals(first.toArray(), second.toArray());
    block.eval();
    using third = block.forward(x);
    using fourth = block.forward(x);
    assertEquals(third.toArray(), fourth.toArray());
  }),
);

Deno.test(
  "the results of a block in training and in inference have the same bits",
  withoutLeaks(() => {
    using block = new TransformerBlock({ dim: 8, heads: 2, rotary: true, activation: "swiglu" });
    using x = Tensor.randn([2, 3, 8], { seed: 1 });
    using trained = block.forward(x);
    using inferred = noGrad(() => block.forward(x));
    using out = Tensor.zeros([2, 3, 8]);
    block.eval().forward(x, { out });
    assertEquals(inferred.toArray(), trained.toArray());
    assertEquals(out.toArray(), trained.toArray());
  }),
);

Deno.test(
  "sinusoidal positions are sines and cosines in turn, and learned ones have gradients",
  withoutLeaks(() => {
    using table = sinusoidalPositions(3, 4, "float64");
    const expected = [0, 1, 2].flatMap((t) =>
      [1, 0.01].flatMap((rate) => [Math.sin(t * rate), Math.cos(t * rate)])
    );
    assertClose(flat(table), expected, 1e-12);
    assertThrows(() => sinusoidalPositions(3, 5), RangeError, "dim is 5");
    using fixed = new Positions(3, 4, { kind: "sinusoidal", dtype });
    using zeros = Tensor.zeros([2, 2, 4], "float64");
    using moved = fixed.forward(zeros, { start: 1 });
    assertClose(flat(moved), [...expected.slice(4), ...expected.slice(4)], 1e-12);
    assertEquals([Object.keys(fixed.parameters()), Object.keys(fixed.state())], [[], ["weight"]]);
    assertThrows(() => fixed.forward(zeros, { start: 2 }), RangeError, "from position 2");
    using learned = new Positions(3, 4, { dtype, seed: 1 });
    checkLayer(learned, [zeros], () => learned.forward(zeros, { start: 1 }));
  }),
);

Deno.test(
  "Dropout makes other choices in each pass, the same from the same state, and none in eval()",
  withoutLeaks(() => {
    using layer = new Dropout(0.5, { seed: 1 });
    using twin = new Dropout(0.5, { seed: 2 });
    using x = Tensor.ones([64]);
    using first = layer.forward(x);
    twin.load(layer.state());
    using second = layer.forward(x);
    using same = twin.forward(x);
    assertNotEquals(first.toArray(), second.toArray());
    assertEquals(same.toArray(), second.toArray());
    layer.eval();
    using all = layer.forward(x);
    assertEquals(all.toArray(), x.toArray());
    assertThrows(() => new Dropout(-0.1), RangeError, "Dropout: rate is -0.1");
  }),
);
