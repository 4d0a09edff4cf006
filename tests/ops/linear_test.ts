/**
 * linear() with float32 weights: what it adds and applies, and the copy of the
 * weight that it keeps: never stale, counted, and given back.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { native } from "../../lib/ffi/mod.ts";
import { OutOfMemoryError } from "../../lib/core/errors.ts";
import { pool } from "../../lib/memory/mod.ts";
import { type Activation, add, linear, matmul } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { cases, dispose, f, type Floats } from "./cases.ts";

/** NumPy 2.4.6 on `residual + x @ weight.T + bias` in float64, and formulas on that (erf from libm). */
const figures: Record<Activation, number[]> = {
  none: [8.5, -2.75, -1.0, 0.375],
  relu: [8.5, 0, 0, 0.375],
  gelu_tanh: [8.5, -0.007723144073617988, -0.1588080093917233, 0.24230776689151162],
  gelu_erf: [8.5, -0.008194348896400033, -0.15865525393145707, 0.2423136625022714],
  silu: [8.49827087068653, -0.16523828797852097, -0.2689414213699951, 0.22224997498277613],
};

for (const [activation, expected] of Object.entries(figures)) {
  Deno.test(
    `linear() adds bias and residual, then applies ${activation}`,
    withoutLeaks(() => {
      using x = Tensor.from([[1, -2, 3]]);
      using weight = Tensor.from([[1, 0, 2], [0, 1, 0], [-1, -1, -1], [0.5, 0.25, 0.125]]);
      using bias = Tensor.from([0.5, 0.25, -1, 0]);
      using residual = Tensor.from([[1, -1, 2, 0]]);
      const options = { bias, residual, activation: activation as Activation };
      using y = linear(x, weight, options);
      assertClose(y.data, expected, 1e-6);
      linear(x, weight, { ...options, out: residual });
      assertEquals(residual.data, y.data);
    }),
  );
}

Deno.test(
  "linear() gives the bits of matmul() with the weight turned, for any number of rows",
  withoutLeaks(() => {
    using x = f([13, 1030]);
    using weight = f([70, 1030]);
    using turned = weight.transpose();
    using expected = matmul(x, turned);
    for (const rows of [1, 2, 7, 13]) {
      using some = x.slice(0, rows);
      using y = linear(some, weight);
      assertEquals(y.data, expected.data.slice(0, rows * 70));
    }
    using stored = turned.contiguous();
    using view = stored.transpose();
    using y = linear(x, view);
    assertEquals(y.data, expected.data);
  }),
);

/** The nearest bfloat16, ties to even. */
function rounded(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] = (bits[0] + 0x7fff + (bits[0] >>> 16 & 1)) & 0xffff0000;
  return new Float32Array(bits.buffer)[0];
}

Deno.test(
  "linear() with precision fast rounds both operands to bfloat16, or computes as exact",
  withoutLeaks(() => {
    using x = f([9, 131]);
    using weight = f([70, 131]);
    using bias = f([70]);
    using residual = f([9, 70]);
    const options = { bias, residual, activation: "relu" } as const;
    using exact = linear(x, weight, options);
    using fast = linear(x, weight, { ...options, precision: "fast" });
    using again = linear(x, weight, options);
    assertEquals(again.data, exact.data, "each precision has a copy of its own");
    const shorten = (tensor: Floats) => {
      if (native().symbols.qn_isa_has_bf16() === 0) return;
      tensor.data.forEach((value, i) => tensor.data[i] = rounded(value));
    };
    shorten(x);
    shorten(weight);
    using expected = linear(x, weight, options);
    assertClose(fast.data, Array.from(expected.data), 1e-5);
    using row = x.slice(4, 5);
    using added = residual.slice(4, 5);
    using alone = linear(row, weight, { ...options, residual: added, precision: "fast" });
    assertEquals(alone.data, fast.data.slice(4 * 70, 5 * 70));
  }),
);

/** Asserts that a product is that of what the weight holds now. */
function assertFresh(x: Floats, weight: Floats, words: string): void {
  using copy = weight.clone();
  using expected = linear(x, copy);
  using y = linear(x, weight);
  assertEquals(y.data, expected.data, words);
}

