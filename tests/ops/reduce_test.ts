/**
 * Reductions: NumPy's values, shapes and dtypes for a small array, loops in JavaScript's own
 * numbers for views over all axes, empty axes, NaN, and what is refused.
 */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import * as ops from "../../lib/ops/mod.ts";
import type { PlainDType } from "../../lib/core/dtype.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { placesOf } from "./places.ts";

type Axes = number | readonly number[] | undefined;
type Options = { axis?: number | readonly number[]; keepDims?: boolean };
type Reducer = (x: Tensor, options: Options) => Tensor;

/** The functions, with their parameters. */
const functions: Record<string, Reducer> = {
  sum: ops.sum as Reducer,
  prod: ops.prod as Reducer,
  mean: ops.mean as Reducer,
  max: ops.max as Reducer,
  min: ops.min as Reducer,
  any: ops.any,
  all: ops.all,
  countNonZero: ops.countNonZero,
  logSumExp: ops.logSumExp as Reducer,
  variance: ops.variance as Reducer,
  std1: (x, options) => ops.std(x as Tensor<"float32">, { ...options, ddof: 1 }),
  norm: ops.norm as Reducer,
  norm0: (x, options) => ops.norm(x as Tensor<"float32">, { ...options, ord: 0 }),
  norm1: (x, options) => ops.norm(x as Tensor<"float32">, { ...options, ord: 1 }),
  norm3: (x, options) => ops.norm(x as Tensor<"float32">, { ...options, ord: 3 }),
  normMax: (x, options) => ops.norm(x as Tensor<"float32">, { ...options, ord: Infinity }),
  normMin: (x, options) => ops.norm(x as Tensor<"float32">, { ...options, ord: -Infinity }),
};

/** The same of plain numbers. */
const definitions: Record<string, (v: number[]) => number> = {
  sum: total,
  prod: (v) => v.reduce((a, b) => a * b, 1),
  mean: (v) => total(v) / v.length,
  max: (v) => Math.max(...v),
  min: (v) => Math.min(...v),
  any: (v) => Number(v.some((x) => x !== 0)),
  all: (v) => Number(v.every((x) => x !== 0)),
  countNonZero: (v) => v.filter((x) => x !== 0).length,
  logSumExp: (v) => Math.log(total(v.map(Math.exp))),
  variance: (v) => squares(v) / v.length,
  std1: (v) => Math.sqrt(squares(v) / (v.length - 1)),
  norm: (v) => Math.sqrt(total(v.map((x) => x * x))),
  norm0: (v) => v.filter((x) => x !== 0).length,
  norm1: (v) => total(v.map(Math.abs)),
  norm3: (v) => Math.cbrt(total(v.map((x) => Math.abs(x) ** 3))),
  normMax: (v) => Math.max(0, ...v.map(Math.abs)),
  normMin: (v) => Math.min(...v.map(Math.abs)),
};

function total(v: number[]): number {
  return v.reduce((a, b) => a + b, 0);
}

function squares(v: number[]): number {
  const mean = total(v) / v.length;
  return total(v.map((x) => (x - mean) ** 2));
}

function goneOf(rank: number, axis: Axes): Set<number> {
  if (axis === undefined) return new Set(Array.from({ length: rank }, (_, i) => i));
  const axes = typeof axis === "number" ? [axis] : axis;
  return new Set(axes.map((one) => one < 0 ? one + rank : one));
}

/** The elements behind each element of the result. */
function groupsOf(x: Tensor, axis: Axes): number[][] {
  const gone = goneOf(x.shape.length, axis);
  const kept = x.shape.map((size, index) => gone.has(index) ? 1 : size);
  return placesOf(kept).map((place) => {
    const sizes = x.shape.map((size, index) => gone.has(index) ? size : 1);
    return placesOf(sizes).map((inner) => Number(x.get(...place.map((p, i) => p + inner[i]))))
      .toArray();
  }).toArray();
}

function checkAgainstLoops(x: Tensor, axis: Axes): void {
  const groups = groupsOf(x, axis);
  const gone = goneOf(x.shape.length, axis);
  const kept = x.shape.filter((_, index) => !gone.has(index));
  const kept1 = x.shape.map((size, index) => gone.has(index) ? 1 : size);
  for (const [name, run] of Object.entries(functions)) {
    using y = run(x, { axis });
    using wide = run(x, { axis, keepDims: true });
    assertEquals(y.shape, kept, name);
    assertEquals(wide.shape, kept1, name);
    assertEquals(wide.data, y.data, name);
    const values = Array.from(y.data as ArrayLike<number | bigint>, Number);
    for (const [index, value] of values.entries()) {
      const expected = definitions[name](groups[index]);
      if (Number.isNaN(expected)) assert(Number.isNaN(value), name);
      else assertAlmostEquals(value, expected, 4e-6 * (1 + Math.abs(expected)), name);
    }
  }
}

