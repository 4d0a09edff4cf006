/**
 * Chains of layers over rows. That each step has the bits of its operation is tested in C, and
 * by the encoders that are made of chains; here is what the class itself promises.
 */
import { assertEquals, assertThrows } from "@std/assert";
import "../support/native.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import { layerNorm, linear } from "../../lib/ops/mod.ts";
import { RowChain } from "../../lib/ops/row_chain.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

Deno.test("RowChain takes rows through its steps, as the operations do, in both precisions", () => {
  using x = Tensor.randn([70, 12], { seed: 1 });
  using weight = Tensor.randn([33, 12], { seed: 2 });
  using scale = Tensor.randn([33], { seed: 3 });
  using bias = Tensor.randn([33], { seed: 4 });
  using out = Tensor.zeros([70, 33]);
  const chain = new RowChain([12, 33, 33], [
    { kind: "linear", from: 0, to: 2, weight, bias, activation: "gelu_erf" },
    { kind: "layerNorm", from: 2, to: 1, weight: scale, bias, epsilon: 1e-6 },
  ]);
  for (const precision of ["exact", "fast"] as const) {
    chain.run([x, out], 70, precision);
    using hidden = linear(x, weight, { bias, activation: "gelu_erf", precision });
    using expected = layerNorm(hidden, { weight: scale, bias, epsilon: 1e-6 });
    assertEquals(out.data, expected.data);
  }
});

Deno.test("RowChain uses a weight as it is when the chain runs", () => {
  using x = Tensor.from([[1, 2]]);
  using weight = Tensor.from([[3, 4]]);
  using out = Tensor.zeros([1, 1]);
  const chain = new RowChain([2, 1], [{ kind: "linear", from: 0, to: 1, weight }]);
  chain.run([x, out], 1, "exact");
  assertEquals(out.toArray(), [[11]]);
  weight.data.set([1, 1]);
  chain.run([x, out], 1, "exact");
  assertEquals(out.toArray(), [[3]]);
  weight.dispose();
  assertThrows(() => chain.run([x, out], 1, "exact"), DisposedError);
});

Deno.test("RowChain throws RangeError when a weight or a tensor does not fit", () => {
  using x = Tensor.zeros([4, 2]);
  using weight = Tensor.zeros([3, 2]);
  using row = Tensor.zeros([3]);
  using wide = Tensor.zeros([4, 3]);
  const product = { kind: "linear", from: 0, to: 1, weight } as const;
  assertThrows(() => new RowChain([2, 4], [product]), RangeError, "2 to 4 columns");
  assertThrows(() => new RowChain([3, 3], [product]), RangeError, "weight [3, 2]");
  using short = Tensor.zeros([2]);
  assertThrows(() => new RowChain([2, 3], [{ ...product, bias: short }]), RangeError, "bias [2]");
  const norm = { kind: "layerNorm", weight: row, bias: row, epsilon: 0 } as const;
  assertThrows(() => new RowChain([2, 3], [{ ...norm, from: 0, to: 1 }]), RangeError);
  assertThrows(() => new RowChain([2, 3], [{ ...norm, from: 0, to: 0 }]), RangeError);

  const chain = new RowChain([2, 3], [product]);
  assertThrows(() => chain.run([x, wide], 3, "exact"), RangeError, "slot 0 is [4, 2]");
  assertThrows(() => chain.run([x, x], 4, "exact"), RangeError, "expected a dense [4, 3]");
  using turned = wide.transpose();
  using other = Tensor.zeros([3, 2]);
  using square = Tensor.zeros([3, 4]);
  assertThrows(() => chain.run([other, square], 3, "exact"), RangeError, "slot 1");
  const four = new RowChain([2, 4], []);
  assertThrows(() => four.run([other, turned], 3, "exact"), RangeError, "dense [3, 4]");
  const early = new RowChain([3, 3, 3], [{ kind: "swiglu", from: 2, to: 1 }]);
  assertThrows(() => early.run([wide, wide], 4, "exact"), RangeError, "RowChain");
});
