/**
 * Low-rank adapters against PyTorch's figures, what they leave alone, and merging.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { noGrad } from "../../lib/autograd/mod.ts";
import { pool } from "../../lib/memory/mod.ts";
import {
  Linear,
  LoraAdapters,
  LoraLayer,
  meanSquaredError,
  MLP,
  Module,
  MultiHeadAttention,
  TransformerBlock,
} from "../../lib/nn/mod.ts";
import { sum } from "../../lib/ops/mod.ts";
import { AdamW } from "../../lib/optim/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { loraFigures as figures } from "./lora_figures.ts";
import { checkLayer, filled, flat, weighted } from "./support.ts";

const dtype = "float64";
const parameter = (shape: number[], k: number) =>
  filled(shape, (i) => ((i * 7 + 3 * k) % 11 - 5) / 8);
const input = (shape: number[], k: number) => filled(shape, (i) => ((i * 5 + 2 * k) % 13 - 6) / 4);

/** The layer of the figures, with its adapter. */
class Adapted extends Module {
  readonly linear = new Linear(5, 3, { dtype });
  readonly adapters = new LoraAdapters(this, { rank: 2, alpha: 3, targets: ["linear"] });

  constructor() {
    super();
    using weight = parameter([3, 5], 0);
    using bias = parameter([3], 1);
    this.linear.load({ weight, bias }, { strict: false });
    using a = parameter([2, 5], 2);
    using b = parameter([3, 2], 3);
    this.linear.adapter!.load({ a, b });
  }
}

/** Blocks with parts of all kinds. */
class Net extends Module {
  readonly blocks = [1, 2].map((seed) => new TransformerBlock({ dim: 4, heads: 2, seed }));
  readonly head = new Linear(4, 2, { seed: 3 });

  forward(x: Tensor<"float32">): Tensor<"float32"> {
    return this.pass([x], (frame) => {
      const [first, second] = this.blocks;
      const middle = frame.own(first.forward(x));
      return this.head.forward(frame.own(second.forward(middle)));
    });
  }
}

/** Gives adapters values with which they change results. */
function fill(adapters: LoraAdapters): void {
  for (const { b } of adapters.layers.values()) {
    using values = Tensor.randn(b.shape, { seed: 9, dtype: b.dtype });
    noGrad(() => b.copyFrom(values));
  }
}

const rows = (net: Net, x: Tensor<"float32">) => {
  using y = net.forward(x);
  return flat(y);
};

Deno.test(
  "an adapter computes what PyTorch's would, forward, backward and in 20 steps of AdamW",
  withoutLeaks(() => {
    using model = new Adapted();
    const { linear } = model;
    using x = input([4, 5], 1);
    x.requiresGrad = true;
    {
      using y = linear.forward(x);
      assertClose(flat(y), figures.y, 1e-11);
      using loss = weighted(y);
      loss.backward();
    }
    const { a, b } = linear.adapter!;
    assertClose(flat(x.grad!), figures.x, 1e-11);
    assertClose(flat(a.grad!), figures.a, 1e-11);
    assertClose(flat(b.grad!), figures.b, 1e-11);
    x.requiresGrad = false;
    a.zeroGrad();
    b.zeroGrad();
    using optimizer = new AdamW(model.parameters(), { learningRate: 0.05, weightDecay: 0.1 });
    using target = input([4, 3], 2);
    const losses = figures.losses.map(() => {
      using y = linear.forward(x);
      using loss = meanSquaredError<typeof dtype>(y, target);
      loss.backward();
      optimizer.step();
      return loss.get() as number;
    });
    assertClose(losses, figures.losses, 1e-10);
    assertClose(flat(a), figures.trainedA, 1e-10);
    assertClose(flat(b), figures.trainedB, 1e-10);
    model.adapters.merge();
    assertClose(flat(linear.weight), figures.merged, 1e-10);
    using bias = parameter([3], 1);
    assertEquals(flat(linear.bias!), flat(bias));
    model.adapters.dispose();
  }),
);

