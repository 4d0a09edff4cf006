/**
 * Running sums and products, and top-k, with values of NumPy and PyTorch, views, dtypes,
 * and what is refused.
 */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import * as ops from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

Deno.test(
  "cumsum() and cumprod() walk along any axis of any view, with NumPy's dtypes",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    using turned = x.transpose();
    using rows = ops.cumsum(x);
    using columns = ops.cumsum(x, { axis: 0 });
    using products = ops.cumprod(turned, { axis: -1 });
    assertEquals(rows.toArray(), [[1, 3, 6], [4, 9, 15]]);
    assertEquals(columns.toArray(), [[1, 2, 3], [5, 7, 9]]);
    assertEquals(products.toArray(), [[1, 4], [2, 10], [3, 18]]);
    for (const dtype of ["int32", "int64", "uint8", "bool"] as const) {
      using whole = ops.cast(x, dtype);
      using sums = ops.cumsum(whole);
      assertEquals(sums.dtype, "int64");
      const expected = dtype === "bool" ? [[1n, 2n, 3n], [1n, 2n, 3n]] : [[1n, 3n, 6n], [
        4n,
        9n,
        15n,
      ]];
      assertEquals(sums.toArray(), expected);
    }
    using scalar = ops.sum(x);
    using same = ops.cumsum(scalar);
    assertEquals([same.shape, same.get()], [[], 21]);
    using none = Tensor.empty([2, 0]);
    using still = ops.cumprod(none, { axis: 0 });
    assertEquals(still.shape, [2, 0]);
    assertThrows(() => ops.cumsum(x, { axis: 2 }), RangeError, "cumsum: axis 2 is out of range");
  }),
);

Deno.test(
  "cumsum() does not add up its rounding",
  withoutLeaks(() => {
    using tenths = Tensor.full([100_000], 0.1);
    using y = ops.cumsum(tenths);
    assertAlmostEquals(y.get(99_999), 1e5 * Math.fround(0.1), 1e-3);
  }),
);

Deno.test(
  "topK() gives the largest or smallest in order, the first of equals first, as PyTorch does",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 9, 3, 9], [4, NaN, 7, -0], [0, 0, 0, 0]]);
    for (
      const [largest, values, indices] of [
        [true, [[9, 9, 3], [NaN, 7, 4], [0, 0, 0]], [[1, 3, 2], [1, 2, 0], [0, 1, 2]]],
        [false, [[1, 3, 9], [-0, 4, 7], [0, 0, 0]], [[0, 2, 1], [3, 0, 2], [0, 1, 2]]],
      ] as const
    ) {
      const found = ops.topK(x, 3, { largest });
      using numbers = found.values;
      using places = found.indices;
      assertEquals(numbers.toArray(), values);
      assertEquals(places.toArray(), indices);
    }
  }),
);

Deno.test(
  "topK() searches any axis of any view, of halves too, into out",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 5, 2], [8, 4, 2]]);
    using turned = x.transpose();
    using half = ops.cast(x, "float16");
    for (const [operand, axis] of [[x, 0], [turned, 1], [turned, -1], [half, 0]] as const) {
      const rows = operand === turned;
      const found = ops.topK(operand as Tensor<"float32">, 1, { axis });
      using values = found.values;
      using indices = found.indices;
      assertEquals(values.dtype, operand.dtype);
      assertEquals(values.toArray(), rows ? [[8], [5], [2]] : [[8, 5, 2]]);
      assertEquals(indices.toArray(), rows ? [[1], [0], [0]] : [[1, 0, 0]]);
    }
    using values = Tensor.empty([2, 2]);
    using indices = Tensor.empty([2, 2], "int32");
    const out = { values, indices };
    const found = ops.topK(x, 2, { out });
    assert(found.values === values && found.indices === indices);
    assertEquals([values.toArray(), indices.toArray()], [[[5, 2], [8, 4]], [[1, 2], [0, 1]]]);
  }),
);

Deno.test(
  "topK() of a whole axis sorts it",
  withoutLeaks(() => {
    using x = Tensor.randn([1, 1000], { seed: 5 });
    const found = ops.topK(x, 1000, { largest: false });
    using values = found.values;
    using indices = found.indices;
    assertEquals(values.data, x.data.slice().sort());
    assertEquals(new Set(indices.data).size, 1000);
  }),
);