const axes: Axes[] = [undefined, 0, 1, 2, -1, -3, [0, 2], [1, 2], [0, 1], [2, 0], [0, 1, 2], []];

for (const axis of axes) {
  Deno.test(
    `reductions over ${axis === undefined ? "all axes" : `axis [${axis}]`} are those of loops`,
    withoutLeaks(() => {
      using random = Tensor.randn([3, 5, 19], { seed: 3 });
      using x = ops.mul(random, 0.5);
      using turned = x.transpose(2, 0, 1);
      using part = x.slice(1, 4, { axis: 1 });
      using column = x.slice(7, 8, { axis: 2 });
      for (const view of [x, turned, part, column]) checkAgainstLoops(view, axis);
    }),
  );
}

Deno.test(
  "reductions agree with NumPy 2.4 on values, shapes and dtypes",
  withoutLeaks(() => {
    // x = np.arange(24, dtype="f4").reshape(2, 3, 4) * 0.5 - 4; x[0, 1, 2] = 0
    const numbers = Array.from({ length: 24 }, (_, i) => i * 0.5 - 4);
    numbers[6] = 0;
    using flat = Tensor.from(numbers);
    using x = flat.reshape([2, 3, 4]);
    using both = ops.sum(x, { axis: [0, 2] });
    assertEquals(both.toArray(), [-2, 15, 30]);
    using inner = ops.sum(x, { axis: -2 });
    assertEquals(inner.toArray(), [[-6, -4.5, -2, -1.5], [12, 13.5, 15, 16.5]]);
    using spread = ops.variance(x, { axis: [0, 2] });
    assertEquals(spread.toArray(), [9.3125, 8.734375, 9.3125]);
    using deviation = ops.std(x, { axis: 1, ddof: 1 });
    assertAlmostEquals(deviation.get(0, 2), 2.081665999466133, 3e-7);
    assertEquals(deviation.get(1, 0), 2);
    using count = ops.countNonZero(x, { axis: 0 });
    assertEquals(count.toArray(), [[2n, 2n, 2n, 2n], [2n, 2n, 1n, 2n], [1n, 2n, 2n, 2n]]);
    using log = ops.logSumExp(x, { axis: [1, 2] });
    assertAlmostEquals(log.get(0), 2.4844126412773644, 5e-7);
    using all = ops.mean(x);
    assertEquals([all.shape, all.get()], [[], 1.7916666269302368]);
  }),
);

/** np.sum(x).dtype, np.mean(x).dtype and np.max(x).dtype. */
const dtypes: [PlainDType, PlainDType, PlainDType][] = [
  ["float32", "float32", "float32"],
  ["float64", "float64", "float64"],
  ["float16", "float16", "float16"],
  ["bfloat16", "bfloat16", "bfloat16"],
  ["int32", "int64", "float64"],
  ["int64", "int64", "float64"],
  ["uint8", "int64", "float64"],
  ["bool", "int64", "float64"],
];

for (const [dtype, summed, real] of dtypes) {
  Deno.test(
    `sums of ${dtype} are ${summed}, means ${real}, extremes ${dtype}`,
    withoutLeaks(() => {
      using numbers = Tensor.from([[1, 0, 1], [1, 1, 1]]);
      using x = ops.cast(numbers, dtype);
      using sum = ops.sum(x, { axis: 1 });
      using prod = ops.prod(x, { axis: 1 });
      using mean = ops.mean(x, { axis: 1 });
      using spread = ops.variance(x, { axis: 1 });
      using length = ops.norm(x, { axis: 1 });
      using max = ops.max(x, { axis: 1 });
      using min = ops.min(x, { axis: 1 });
      using place = ops.argmin(x, { axis: 1 });
      assertEquals([sum.dtype, prod.dtype], [summed, summed]);
      assertEquals([mean.dtype, spread.dtype, length.dtype], [real, real, real]);
      assertEquals([max.dtype, min.dtype, place.dtype], [dtype, dtype, "int32"]);
      const wide = [sum, prod, mean, max, min].map((y) => ops.cast(y, "float64"));
      const [sums, products, means, largest, smallest] = wide.map((y) => y.toArray());
      assertEquals([sums, products], [[2, 3], [0, 1]]);
      assertEquals([largest, smallest, place.toArray()], [[1, 1], [0, 1], [1, 0]]);
      assertAlmostEquals((means as number[])[0], 2 / 3, 3e-3);
      for (const y of wide) y.dispose();
    }),
  );
}

