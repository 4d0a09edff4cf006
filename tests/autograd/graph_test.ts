/**
 * What is recorded, and the walk back: values that are used twice, written in place, shown by
 * views, disposed of early; and what becomes of the memory. The gradients of operations are
 * tested from their table.
 */
import { assertEquals, assertThrows } from "@std/assert";
import "../support/native.ts";
import {
  add,
  addInPlace,
  div,
  embedding,
  fill,
  greater,
  linear,
  mul,
  mulInPlace,
  scaleInPlace,
  sub,
  sum,
} from "../../lib/ops/mod.ts";
import { grad, noGrad, valueAndGrad } from "../../lib/autograd/mod.ts";
import { pool, scope } from "../../lib/memory/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** A leaf of given values. */
function leaf(values: Parameters<typeof Tensor.from>[0]): Tensor<"float64"> {
  const x = Tensor.from(values, "float64");
  x.requiresGrad = true;
  return x;
}

/** The gradient of the sum of a tensor, whose handle goes. */
function backwardOfSum(y: Tensor<"float64">): void {
  using total = sum(y);
  y.dispose();
  total.backward();
}

Deno.test("a value that is used twice gets the sum of both gradients", () => {
  using x = leaf([2, 3]);
  using square = mul(x, x);
  backwardOfSum(mul(square, x));
  assertEquals(x.grad?.toArray(), [12, 27]);
});

Deno.test("gradients of broadcast operands are summed up in their shapes", () => {
  using row = leaf([1, 2, 3]);
  using column = leaf([[10], [20]]);
  using scalar = leaf(4);
  using product = mul(row, column);
  backwardOfSum(mul(product, scalar));
  assertEquals(row.grad?.toArray(), [120, 120, 120]);
  assertEquals(column.grad?.toArray(), [[24], [24]]);
  assertEquals(scalar.grad?.toArray(), 180);
});

Deno.test("gradients of one value that products add where they lie have the bits of their sum", () => {
  const noise = (shape: number[], seed: number) => Tensor.randn(shape, { seed });
  using x = noise([5, 7], 1);
  using weights = new DisposableStack();
  const all = [2, 3, 4].map((seed) => weights.use(noise([6, 7], seed)));
  using slope = noise([5, 6], 5);
  const gradientOf = (chosen: typeof all) => {
    using own = x.clone();
    own.requiresGrad = true;
    // Its gradient comes from a node, not from the leaf: all of it is there before it goes on.
    using value = mul(own, 1);
    using results = new DisposableStack();
    const parts = chosen.map((weight) => results.use(linear(value, weight)));
    using total = parts.reduce((a, b) => results.use(add(a, b))).clone();
    total.backward({ gradient: slope });
    return Float32Array.from(own.grad!.data);
  };
  // The last that was recorded comes first.
  const [first, second, third] = all.map((weight) => gradientOf([weight]));
  const expected = third.map((value, i) => Math.fround(value + second[i]))
    .map((value, i) => Math.fround(value + first[i]));
  const before = slope.toArray();
  assertEquals(gradientOf(all), expected);
  assertEquals(slope.toArray(), before);
});

Deno.test("a table that is looked up and multiplied with gets both gradients", () => {
  using table = leaf([[1, 2], [3, 4], [5, 6]]);
  using ids = Tensor.from([2, 0, 2], "int32");
  using rows = embedding(table, ids);
  backwardOfSum(linear(rows, table));
  // The sum over i, j of row(i) · row(j): each row of the table gets the sum of the rows that
  // were looked up, and as often as it was, the sum of the table.
  assertEquals(table.grad?.toArray(), [[11 + 9, 14 + 12], [11, 14], [11 + 18, 14 + 24]]);
});

Deno.test("gradients add up until they are dropped", () => {
  using x = leaf([1, 2]);
  for (let i = 1; i <= 2; i++) {
    backwardOfSum(mul(x, 3));
    assertEquals(x.grad?.toArray(), [3 * i, 3 * i]);
  }
  x.zeroGrad();
  assertEquals(x.grad, undefined);
  backwardOfSum(mul(x, 3));
  assertEquals(x.grad?.toArray(), [3, 3]);
});

Deno.test("two leaves of one sum do not share the memory of their gradients", () => {
  using a = leaf([1]);
  using b = leaf([2]);
  backwardOfSum(add(a, b));
  backwardOfSum(mul(a, 5));
  assertEquals([a.grad?.toArray(), b.grad?.toArray()], [[6], [1]]);
});