Deno.test(
  "linear() sees what was written to a weight since, by operations, views and JavaScript",
  withoutLeaks(() => {
    using x = f([2, 4]);
    using weight = f([3, 4]);
    using other = Tensor.randn([3, 4], { seed: 9 });
    assertFresh(x, weight, "at first");
    weight.copyFrom(other);
    assertFresh(x, weight, "after copyFrom");
    add(weight, other, { out: weight });
    assertFresh(x, weight, "after an operation in place");
    using view = weight.slice(1, 2);
    assertFresh(x, weight, "with a view");
    using row = Tensor.ones([1, 4]);
    view.copyFrom(row);
    assertFresh(x, weight, "after a write to a view");
    const data = weight.data;
    for (const value of [2, 3]) {
      data[5] = value;
      assertFresh(x, weight, `after data[5] = ${value}`);
    }
    using viewed = view.data.fill(7) && view.reshape([4]);
    assertFresh(x, weight, "after a write to a view's data");
    assertEquals(viewed.get(0), 7);
  }),
);

Deno.test(
  "linear() sees what another holder of shared memory wrote",
  withoutLeaks(() => {
    using x = f([2, 4]);
    using weight = f([3, 4]);
    assertFresh(x, weight, "before");
    using claimed = Tensor.fromShared(weight.share()) as Floats;
    for (const value of [1, 2]) {
      using values = Tensor.full([3, 4], value);
      claimed.copyFrom(values);
      assertFresh(x, weight, "the sharer");
      assertFresh(x, claimed, "the claimer");
      weight.copyFrom(claimed);
    }
  }),
);

for (const { name, make, run, shape, dtype = "float32" } of cases) {
  if (dtype !== "float32" || shape.length === 0) continue;
  Deno.test(
    `linear() sees that ${name}() wrote to a weight`,
    withoutLeaks(() => {
      const cols = shape.at(-1)!;
      const rows = shape.reduce((a, b) => a * b, 1) / cols;
      using out = Tensor.zeros(shape);
      using weight = out.reshape([rows, cols]);
      using x = f([2, cols]);
      assertFresh(x, weight, "zeros");
      const operands = make();
      run(operands, out);
      assertFresh(x, weight, name);
      dispose(operands);
    }),
  );
}

Deno.test(
  "linear() keeps one copy of a weight, which statistics count and dispose() gives back",
  withoutLeaks(() => {
    using x = f([2, 64]);
    using y = Tensor.empty([2, 128]);
    const weight = f([128, 64]);
    const before = pool.stats();
    linear(x, weight, { out: y });
    const { outstanding, liveBytes } = pool.stats();
    assertEquals(outstanding, before.outstanding + 1);
    assert(liveBytes >= before.liveBytes + 128 * 64 * 4); // debug mode adds guards
    const isShorter = native().symbols.qn_isa_has_bf16() === 1;
    linear(x, weight, { out: y, precision: "fast" });
    assertEquals(pool.stats().outstanding, outstanding + (isShorter ? 1 : 0));
    for (let i = 0; i < 3; i++) linear(x, weight, { out: y });
    using view = weight.reshape([128, 64]);
    assertEquals(pool.stats().outstanding, outstanding + (isShorter ? 1 : 0));
    weight.dispose();
    assertEquals(pool.stats().outstanding, before.outstanding, "the view still holds the weight");
    assertFresh(x, view, "the view");
  }),
);

Deno.test(
  "linear() gives a new result back when there is no memory for the copy",
  withoutLeaks(() => {
    using x = f([1, 1024]);
    using weight = f([1024, 1024]);
    try {
      pool.setBudget(pool.stats().liveBytes + 2 ** 20);
      assertThrows(() => linear(x, weight), OutOfMemoryError);
    } finally {
      pool.setBudget(Infinity);
    }
    assertFresh(x, weight, "with memory");
  }),
);

Deno.test(
  "linear() refuses a bias, a residual and an activation that do not fit",
  withoutLeaks(() => {
    using x = f([2, 3]);
    using weight = f([4, 3]);
    using half = Tensor.empty([4, 3], "float16");
    using bias = f([3]);
    using residual = f([2, 3]);
    assertThrows(() => linear(x, weight, { bias }), RangeError, "bias is [3], expected [4]");
    assertThrows(() => linear(x, weight, { residual }), RangeError, "residual is [2, 3]");
    const activation = "softplus" as Activation;
    assertThrows(() => linear(x, weight, { activation }), TypeError, "not softplus");
    using right = f([4]);
    assertThrows(() => linear(x, half, { bias: right }), TypeError, "a float32 weight, not");
    assertThrows(() => linear(x, weight, { bias: right, out: right as Floats }), RangeError);
    assert(!right.disposed);
  }),
);
