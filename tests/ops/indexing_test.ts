/**
 * Reading and adding by indices, against the definitions one element at a time.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { Random } from "../../lib/core/random.ts";
import { setThreads, threads } from "../../lib/ffi/mod.ts";
import {
  embedding,
  gather,
  indexAdd,
  indexAddInPlace,
  oneHot,
  scatterAdd,
  scatterAddInPlace,
  takeAlongAxis,
} from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { f, type Floats, i } from "./cases.ts";
import { placesOf } from "./places.ts";

/** Indices from -extent to extent - 1. */
function randomIndices(shape: number[], extent: number, dtype: "int32" | "int64"): Tensor {
  const random = new Random(shape.length + extent);
  const size = shape.reduce((product, length) => product * length, 1);
  const values = Array.from(
    { length: size },
    () => Math.floor(random.next() * 2 * extent) - extent,
  );
  using flat = Tensor.from(values, dtype);
  return flat.reshape(shape);
}

type Ids = Tensor<"int32">;

const sliced: [x: number[], axis: number, indices: number[]][] = [
  [[4], 0, [7]],
  [[4], 0, []],
  [[4, 3], 0, [5]],
  [[4, 3], 1, [2, 3]],
  [[4, 3], -2, [0]],
  [[3, 4, 5], 1, [6]],
  [[3, 4, 5], 2, [2, 2]],
  [[1, 70, 40], 0, [9]],
  [[0, 4], 1, [3]],
];

for (const [shape, axis, count] of sliced) {
  Deno.test(
    `gather() takes indices [${count}] along axis ${axis} of [${shape}], indexAdd() adds there`,
    withoutLeaks(() => {
      const place = axis < 0 ? axis + shape.length : axis;
      using x = f(shape);
      for (const dtype of ["int32", "int64"] as const) {
        using indices = randomIndices(count, shape[place], dtype) as Ids;
        using y = gather(x, indices, { axis });
        const expected = [...shape.slice(0, place), ...count, ...shape.slice(place + 1)];
        assertEquals(y.shape, expected);
        using sum = indexAdd(x, indices, y, { axis });
        const total = new Map(placesOf(shape).map((at) => [String(at), x.get(...at)]));
        for (const at of placesOf(expected)) {
          const own = Number(indices.get(...at.slice(place, place + count.length)));
          const index = own < 0 ? own + shape[place] : own;
          const from = at.toSpliced(place, count.length, index);
          assertEquals(y.get(...at), x.get(...from));
          total.set(String(from), Math.fround(total.get(String(from))! + y.get(...at)));
        }
        for (const at of placesOf(shape)) assertEquals(sum.get(...at), total.get(String(at)));
        using same = x.clone();
        assert(indexAddInPlace(same, indices, y, { axis }) === same);
        assertEquals(same.data, sum.data);
      }
    }),
  );
}

const along: [x: number[], axis: number, indices: number[]][] = [
  [[4], 0, [6]],
  [[3, 4], 1, [3, 7]],
  [[3, 4], 0, [5, 4]],
  [[3, 4], -1, [1, 2]],
  [[2, 5, 3], 1, [2, 4, 1]],
  [[40, 50], 0, [60, 50]],
];

for (const [shape, axis, count] of along) {
  Deno.test(
    `takeAlongAxis() takes indices [${count}] along axis ${axis} of [${shape}], ` +
      "scatterAdd() adds there",
    withoutLeaks(() => {
      const place = axis < 0 ? axis + shape.length : axis;
      using x = f(shape);
      using indices = randomIndices(count, shape[place], "int64") as Ids;
      using y = takeAlongAxis(x, indices, { axis });
      const expected = shape.with(place, count[place]);
      assertEquals(y.shape, expected);
      using sum = scatterAdd(x, indices, y, { axis });
      const total = new Map(placesOf(shape).map((at) => [String(at), x.get(...at)]));
      for (const at of placesOf(expected)) {
        const own = Number(indices.get(...at.map((step, i) => count[i] === 1 ? 0 : step)));
        const from = at.with(place, own < 0 ? own + shape[place] : own);
        assertEquals(y.get(...at), x.get(...from));
        total.set(String(from), Math.fround(total.get(String(from))! + y.get(...at)));
      }
      for (const at of placesOf(shape)) assertEquals(sum.get(...at), total.get(String(at)));
    }),
  );
}