Deno.test(
  "reductions of an empty axis are NumPy's, and extremes are refused",
  withoutLeaks(() => {
    using x = Tensor.empty([2, 0]);
    const expected: Record<string, number> = {
      sum: 0,
      prod: 1,
      mean: NaN,
      variance: NaN,
      any: 0,
      all: 1,
      countNonZero: 0,
      logSumExp: -Infinity,
      norm: 0,
      norm0: 0,
      norm3: 0,
      normMax: 0,
    };
    for (const [name, value] of Object.entries(expected)) {
      using y = functions[name](x, { axis: 1 });
      const values = Array.from(y.data as ArrayLike<number | bigint>, Number);
      assertEquals(values, [value, value], name);
      using none = functions[name](x, { axis: 0 });
      assertEquals(none.shape, [0], name);
    }
    const words = "x [2, 0] has no elements to choose from";
    assertThrows(() => ops.max(x), RangeError, `max: ${words}`);
    assertThrows(() => ops.min(x, { axis: 1 }), RangeError, `min: ${words}`);
    assertThrows(() => ops.argmax(x), RangeError, `argmax: ${words}`);
    assertThrows(() => ops.argmin(x), RangeError, `argmin: ${words}`);
    assertThrows(() => ops.norm(x, { ord: -Infinity }), RangeError, `norm: ${words}`);
    using kept = ops.max(x, { axis: 0 });
    assertEquals(kept.shape, [0]);
  }),
);

Deno.test(
  "extremes and their places give the first NaN, as NumPy does",
  withoutLeaks(() => {
    using x = Tensor.from([[1, NaN, 3], [NaN, 2, NaN]]);
    using max = ops.max(x, { axis: 1 });
    using min = ops.min(x, { axis: 0 });
    using high = ops.argmax(x, { axis: 1 });
    using low = ops.argmin(x, { axis: 0 });
    assertEquals(max.toArray(), [NaN, NaN]);
    assertEquals(min.toArray(), [NaN, NaN, NaN]);
    assertEquals([high.toArray(), low.toArray()], [[1, 0], [1, 0, 1]]);
    using count = ops.countNonZero(x);
    assertEquals(count.get(), 6n);
  }),
);

Deno.test(
  "argmax() and argmin() search any axis of any view, the first of equals winning",
  withoutLeaks(() => {
    using x = Tensor.from([[3, 1, 3], [3, 0, 5]], "int32");
    using turned = x.transpose();
    for (
      const [view, axis, high, low] of [
        [x, 0, [0, 0, 1], [0, 1, 0]],
        [x, 1, [0, 2], [1, 1]],
        [turned, -1, [0, 0, 1], [0, 1, 0]],
        [turned, 0, [0, 2], [1, 1]],
      ] as const
    ) {
      using largest = ops.argmax(view, { axis });
      using smallest = ops.argmin(view, { axis });
      assertEquals([largest.toArray(), smallest.toArray()], [high, low]);
    }
    using kept = ops.argmax(x, { axis: 0, keepDims: true });
    assertEquals(kept.shape, [1, 3]);
  }),
);

Deno.test(
  "sums do not lose what float32 would, and norms and deviations stay in range",
  withoutLeaks(() => {
    using tenths = Tensor.full([1_000_000], 0.1);
    using sum = ops.sum(tenths);
    assertAlmostEquals(sum.get(), 1e6 * Math.fround(0.1), 0.1);
    using large = Tensor.full([3, 1000], 1e30);
    using length = ops.norm(large, { axis: 1 });
    assertAlmostEquals(length.get(1) / 1e30, Math.sqrt(1000), 1e-5);
    using offsets = Tensor.from(Array.from({ length: 1024 }, (_, i) => 1e6 + (i % 2) * 0.0625));
    using deviation = ops.std(offsets);
    assertEquals(deviation.get(), 0.03125);
  }),
);

Deno.test(
  "reductions refuse axes and arguments that do not fit, before they make anything",
  withoutLeaks(() => {
    using x = Tensor.randn([2, 3], { seed: 1 });
    using weight = Tensor.empty([32, 32], "q8_0");
    using out = Tensor.empty([3]);
    assertThrows(() => ops.sum(x, { axis: 2 }), RangeError, "sum: axis 2 is out of range");
    assertThrows(() => ops.sum(x, { axis: -3 }), RangeError, "sum: axis -3 is out of range");
    assertThrows(() => ops.sum(x, { axis: 0.5 }), RangeError, "sum: axis 0.5 is out of range");
    assertThrows(() => ops.max(x, { axis: [0, -2] }), RangeError, "max: axis -2 of [0, -2] is");
    assertThrows(() => ops.norm(x, { ord: -1 }), RangeError, "norm: ord is -1");
    assertThrows(() => ops.norm(x, { ord: NaN }), RangeError, "norm: ord is NaN");
    assertThrows(() => ops.variance(x, { ddof: NaN }), RangeError, "variance: ddof is NaN");
    assertThrows(() => ops.std(x, { ddof: Infinity }), RangeError, "std: ddof is Infinity");
    assertThrows(() => ops.sum(weight as unknown as Tensor<"float32">), TypeError, "quantised");
    assertThrows(() => ops.sum(x, { axis: 1, out }), RangeError, "sum: out is [3], expected [2]");
    using row = x.slice(0, 1);
    using place = row.reshape([3]);
    assertThrows(() => ops.sum(x, { axis: 0, out: place }), RangeError, "sum: out must not be x");
  }),
);