Deno.test("every view leads gradients back to its place", () => {
  const ways: Record<string, [(x: Tensor<"float64">) => Tensor<"float64">, number[][]]> = {
    reshape: [(x) => x.reshape([6]), [[1, 1, 1], [1, 1, 1]]],
    transpose: [(x) => x.transpose(), [[1, 1, 1], [1, 1, 1]]],
    slice: [(x) => x.slice(1, 3, { axis: 1 }), [[0, 1, 1], [0, 1, 1]]],
    diagonal: [(x) => x.diagonal(1), [[0, 1, 0], [0, 0, 1]]],
    unsqueeze: [(x) => x.unsqueeze(1), [[1, 1, 1], [1, 1, 1]]],
    squeeze: [(x) => x.squeeze(), [[1, 1, 1], [1, 1, 1]]],
    broadcastTo: [(x) => x.broadcastTo([4, 2, 3]), [[4, 4, 4], [4, 4, 4]]],
    clone: [(x) => x.clone(), [[1, 1, 1], [1, 1, 1]]],
    contiguous: [(x) => x.contiguous(), [[1, 1, 1], [1, 1, 1]]],
    "contiguous of a view": [(x) => {
      using turned = x.transpose();
      return turned.contiguous();
    }, [[1, 1, 1], [1, 1, 1]]],
    "a copy by reshape": [(x) => {
      using turned = x.transpose();
      return turned.reshape([2, 3]);
    }, [[1, 1, 1], [1, 1, 1]]],
  };
  for (const [name, [way, slopes]] of Object.entries(ways)) {
    using x = leaf([[1, 2, 3], [4, 5, 6]]);
    using view = way(x);
    backwardOfSum(mul(view, view));
    using expected = mul(x.detach(), Tensor.from(slopes, "float64"));
    assertEquals(x.grad?.toArray(), mul(expected, 2).toArray(), name);
  }
});

Deno.test("an in-place operation continues the history of what it changes", () => {
  using x = leaf([1, 2]);
  using y = mul(x, 3);
  addInPlace(y, x);
  scaleInPlace(y, 2);
  using weight = Tensor.from([5, 7], "float64");
  backwardOfSum(mul(y, weight));
  assertEquals(x.grad?.toArray(), [40, 56]);
});

Deno.test("a buffer that is written again has the history of the last writer alone", () => {
  using x = leaf([1, 2]);
  using out = Tensor.zeros([2], "float64");
  for (let i = 0; i < 3; i++) {
    add(x, i, { out });
    using loss = sum(out);
    loss.backward();
  }
  assertEquals(x.grad?.toArray(), [3, 3]);
  fill(out, 1);
  assertEquals(out.requiresGrad, false);
  addInPlace(out, x);
  using loss = sum(out);
  loss.backward();
  assertEquals(x.grad?.toArray(), [4, 4]);
});

Deno.test("writing to what a gradient needs is an error that names both operations", () => {
  using x = leaf([1, 2]);
  using y = add(x, 1);
  using z = mul(y, y);
  addInPlace(y, 1);
  using loss = sum(z);
  const error = assertThrows(() => loss.backward(), Error);
  for (const word of ["mul", "addInPlace", "the first operand", "float64 [2]"]) {
    assertEquals(error.message.includes(word), true, `${error.message} lacks ${word}`);
  }
  assertEquals(x.grad, undefined);
});

Deno.test("an operation that overwrites what its own gradient needs is refused", () => {
  using x = leaf([1, 2]);
  using y = add(x, 1);
  assertThrows(() => mulInPlace(y, x), Error, "mulInPlace: the result overwrote the first operand");
});

Deno.test("a leaf is not written in place, but inside of noGrad", () => {
  using x = leaf([1, 2]);
  assertThrows(() => scaleInPlace(x, 2), Error, "scaleInPlace: writes to a tensor that requires");
  assertEquals(x.toArray(), [1, 2]);
  noGrad(() => scaleInPlace(x, 2));
  assertEquals(x.toArray(), [2, 4]);
  backwardOfSum(mul(x, x));
  assertEquals(x.grad?.toArray(), [4, 8]);
});