Deno.test(
  "gradients through adapters are the slopes of differences, behind every activation",
  withoutLeaks(() => {
    using x = input([2, 2, 3], 1);
    for (const activation of ["gelu", "relu", "silu", "swiglu", "geglu"] as const) {
      using mlp = new MLP({ dim: 3, hidden: 5, activation, dtype, seed: 1 });
      using adapters = new LoraAdapters(mlp, { rank: 2, targets: ["up", "down"], seed: 2 });
      fill(adapters);
      checkLayer(mlp, [x], () => mlp.forward(x));
    }
    using attention = new MultiHeadAttention({ dim: 4, heads: 2, causal: true, dtype, seed: 1 });
    using adapters = new LoraAdapters(attention, { rank: 1, seed: 2 });
    fill(adapters);
    using sequence = input([3, 4], 2);
    checkLayer(attention, [sequence], () => attention.forward(sequence));
  }),
);

Deno.test(
  "the products around attentions get adapters, which are all that is trained",
  withoutLeaks(() => {
    using net = new Net();
    const before = Object.keys(net.state());
    using adapters = new LoraAdapters(net, { seed: 1 });
    const parts = ["query", "key", "value", "output"];
    const paths = [0, 1].flatMap((i) => parts.map((part) => `blocks.${i}.attention.${part}`));
    assertEquals([...adapters.layers.keys()], paths);
    assertEquals(
      Object.keys(net.parameters()),
      paths.flatMap((path) => [`${path}.adapter.a`, `${path}.adapter.b`]),
    );
    assertEquals(Object.keys(net.state()).length, before.length + 16);
    const frozen = before.map((name) => net.state()[name]);
    using x = Tensor.randn([3, 4], { seed: 1 });
    {
      using y = net.forward(x);
      using target = Tensor.zeros([3, 2]);
      using loss = meanSquaredError(y, target);
      loss.backward();
    }
    assert(frozen.every(({ grad, requiresGrad }) => grad === undefined && !requiresGrad));
    assert(Object.values(net.parameters()).every(({ grad }) => grad !== undefined));
    adapters.dispose();
    assertEquals([Object.keys(net.state()), net.parameters()], [before, {}]);
    assertEquals(Object.keys(net.unfreeze().parameters()), before);
  }),
);

Deno.test(
  "targets are the last parts of paths, or expressions",
  withoutLeaks(() => {
    const chosen = (targets: (string | RegExp)[]) => {
      using net = new Net();
      using adapters = new LoraAdapters(net, { targets });
      return [...adapters.layers.keys()];
    };
    assertEquals(chosen(["query", "1.mlp.up"]), [
      "blocks.0.attention.query",
      "blocks.1.attention.query",
      "blocks.1.mlp.up",
    ]);
    assertEquals(chosen([/^head$/, /0\.mlp/]), ["blocks.0.mlp.up", "blocks.0.mlp.down", "head"]);
    assertThrows(
      () => chosen(["query", "uery"]),
      RangeError,
      "Net is called uery; there are blocks.0",
    );
    using mlp = new MLP({ dim: 2 });
    assertThrows(() => new LoraAdapters(mlp), RangeError, "MLP has no attention");
    using first = new LoraAdapters(mlp, { targets: ["up"] });
    assertThrows(
      () => new LoraAdapters(mlp, { targets: [/./] }),
      Error,
      "LoraAdapters: up has an adapter already",
    );
    assertEquals(first.layers.size, 1);
  }),
);

Deno.test(
  "a new adapter adds nothing, and the gradient of a frozen weight is never computed",
  withoutLeaks(() => {
    using linear = new Linear(64, 96, { seed: 1 });
    using x = Tensor.randn([8, 64], { seed: 2 });
    using before = linear.forward(x);
    using adapters = new LoraAdapters(linear, { rank: 4, targets: [/^$/], seed: 3 });
    using after = linear.forward(x);
    assertEquals(flat(after), flat(before));
    const { liveBytes } = pool.stats();
    using loss = sum(after);
    loss.backward();
    // The gradients of a and b alone, 4 · (64 + 96) numbers, where that of the weight has 6,144.
    const gained = pool.stats().liveBytes - liveBytes;
    assert(gained < 4 * 6144, `${gained} bytes`);
    assertEquals(adapters.layers.get("")?.a.grad?.shape, [4, 64]);
    assertEquals(linear.weight.grad, undefined);
  }),
);