Deno.test(
  "gather() and takeAlongAxis() read every plain dtype, and views of any strides",
  withoutLeaks(() => {
    using last = i([-1, 0]);
    using wide = last.reshape([1, 2]);
    for (const dtype of ["float64", "float16", "bfloat16", "int32", "uint8", "bool"] as const) {
      using x = Tensor.from([[0, 1, 1], [1, 0, 1]], dtype);
      using turned = x.transpose();
      using rows = gather(turned, last);
      assertEquals([rows.dtype, rows.toArray()], [dtype, [[1, 1], [0, 1]]]);
      using items = takeAlongAxis(turned, wide, { axis: 0 });
      assertEquals(items.toArray(), [[1, 1]]);
    }
    using x = Tensor.from([[1n, 2n ** 62n]], "int64");
    using y = gather(x, last, { axis: 1 });
    assertEquals(y.toArray(), [[2n ** 62n, 1n]]);
  }),
);

Deno.test(
  "sums by indices have the same bits for any number of threads",
  withoutLeaks(() => {
    const before = threads();
    using x = f([50, 400]);
    using rows = randomIndices([3000], 50, "int32") as Ids;
    using source = f([3000, 400]);
    using places = randomIndices([3000, 400], 50, "int32") as Ids;
    try {
      setThreads(1);
      using slices = indexAdd(x, rows, source);
      using elements = scatterAdd(x, places, source);
      for (const count of [2, 4, 8]) {
        setThreads(count);
        using again = indexAdd(x, rows, source);
        using others = scatterAdd(x, places, source);
        assertEquals(again.data, slices.data);
        assertEquals(others.data, elements.data);
      }
    } finally {
      setThreads(before);
    }
  }),
);

Deno.test(
  "sums by indices change views where they are, with a source that is repeated",
  withoutLeaks(() => {
    using x = Tensor.zeros([3, 4]);
    using columns = x.transpose();
    using ids = i([1, -1, 1]);
    using one = Tensor.ones([1, 1]);
    using source = one.broadcastTo([3, 3]);
    indexAddInPlace(columns, ids, source);
    assertEquals(x.toArray(), [[0, 2, 0, 1], [0, 2, 0, 1], [0, 2, 0, 1]]);
    using places = ids.reshape([1, 3]);
    scatterAddInPlace(columns, places, one);
    assertEquals(x.toArray(), [[0, 3, 0, 1], [0, 2, 0, 2], [0, 3, 0, 1]]);
  }),
);

Deno.test(
  "integers, halves and float64 are added too",
  withoutLeaks(() => {
    using ids = i([0, 0]);
    using words = Tensor.from([2 ** 31 - 1], "int32");
    using ones = Tensor.ones([2], "int32");
    indexAddInPlace(words, ids, ones);
    assertEquals(words.toArray(), [-(2 ** 31) + 1]);
    using wide = Tensor.from([2n ** 62n], "int64");
    using wides = Tensor.from([1n, 2n], "int64");
    scatterAddInPlace(wide, ids, wides);
    assertEquals(wide.toArray(), [2n ** 62n + 3n]);
    using half = Tensor.from([0.5], "bfloat16");
    using halves = Tensor.from([1, 2], "bfloat16");
    scatterAddInPlace(half, ids, halves);
    assertEquals(half.toArray(), [3.5]);
    using doubles = Tensor.from([0.1], "float64");
    using more = Tensor.from([0.2, 0.3], "float64");
    using sum = indexAdd(doubles, ids, more);
    assertEquals(sum.toArray(), [0.1 + 0.2 + 0.3]);
  }),
);

