/**
 * Layers and losses against PyTorch's figures, and their gradients against differences.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import {
  binaryCrossEntropy,
  Embedding,
  LayerNorm,
  Linear,
  LoraAdapters,
  meanSquaredError,
  MLP,
  type MLPActivation,
  type Module,
  MultiHeadAttention,
  RMSNorm,
} from "../../lib/nn/mod.ts";
import { noGrad } from "../../lib/autograd/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { figures } from "./figures.ts";
import { checkLayer, type Doubles, filled, flat, weighted } from "./support.ts";

const dtype = "float64";
const input = (shape: number[], k: number) => filled(shape, (i) => ((i * 5 + 2 * k) % 13 - 6) / 4);

/** A layer's pass with the parameters of the figures, whose order is that of its own. */
function checkFigure(name: string, layer: Module, run: (x: Doubles) => Doubles): void {
  const { y, x: [slopes], parameters } = figures[name];
  const state = Object.entries(layer.parameters());
  state.forEach(([, tensor], k) => {
    using values = filled(tensor.shape, (i) => ((i * 7 + 3 * k) % 11 - 5) / 8);
    layer.load({ [state[k][0]]: values }, { strict: false });
  });
  using x = input([2, slopes.length / 2], 1);
  x.requiresGrad = true;
  using result = run(x);
  assertClose(flat(result), y, 1e-10);
  using loss = weighted(result);
  loss.backward();
  assertClose(flat(x.grad!), slopes, 1e-10);
  for (const [name, tensor] of state) assertClose(flat(tensor.grad!), parameters[name], 1e-10);
}

Deno.test(
  "layers compute what PyTorch's do, forward and backward",
  withoutLeaks(() => {
    using linear = new Linear(3, 2, { dtype });
    checkFigure("Linear", linear, (x) => linear.forward(x));
    using norm = new LayerNorm(4, { dtype });
    checkFigure("LayerNorm", norm, (x) => norm.forward(x));
    using rms = new RMSNorm(4, { dtype });
    checkFigure("RMSNorm", rms, (x) => rms.forward(x));
  }),
);

Deno.test(
  "gradients of layers are the slopes of differences",
  withoutLeaks(() => {
    using x = input([2, 2, 3], 1);
    using linear = new Linear(3, 2, { dtype, seed: 1, bias: false });
    checkLayer(linear, [x], () => linear.forward(x, { activation: "silu" }));
    using norm = new LayerNorm(3, { dtype, bias: false });
    checkLayer(norm, [x], () => norm.forward(x));
    using rms = new RMSNorm(3, { dtype, epsilon: 0.1 });
    checkLayer(rms, [x], () => rms.forward(x));
    using table = new Embedding(4, 3, { dtype, seed: 1 });
    using tokens = Tensor.from([[3, 1], [1, 0]], "int32");
    checkLayer(table, [tokens], () => table.forward(tokens));
    const all: MLPActivation[] = ["gelu", "gelu_tanh", "relu", "silu", "swiglu", "geglu"];
    for (const activation of all) {
      using mlp = new MLP({ dim: 3, hidden: 5, activation, dtype, seed: 1 });
      checkLayer(mlp, [x], () => mlp.forward(x));
    }
  }),
);

Deno.test(
  "layers write into out, and an embedding takes tokens of any shape",
  withoutLeaks(() => {
    using table = new Embedding(4, 3, { seed: 1 });
    table.eval();
    using tokens = Tensor.from([[3, 1], [1, 0]], "int32");
    using rows = table.forward(tokens);
    using out = Tensor.zeros([2, 2, 3]);
    assert(table.forward(tokens, { out }) === out);
    assertEquals(out.toArray(), rows.toArray());
    assertEquals(rows.get(0, 0, 2), table.weight.get(3, 2));
    using wrong = Tensor.from([4], "int32");
    assertThrows(() => table.forward(wrong), RangeError, "embedding: ");
  }),
);