Deno.test(
  "merged weights compute what the adapters did, and go back to what they were",
  withoutLeaks(() => {
    using net = new Net();
    using x = Tensor.randn([3, 4], { seed: 1 });
    const names = Object.keys(net.state());
    const plain = rows(net, x);
    const weights = flat(net.blocks[0].attention.query.weight);
    using adapters = new LoraAdapters(net, { rank: 2, targets: ["query", "mlp.up"], seed: 1 });
    fill(adapters);
    const adapted = rows(net, x);
    assert(adapted.some((y, i) => Math.abs(y - plain[i]) > 1e-2));
    adapters.merge();
    assertEquals([adapters.merged, Object.keys(net.state())], [true, names]);
    assertClose(rows(net, x), adapted, 1e-5);
    assertClose(rows(net.eval(), x), adapted, 1e-5);
    assertThrows(() => adapters.merge(), Error, "LoraAdapters.merge: the adapters are merged");
    assertThrows(() => adapters.load({}), Error, "LoraAdapters.load: the adapters are merged");
    adapters.unmerge();
    assertClose(flat(net.blocks[0].attention.query.weight), weights, 1e-6);
    assertClose(rows(net, x), adapted, 1e-5);
    assertThrows(() => adapters.unmerge(), Error, "the adapters are not merged");
    adapters.merge();
    adapters.dispose();
    assertClose(rows(net, x), adapted, 1e-5);
    assertThrows(() => adapters.merge(), Error, "the adapters are disposed of");
  }),
);

Deno.test(
  "results have the same bits in training and outside of it, where adapters rent nothing",
  withoutLeaks(() => {
    using net = new Net();
    using adapters = new LoraAdapters(net, { dropout: 0.5, seed: 1 });
    fill(adapters);
    using x = Tensor.randn([3, 4], { seed: 1 });
    const differing = rows(net, x);
    const found = rows(net.eval(), x);
    assert(differing.some((y, i) => y !== found[i]), "dropout is active in training");
    assertEquals(noGrad(() => rows(net, x)), found);
    assertEquals(net.blocks[0].attention.query.adapter?.dropout?.isActive, false);
    const rented = (block: TransformerBlock) => {
      block.forward(x).dispose();
      const { rents } = pool.stats();
      block.forward(x).dispose();
      return pool.stats().rents - rents;
    };
    using plain = new TransformerBlock({ dim: 4, heads: 2, seed: 1 });
    assertEquals(rented(net.blocks[0]), rented(plain.eval()));
  }),
);

Deno.test(
  "a state has PEFT's names, and what does not fit names the layer and the shapes",
  withoutLeaks(() => {
    using net = new Net();
    const fileName = (path: string) => path.replace("blocks", "layer");
    using adapters = new LoraAdapters(net, { rank: 2, targets: ["query"], fileName, seed: 1 });
    const prefix = "base_model.model.layer.0.attention.query";
    const state = adapters.state();
    assertEquals(Object.keys(state).slice(0, 2), [
      `${prefix}.lora_A.weight`,
      `${prefix}.lora_B.weight`,
    ]);
    assertEquals([state[`${prefix}.lora_A.weight`].shape], [[2, 4]]);
    using other = new Net();
    using copies = new LoraAdapters(other, { rank: 2, targets: ["query"], fileName, seed: 2 });
    copies.load(state);
    assertEquals(
      Object.values(copies.state()).map(flat),
      Object.values(adapters.state()).map(flat),
    );
    using wrong = Tensor.zeros([3, 4]);
    assertThrows(
      () => copies.load({ ...state, [`${prefix}.lora_A.weight`]: wrong }),
      RangeError,
      `LoraAdapters.load: ${prefix}.lora_A.weight is [3, 4], expected [2, 4]`,
    );
    assertThrows(() => copies.load({ ...state, more: wrong }), RangeError, "no place for more");
    assertThrows(() => copies.load({}), RangeError, `${prefix}.lora_A.weight is missing`);
  }),
);

Deno.test(
  "errors in an adapter name its path, and numbers out of range are refused",
  withoutLeaks(() => {
    using net = new Net();
    using adapters = new LoraAdapters(net, { seed: 1 });
    using x = Tensor.ones([2, 3]);
    assertThrows(
      () => net.blocks[1].attention.forward(x),
      RangeError,
      "query.adapter: linear: x [2, 3]",
    );
    adapters.dispose();
    assertThrows(() => new LoraAdapters(net, { rank: 0 }), RangeError, "rank is 0");
    assertThrows(() => new LoraAdapters(net, { alpha: -1 }), RangeError, "alpha is -1");
    assertThrows(() => new LoraAdapters(net, { dropout: 2 }), RangeError, "rate is 2");
    assertThrows(() => new LoraLayer(0, 2), RangeError, "LoraLayer: inputs is 0");
    assertEquals(net.head.adapter, undefined);
  }),
);
