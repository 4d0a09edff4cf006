/**
 * Gradients of what layers are made of, where the table of cases does not reach: weights that
 * are stored in other dtypes, and rows that are left out.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import {
  add,
  attention,
  crossEntropy,
  embedding,
  layerNormResidual,
  linear,
  matmul,
  mul,
  rmsNormResidual,
  rope,
  ropeTable,
  softmax,
  sum,
} from "../../lib/ops/mod.ts";
import type { Floating } from "../../lib/core/dtype.ts";
import { scope } from "../../lib/memory/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** The gradients of a sum with respect to tensors. */
function slopes(y: Tensor<Floating>, ...leaves: Tensor[]): unknown[] {
  using loss = sum(y);
  y.dispose();
  loss.backward();
  return leaves.map((leaf) => leaf.grad?.toArray());
}

function leaf<T extends Tensor>(x: T): T {
  x.requiresGrad = true;
  return x;
}

Deno.test(
  "linear() with weights of halves leads gradients to them, in their dtype",
  withoutLeaks(() => {
    for (const dtype of ["float16", "bfloat16"] as const) {
      using x = leaf(Tensor.from([[1, 2], [3, 4]]));
      using weight = leaf(Tensor.from([[1, -1], [2, 0.5], [0, 1]], dtype));
      assertEquals(slopes(linear(x, weight), x, weight), [
        [[3, 0.5], [3, 0.5]],
        [[4, 6], [4, 6], [4, 6]],
      ]);
      assertEquals(weight.grad?.dtype, dtype);
    }
  }),
);

Deno.test(
  "linear() and matmul() of halves have gradients of halves",
  withoutLeaks(() => {
    using x = leaf(Tensor.from([[1, 2]], "float16"));
    using weight = leaf(Tensor.from([[1, -1], [2, 0.5]], "float16"));
    using bias = leaf(Tensor.from([0, -9], "float16"));
    const y = linear(x, weight, { bias, activation: "relu" });
    assertEquals(slopes(y, x, weight, bias), [[[0, 0]], [[0, 0], [0, 0]], [0, 0]]);
    x.zeroGrad();
    assertEquals(slopes(matmul(x, weight), x), [[[0, 2.5]]]);
    assertEquals(x.grad?.dtype, "float16");
  }),
);

Deno.test(
  "linear() with a quantised weight leads gradients to x alone",
  withoutLeaks(() => {
    // One block of 32: the scale 0.5 as float16, and the numbers 0 to 31.
    const block = Uint8Array.from([0x00, 0x38, ...Array.from({ length: 32 }, (_, i) => i)]);
    using weight = Tensor.empty([1, 32], "q8_0");
    weight.data.set(block);
    using x = leaf(Tensor.ones([2, 32]));
    const row = Array.from({ length: 32 }, (_, i) => 0.5 * i);
    assertEquals(slopes(linear(x, weight), x), [[row, row]]);
  }),
);

Deno.test(
  "embedding() of a table of halves has a gradient of halves, with 0 for rows not looked up",
  withoutLeaks(() => {
    using table = leaf(Tensor.from([[1, 2], [3, 4], [5, 6]], "float16"));
    using ids = Tensor.from([2, 2, 0], "int32");
    assertEquals(slopes(embedding(table, ids), table), [[[1, 1], [0, 0], [2, 2]]]);
    assertEquals(table.grad?.dtype, "float16");
  }),
);

Deno.test(
  "the rows that crossEntropy() ignores have the gradient 0, whatever they hold",
  withoutLeaks(() => {
    using logits = leaf(Tensor.from([[NaN, Infinity], [0, 0]]));
    using targets = Tensor.from([-100, 1], "int32");
    assertEquals(slopes(crossEntropy(logits, targets), logits), [[[0, 0], [0.5, -0.5]]]);
    using none = Tensor.from([-100, -100], "int32");
    logits.zeroGrad();
    const [gradient] = slopes(crossEntropy(logits, none), logits);
    assert(Array.isArray(gradient));
    assertEquals(gradient, [[0, 0], [0, 0]]);
  }),
);

Deno.test(
  "norms whose sum overwrites the stream of halves lead gradients on from both results",
  withoutLeaks(() => {
    for (const norm of [layerNormResidual, rmsNormResidual]) {
      const of = (dtype: "float16" | "float64"): number[] => {
        using x = leaf(Tensor.from([[1, 2, 4]], dtype));
        using weight = Tensor.from([3, 1, -1], dtype);
        using branch = mul(x, x);
        using stream = mul(x, 2);
        using y = norm(branch, stream, { weight, sum: stream });
        using scaled = mul(y, weight);
        return (slopes(add(scaled, stream), x) as number[][][])[0][0];
      };
      assertClose(of("float16"), of("float64"), 0.02);
    }
  }),
);

Deno.test(
  "attention() over more keys than a block has room for has the gradients of its definition",
  withoutLeaks(() => {
    const [tokens, heads] = [700, 3];
    const make = (seed: number) => {
      return leaf(Tensor.randn([tokens, heads, 2], { seed, dtype: "float64" }));
    };
    using q = make(1);
    using k = make(2);
    using v = make(3);
    using weights = Tensor.randn([tokens, heads, 2], { seed: 4, dtype: "float64" });
    const gradients = (y: Tensor<"float64">) => {
      for (const x of [q, k, v]) x.zeroGrad();
      using part = y;
      return (slopes(mul(part, weights), q, k, v) as number[][][][]).map((x) => x.flat(2));
    };
    const found = gradients(attention(q, k, v, { causal: true, scale: 0.5 }));
    const expected = gradients(scope(() => {
      const scores = matmul(q.transpose(1, 0, 2), k.transpose(1, 2, 0));
      const p = softmax(scores, { causal: true, scale: 0.5 });
      return matmul(p, v.transpose(1, 0, 2)).transpose(1, 0, 2);
    }));
    found.forEach((gradient, i) => assertClose(gradient, expected[i], 1e-10));
  }),
);

Deno.test(
  "keys that are not in use have the gradient 0, and touch no other, whatever they hold",
  withoutLeaks(() => {
    using q = leaf(Tensor.ones([1, 1, 2]));
    using k = leaf(Tensor.from([[[1, 2]], [[3, 4]], [[NaN, Infinity]]]));
    using v = leaf(Tensor.from([[[1, 2]], [[3, 4]], [[NaN, Infinity]]]));
    const [, , slope] = slopes(attention(q, k, v, { keyTokens: 2, scale: 0 }), q, k, v);
    assertEquals(slope, [[[0.5, 0.5]], [[0.5, 0.5]], [[0, 0]]]);
    assertEquals(k.grad?.toArray(), [[[0, 0]], [[0, 0]], [[0, 0]]]);
    assertEquals(q.grad?.toArray(), [[[0, 0]]]);
  }),
);

Deno.test(
  "rope() refuses a table that requires a gradient",
  withoutLeaks(() => {
    const { cosines, sines } = ropeTable(2, 1);
    using x = Tensor.ones([2, 1, 2]);
    cosines.requiresGrad = true;
    assertThrows(() => rope(x, { cosines, sines }), Error, "rope: the table requires a gradient");
    cosines.dispose();
    sines.dispose();
  }),
);
