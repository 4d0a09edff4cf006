/**
 * Sorting: NumPy's figures for NaN, zeros of both signs, infinities and ties, every dtype,
 * axis and layout.
 */
import { assert, assertEquals } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import type { PlainDType } from "../../lib/core/dtype.ts";
import { argsort, cast, flip, sort, takeAlongAxis } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** A tensor, copied out. */
function arrayOf(tensor: Tensor): unknown {
  using held = tensor;
  return held.toArray();
}

Deno.test(
  "sort() and argsort() are stable and put NaN last, as NumPy's do",
  withoutLeaks(() => {
    // numpy.argsort(x, kind="stable") and x[order]; descending: numpy.argsort(-x, kind="stable").
    using x = Tensor.from([3, NaN, -0, 0, -Infinity, Infinity, 1, -0, NaN, 1]);
    assertEquals(arrayOf(argsort(x)), [4, 2, 3, 7, 6, 9, 0, 5, 1, 8]);
    assertEquals(arrayOf(sort(x)), [-Infinity, -0, 0, -0, 1, 1, 3, Infinity, NaN, NaN]);
    assertEquals(arrayOf(argsort(x, { descending: true })), [5, 0, 6, 9, 2, 3, 7, 4, 1, 8]);
    assertEquals(
      arrayOf(sort(x, { descending: true })),
      [Infinity, 3, 1, 1, -0, 0, -0, -Infinity, NaN, NaN],
    );
  }),
);

Deno.test(
  "sort() takes every dtype but the quantised",
  withoutLeaks(() => {
    const values = [5, 1, 4, 1, 3, 2, 250, 7];
    const dtypes: PlainDType[] = ["float32", "float64", "float16", "bfloat16", "int32", "uint8"];
    for (const dtype of dtypes) {
      using x = Tensor.from(values, dtype);
      assertEquals(arrayOf(sort(x)), [1, 1, 2, 3, 4, 5, 7, 250], dtype);
      assertEquals(arrayOf(argsort(x)), [1, 3, 5, 4, 2, 0, 7, 6], dtype);
      assertEquals(arrayOf(argsort(x, { descending: true })), [6, 7, 0, 2, 4, 5, 1, 3], dtype);
    }
    using wide = Tensor.from([2n ** 62n + 1n, 2n ** 62n, -(2n ** 63n), -1n], "int64");
    assertEquals(arrayOf(sort(wide)), [-(2n ** 63n), -1n, 2n ** 62n, 2n ** 62n + 1n]);
    using bits = Tensor.from([true, false, true, false], "bool");
    assertEquals(arrayOf(sort(bits)), [0, 0, 1, 1]);
    assertEquals(arrayOf(argsort(bits)), [1, 3, 0, 2]);
  }),
);

Deno.test(
  "sort() along any axis of any view is what takeAlongAxis() makes of argsort()",
  withoutLeaks(() => {
    using x = Tensor.randn([5, 300, 4], { seed: 3 });
    using turned = x.transpose(1, 0, 2);
    using part = x.slice(10, 250, { axis: 1 });
    for (const view of [x, turned, part]) {
      for (const axis of [0, 1, 2, -1]) {
        for (const descending of [false, true]) {
          using sorted = sort(view, { axis, descending });
          using order = argsort(view, { axis, descending });
          using taken = takeAlongAxis(view, order, { axis });
          assertEquals(taken.toArray(), sorted.toArray());
          using last = sorted.transpose(
            ...[0, 1, 2].filter((a) => a !== axis % 3 && a !== axis + 3),
            (axis + 3) % 3,
          );
          using dense = last.clone();
          const n = dense.shape[2];
          const ascends = dense.data.every((value, index) => {
            const before = dense.data[index - 1];
            return index % n === 0 || (descending ? value <= before : value >= before);
          });
          assert(ascends);
        }
      }
    }
  }),
);

Deno.test(
  "sort() in place and into a result, of nothing and of one element",
  withoutLeaks(() => {
    using x = Tensor.from([[3, 1], [2, 4]]);
    using copy = x.clone();
    assertEquals(sort(copy, { out: copy }) === copy, true);
    assertEquals(copy.toArray(), [[1, 3], [2, 4]]);
    copy.copyFrom(x);
    sort(copy, { axis: 0, out: copy });
    assertEquals(copy.toArray(), [[2, 1], [3, 4]]);
    using order = Tensor.zeros([2, 2], "int32");
    argsort(x, { axis: 0, out: order });
    assertEquals(order.toArray(), [[1, 0], [0, 1]]);
    using none = Tensor.empty([0, 3]);
    assertEquals(arrayOf(sort(none)), []);
    assertEquals(arrayOf(sort(none, { axis: 0 })), []);
    using one = Tensor.from([7]);
    assertEquals([arrayOf(sort(one)), arrayOf(argsort(one))], [[7], [0]]);
  }),
);

Deno.test(
  "A long row is sorted as a short one: a permutation of its elements, in order",
  withoutLeaks(() => {
    using x = Tensor.randn([100_000], { seed: 5 });
    using sorted = sort(x);
    const expected = x.data.slice().sort();
    assertEquals(sorted.data.every((value, index) => value === expected[index]), true);
    using wide = cast(x, "float64");
    using falling = sort(wide, { descending: true });
    using rising = flip(falling);
    assertEquals(rising.data.every((value, index) => value === expected[index]), true);
  }),
);
