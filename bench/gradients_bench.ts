/**
 * Gradients at the sizes of a training step of a small transformer: 1024 tokens of 768. Each
 * entry computes an operation, and walks back from its result with a gradient that is given.
 * Run with `deno task bench`.
 */
import {
  attention,
  crossEntropy,
  type Floating,
  geglu,
  gelu,
  layerNorm,
  linear,
  rmsNorm,
  silu,
  softmax,
  swiglu,
  Tensor,
} from "../mod.ts";

type Reals = Tensor<"float32">;

/** Measures an operation and its gradients. */
function measure(name: string, leaves: Reals[], run: () => Tensor<Floating>): void {
  for (const leaf of leaves) leaf.requiresGrad = true;
  const first = run();
  const gradient = Tensor.randn(first.shape, { seed: 9 });
  first.dispose();
  Deno.bench(`${name}, forward and backward`, () => {
    using y = run();
    y.backward({ gradient });
    for (const leaf of leaves) leaf.zeroGrad();
  });
}

const reals = (shape: number[], seed: number): Reals => Tensor.randn(shape, { seed });

const [rows, weight, bias] = [reals([1024, 768], 1), reals([768], 2), reals([768], 3)];
measure("layerNorm [1024, 768]", [rows, weight, bias], () => layerNorm(rows, { weight, bias }));
measure("rmsNorm [1024, 768]", [rows, weight], () => rmsNorm(rows, weight));

const scores = reals([12, 512, 512], 4);
measure("softmax [12, 512, 512]", [scores], () => softmax(scores));

const logits = reals([256, 32000], 5);
const targets = Tensor.full([256], 7, "int32");
measure("crossEntropy [256, 32000]", [logits], () => crossEntropy(logits, targets));

const [gate, up] = [reals([1024, 3072], 6), reals([1024, 3072], 7)];
measure("gelu [1024, 3072]", [gate], () => gelu(gate));
measure("gelu by tanh [1024, 3072]", [gate], () => gelu(gate, { approximate: "tanh" }));
measure("silu [1024, 3072]", [gate], () => silu(gate));
measure("swiglu [1024, 3072]", [gate, up], () => swiglu(gate, up));
measure("geglu [1024, 3072]", [gate, up], () => geglu(gate, up));

const projection = reals([3072, 768], 8);
measure("linear [1024, 768] by [3072, 768]", [rows, projection], () => linear(rows, projection));

const [q, k, v] = [10, 11, 12].map((seed) => reals([512, 12, 64], seed));
measure("attention [512, 12, 64], causal", [q, k, v], () => attention(q, k, v, { causal: true }));

for (const shape of [[12, 64, 4, 32], [8, 256, 6, 64]]) {
  const operands = [13, 14, 15].map((seed) => reals(shape, seed));
  measure(`attention [${shape.join(", ")}], causal`, operands, () => {
    return attention(operands[0], operands[1], operands[2], { causal: true });
  });
}