Deno.test(
  "oneHot() makes rows of any dtype",
  withoutLeaks(() => {
    using labels = Tensor.from([[2n], [0n]], "int64");
    for (const dtype of ["float32", "float64", "bfloat16", "int32", "uint8", "bool"] as const) {
      using y = oneHot(labels, 3, { dtype });
      assertEquals([y.dtype, y.toArray()], [dtype, [[[0, 0, 1]], [[1, 0, 0]]]]);
    }
    using none = Tensor.empty([0], "int32");
    using y = oneHot(none, 0);
    assertEquals(y.shape, [0, 0]);
  }),
);

Deno.test(
  "an index that is out of range is named with its place",
  withoutLeaks(() => {
    using x = f([2, 3]);
    using ids = Tensor.from([[0, 1], [-3, 5]], "int32");
    using wide = Tensor.from([0n, -4n], "int64");
    using source = f([2, 2, 3]);
    const rows = "index -3 at [1, 0] of indices [2, 2] is not from -2 to 1";
    assertThrows(() => gather(x, ids), RangeError, `gather: ${rows}`);
    using column = ids.reshape([4, 1]);
    assertThrows(() => takeAlongAxis(x, column), RangeError, "at [2, 0]");
    assertThrows(() => gather(x, wide, { axis: 1 }), RangeError, "index -4 at [1] of indices [2]");
    const before = x.data.slice();
    assertThrows(() => indexAddInPlace(x, ids, source), RangeError, rows);
    assertEquals(x.data, before);
    assertThrows(() => oneHot(ids, 6), RangeError, "index -3 at [1, 0] of indices [2, 2]");
    using turned = ids.transpose();
    assertThrows(() => gather(x, turned), RangeError, "index -3 at [0, 1]");
    using token = i([0, 2]);
    assertThrows(() => embedding(x, token), RangeError, "embedding: index 2 at [1] of indices [2]");
  }),
);

Deno.test(
  "operations by indices refuse operands that do not fit, and targets that repeat elements",
  withoutLeaks(() => {
    using x = f([2, 3]);
    using ids = i([0, 1]);
    using row = ids.reshape([1, 2]);
    using scalar = f([]);
    using source = f([2, 2]);
    const refused: [() => unknown, string][] = [
      [() => gather(x, ids, { axis: 2 }), "gather: axis 2 is out of range for 2 axes"],
      [() => gather(scalar, ids), "gather: axis 0 is out of range for 0 axes"],
      [() => takeAlongAxis(x, ids), "takeAlongAxis: indices [2] do not fit [2, 3] along axis 0"],
      [() => takeAlongAxis(x, row), "indices [1, 2] do not fit [2, 3] along axis 0"],
      [() => indexAdd(x, ids, source), "indexAdd: source is [2, 2], expected [2, 3]"],
      [() => indexAddInPlace(x, ids, x), "indexAddInPlace: x must not be source"],
      [() => scatterAdd(x, row, source, { axis: 0 }), "scatterAdd: indices [1, 2] do not fit"],
      [() => scatterAdd(x, row, scalar, { axis: 1 }), "scatterAdd: source [] does not fit"],
      [() => oneHot(ids, -1), "oneHot: the number of classes is an integer from 0, not -1"],
    ];
    for (const [call, words] of refused) assertThrows(call, RangeError, words);
    using bytes = Tensor.from([1, 2], "uint8");
    using flat = f([1]);
    using repeated = flat.broadcastTo([2]);
    using pair = f([2]);
    const kinds: [() => unknown, string][] = [
      [() => gather(x, pair as Tensor as Ids), "gather: indices is float32, expected int32"],
      [
        () => indexAdd(bytes as Tensor as Floats, ids, pair),
        "indexAdd: x is uint8, expected float32, float64, float16, bfloat16, int32, int64, whose " +
        'sums do not fit into it: add into int32 with cast(x, "int32")',
      ],
      [() => indexAdd(pair, ids, bytes as Tensor as Floats), "source is uint8"],
      [() => indexAddInPlace(repeated, ids, pair), "shows elements more than once"],
    ];
    for (const [call, words] of kinds) assertThrows(call, TypeError, words);
  }),
);