Deno.test("what is written through a view, or inside of noGrad, is refused where it is used", () => {
  using x = leaf([1, 2]);
  using y = add(x, 1);
  using view = y.reshape([2, 1]);
  assertThrows(() => addInPlace(y, x), Error, "whose memory another tensor shows");
  assertThrows(() => mul(view, 2), Error, "the first operand");
  using z = add(x, 1);
  noGrad(() => scaleInPlace(z, 2));
  assertThrows(() => mul(z, 2), Error, "was written by scaleInPlace");
});

Deno.test("gradients are not lost in a part of a tensor that has none", () => {
  using x = leaf([1, 2]);
  using all = Tensor.zeros([4], "float64");
  using part = all.slice(0, 2);
  assertThrows(() => part.copyFrom(x), Error, "concatenate");
});

Deno.test("noGrad follows the asynchronous call that opened it", async () => {
  using x = leaf([1]);
  const { promise, resolve } = Promise.withResolvers<void>();
  const outside = noGrad(async () => {
    await promise;
    using y = mul(x, 2);
    return y.requiresGrad;
  });
  using y = mul(x, 2);
  resolve();
  assertEquals([y.requiresGrad, await outside], [true, false]);
  using z = mul(x, 2);
  assertEquals(z.requiresGrad, true);
});

Deno.test("detach and comparisons end the history", () => {
  using x = leaf([1, 2]);
  using y = mul(x, 2);
  using cut = y.detach();
  using larger = greater(y, 1);
  assertEquals([cut.requiresGrad, larger.requiresGrad], [false, false]);
  assertThrows(() => cut.backward(), Error, "no operation that led to this tensor was recorded");
});

Deno.test("walking twice needs retain", () => {
  using x = leaf([3]);
  using y = mul(x, x);
  using loss = sum(y);
  loss.backward({ retain: true });
  loss.backward();
  assertEquals(x.grad?.toArray(), [12]);
  assertThrows(() => loss.backward(), Error, "pass { retain: true }");
  assertEquals(x.grad?.toArray(), [12]);
});

Deno.test("a tensor of several elements needs a gradient to begin with", () => {
  using x = leaf([1, 2]);
  using y = mul(x, 3);
  assertThrows(() => y.backward(), RangeError, "sum it up first");
  using wrong = Tensor.ones([3], "float64");
  assertThrows(() => y.backward({ gradient: wrong }), RangeError, "float64 [2]");
  using gradient = Tensor.from([10, 20], "float64");
  y.backward({ gradient });
  assertEquals(x.grad?.toArray(), [30, 60]);
  assertEquals(gradient.toArray(), [10, 20]);
});

Deno.test("integers have no gradient", () => {
  using x = Tensor.from([1], "int32");
  assertThrows(() => x.requiresGrad = true, TypeError, "int32 has no gradient");
});

Deno.test("all memory comes back, whether gradients were computed, failed or never asked for", () => {
  const before = pool.stats().liveBytes;
  {
    using x = leaf([1, 2]);
    using y = mul(x, x);
    using z = mul(y, y);
    y.dispose();
    z.dispose();
    using a = mul(x, x);
    using b = div(a, x);
    backwardOfSum(sub(b, a));
    scope(() => backwardOfSum(mul(mul(x, x), x)));
    assertEquals(x.grad?.disposed, false);
  }
  assertEquals(pool.stats().liveBytes, before);
});

Deno.test("a long chain of operations is walked and given back without a deep stack", () => {
  using x = leaf([1]);
  let y = add(x, 0);
  for (let i = 0; i < 20_000; i++) {
    const next = add(y, 1);
    y.dispose();
    y = next;
  }
  backwardOfSum(y);
  assertEquals(x.grad?.toArray(), [1]);
});

Deno.test("grad gives one gradient an argument, and leaves the arguments alone", () => {
  using x = Tensor.from([1, 2], "float64");
  using y = Tensor.from([3, 4], "float64");
  const before = pool.stats().liveBytes;
  const gradients = grad((a: Tensor<"float64">, b: Tensor<"float64">) => sum(mul(a, b)))(x, y);
  assertEquals(gradients.map((each) => each.toArray()), [[3, 4], [1, 2]]);
  for (const each of gradients) each.dispose();
  {
    using result = valueAndGrad((a: Tensor<"float64">) => sum(mul(a, a)))(x);
    assertEquals(result.value.get(), 5);
    assertEquals(result.gradients[0].toArray(), [2, 4]);
    assertEquals(result.value.requiresGrad, false);
  }
  assertEquals([x.requiresGrad, pool.stats().liveBytes], [false, before]);
});