Deno.test(
  "topK() refuses what does not fit, and leaks nothing",
  withoutLeaks(() => {
    using x = Tensor.randn([2, 3], { seed: 1 });
    using whole = Tensor.from([1, 2], "int32") as unknown as Tensor<"float32">;
    using values = Tensor.empty([2, 2]);
    using wrong = Tensor.empty([2, 3], "int32");
    const gone = Tensor.empty([2]);
    gone.dispose();
    assertThrows(() => ops.topK(x, 4), RangeError, "topK: k is 4, expected an integer from 0 to 3");
    assertThrows(() => ops.topK(x, -1), RangeError, "topK: k is -1");
    assertThrows(() => ops.topK(x, 1.5), RangeError, "topK: k is 1.5");
    assertThrows(() => ops.topK(x, 1, { axis: 2 }), RangeError, "topK: axis 2");
    assertThrows(() => ops.topK(whole, 1), TypeError, "topK: x is int32");
    assertThrows(() => ops.topK(gone, 1), DisposedError, "topK: x");
    const out = { values, indices: wrong };
    assertThrows(() => ops.topK(x, 2, { out }), RangeError, "topK: out.indices is [2, 3]");
    const same = { values: x, indices: wrong };
    assertThrows(() => ops.topK(x, 3, { out: same }), RangeError, "out.values must not be x");
  }),
);

Deno.test(
  "crossEntropy() reduces, ignores and smooths as PyTorch 2.15 does",
  withoutLeaks(() => {
    using logits = Tensor.from([[1, 2, 3], [0.5, -1, 4], [0, 0, 0]], "float64");
    using targets = Tensor.from([2, -100, 0], "int32");
    const expected = [
      ["mean", 0.7531091265562451, 0.8031091265562451],
      ["sum", 1.5062182531124901, 1.6062182531124902],
    ] as const;
    for (const [reduction, plain, smooth] of expected) {
      using loss = ops.crossEntropy(logits, targets, { reduction });
      using smoothed = ops.crossEntropy(logits, targets, { reduction, labelSmoothing: 0.1 });
      assertEquals([loss.shape, loss.dtype], [[], "float64"]);
      assertAlmostEquals(loss.get(), plain, 1e-14);
      assertAlmostEquals(smoothed.get(), smooth, 1e-14);
    }
    using losses = ops.crossEntropy(logits, targets, { reduction: "none", labelSmoothing: 0.1 });
    assertAlmostEquals(losses.get(0), 0.5076059644443804, 1e-14);
    assertEquals(losses.get(1), 0);
    using half = ops.cast(logits, "bfloat16");
    using rounded = ops.crossEntropy(half, targets);
    assertEquals(rounded.get(), 0.75390625);
    using deep = logits.reshape([3, 1, 3]);
    using ids = targets.reshape([3, 1]);
    using same = ops.crossEntropy(deep, ids);
    assertAlmostEquals(same.get(), 0.7531091265562451, 1e-14);
    using none = Tensor.full([3], 7, "int32");
    using nothing = ops.crossEntropy(logits, none, { ignoreIndex: 7 });
    assertEquals(nothing.get(), NaN);
  }),
);

Deno.test(
  "crossEntropy() refuses options that it does not know, and leaks nothing",
  withoutLeaks(() => {
    using logits = Tensor.from([[1, 2, 3]]);
    using targets = Tensor.from([3], "int32");
    const reduction = "average" as "mean";
    assertThrows(() => ops.crossEntropy(logits, targets), RangeError, "crossEntropy: ");
    assertThrows(
      () => ops.crossEntropy(logits, targets, { reduction }),
      TypeError,
      'reduction is "average"',
    );
    assertThrows(() => ops.crossEntropy(logits, targets, { labelSmoothing: 2 }), RangeError, "2");
    assertThrows(() => ops.crossEntropy(logits, targets, { ignoreIndex: 0.5 }), RangeError, "0.5");
    using out = Tensor.empty([1]);
    assertThrows(() => ops.crossEntropy(logits, targets, { out }), RangeError, "out is [1]");
  }),
);