Deno.test(
  "binaryCrossEntropy() is PyTorch's with logits, with the gradient at 0 and far away",
  withoutLeaks(() => {
    const { y, x: [slopes] } = figures.bce;
    using logits = Tensor.from([-3, 0, 2, 50], "float64");
    using targets = Tensor.from([0, 1, 0.25, 1], "float64");
    logits.requiresGrad = true;
    targets.requiresGrad = true;
    using losses = binaryCrossEntropy(logits, targets, { reduction: "none" });
    assertClose(flat(losses), y, 1e-11);
    using total = binaryCrossEntropy(logits, targets, { reduction: "sum" });
    total.backward();
    assertClose(flat(logits.grad!), slopes, 1e-11);
    assertClose(flat(targets.grad!), [3, 0, -2, -50], 0);
    using mean = binaryCrossEntropy(logits, targets);
    assertClose([mean.get()], [y.reduce((a, b) => a + b) / 4], 1e-11);
  }),
);

Deno.test(
  "meanSquaredError() is PyTorch's, and losses refuse what does not go together",
  withoutLeaks(() => {
    using a = input([2, 3], 1);
    using b = input([2, 3], 2);
    using loss = meanSquaredError(a, b);
    assertClose([loss.get()], [1.46875], 1e-12);
    using short = input([3], 1);
    assertThrows(() => meanSquaredError(a, short), RangeError, "[2, 3] and [3]");
    using single = Tensor.zeros([2, 3]);
    assertThrows(() => meanSquaredError(a, single as Tensor as Doubles), TypeError, "float32");
    assertThrows(
      () => binaryCrossEntropy(a, b, { reduction: "max" as "sum" }),
      TypeError,
      'reduction is "max"',
    );
  }),
);

Deno.test(
  "layers refuse sizes and activations that are none",
  withoutLeaks(() => {
    assertThrows(() => new Linear(0, 2), RangeError, "Linear: inputs is 0");
    assertThrows(() => new Linear(2, 1.5), RangeError, "Linear: outputs is 1.5");
    assertThrows(() => new Embedding(-1, 2), RangeError, "Embedding: vocabulary is -1");
    assertThrows(() => new LayerNorm(NaN), RangeError, "LayerNorm: dim is NaN");
    assertThrows(() => new MLP({ dim: 2, hidden: 0 }), RangeError, "MLP: hidden is 0");
    const activation = "tanh" as MLPActivation;
    assertThrows(() => new MLP({ dim: 2, activation }), TypeError, 'MLP: activation is "tanh"');
  }),
);

Deno.test(
  "layers whose last step is a product add it to a residual, with its gradient",
  withoutLeaks(() => {
    using adapted = new Linear(4, 4, { dtype, seed: 1 });
    using adapters = new LoraAdapters(adapted, { rank: 2, targets: [""], seed: 2 });
    using layers = new DisposableStack();
    const made = [
      new Linear<"float64">(4, 4, { dtype, seed: 3 }),
      new MLP<"float64">({ dim: 4, hidden: 6, dtype, seed: 4 }),
      new MLP<"float64">({ dim: 4, hidden: 6, activation: "swiglu", dtype, seed: 5 }),
      new MultiHeadAttention<"float64">({ dim: 4, heads: 2, dtype, seed: 6 }),
    ].map((layer) => layers.use(layer));
    assertEquals(adapters.layers.size, 1);
    for (const layer of [...made, adapted]) {
      using x = input([3, 4], 1);
      using residual = input([3, 4], 2);
      const [bare, added] = noGrad(() => {
        using y = layer.forward(x);
        using sum = layer.forward(x, { residual });
        return [flat(y), flat(sum)];
      });
      assertClose(added, bare.map((value, i) => value + residual.data[i]), 1e-12);
      checkLayer(layer, [x, residual], () => layer.forward(x, { residual }));
      noGrad(() => layer.forward(x, { residual, out: residual }));
      assertClose(flat(residual), added, 1e-12);
    }
  }),
);
