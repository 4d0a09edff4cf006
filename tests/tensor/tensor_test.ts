import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { dtypes, isPlain } from "../../lib/core/dtype.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import { pool } from "../../lib/memory/mod.ts";
import { type NestedNumbers, Tensor } from "../../lib/tensor/mod.ts";

Deno.test(
  "Tensor.from() takes nested arrays, typed arrays and scalars",
  withoutLeaks(() => {
    using matrix = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    using vector = Tensor.from(new Float32Array([1.5, -2]));
    using scalar = Tensor.from(7);
    using empty = Tensor.from([]);
    using ids = Tensor.from([3, 1], "int32");
    using half = Tensor.from([0.5, 65504], "float16");
    assertEquals(matrix.toArray(), [[1, 2, 3], [4, 5, 6]]);
    assertEquals([matrix.shape, matrix.strides, matrix.size], [[2, 3], [3, 1], 6]);
    assertEquals(vector.toArray(), [1.5, -2]);
    assertEquals([scalar.shape, scalar.toArray()], [[], 7]);
    assertEquals([empty.shape, empty.toArray()], [[0], []]);
    assertEquals(ids.toArray(), [3, 1]);
    assertEquals(half.toArray(), [0.5, 65504]);
  }),
);

Deno.test(
  "Tensor.from() refuses ragged arrays",
  withoutLeaks(() => {
    const ragged: NestedNumbers[] = [[[1, 2], [3]], [1, [2]], [[1], 2], [[], [1]]];
    for (const values of ragged) {
      assertThrows(() => Tensor.from(values), RangeError, "Tensor.from: a row at depth");
    }
  }),
);

Deno.test(
  "Tensor.zeros(), ones() and full() fill every element",
  withoutLeaks(() => {
    using zeros = Tensor.zeros([2, 3]);
    using ones = Tensor.ones([5]);
    using full = Tensor.full([], -2.5);
    using none = Tensor.full([0, 3], 1);
    assertEquals(zeros.toArray(), [[0, 0, 0], [0, 0, 0]]);
    assertEquals(ones.toArray(), [1, 1, 1, 1, 1]);
    assertEquals(full.toArray(), -2.5);
    assertEquals(none.size, 0);
  }),
);

Deno.test(
  "Tensor.full() refuses what is not a number and keeps no memory",
  withoutLeaks(() => {
    assertThrows(() => Tensor.full([2], "1" as unknown as number), TypeError, "not string");
  }),
);

Deno.test(
  "Tensor.randn() is normal, and depends on the seed and index only",
  withoutLeaks(() => {
    using a = Tensor.randn([100, 1000], { seed: 5, mean: 2, deviation: 3 });
    using b = Tensor.randn([1000], { seed: 5, mean: 2, deviation: 3 });
    using c = Tensor.randn([1000], { seed: 5 + 2 ** 32, mean: 2, deviation: 3 });
    assertEquals(b.data, a.data.slice(0, 1000));
    assert(b.data[0] !== c.data[0]);
    const mean = a.data.reduce((sum, x) => sum + x, 0) / a.size;
    const variance = a.data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / a.size;
    assert(Math.abs(mean - 2) < 0.05 && Math.abs(variance - 9) < 0.2, `${mean} ${variance}`);
    assertThrows(() => Tensor.randn([2], { seed: -1 }), RangeError, "seed");
    assertThrows(() => Tensor.randn([2], { seed: 0.5 }), RangeError, "seed");
  }),
);

Deno.test(
  "shapes that are not shapes are refused before memory is taken",
  withoutLeaks(() => {
    for (const shape of [[-1], [1.5], [NaN], [2 ** 32], [2 ** 31, 2 ** 31]]) {
      assertThrows(() => Tensor.zeros(shape), RangeError, "Tensor.zeros: shape");
    }
  }),
);

Deno.test(
  "get() takes negative indices and refuses those out of range",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    assertEquals([x.get(0, 2), x.get(-1, -3)], [3, 4]);
    assertThrows(() => x.get(2, 0), RangeError, "index 2 is out of range for an axis of 2");
    assertThrows(() => x.get(0, -4), RangeError, "index -4");
    assertThrows(() => x.get(0), RangeError, "takes 2 indices, not 1");
    assertThrows(() => x.get(0, 0.5), RangeError);
  }),
);

Deno.test(
  "views share memory and outlive the tensor they came from",
  withoutLeaks(() => {
    const x = Tensor.from([[1, 2], [3, 4], [5, 6]]);
    using row = x.slice(1, 2);
    using flat = x.reshape([-1]);
    using last = x.slice(-1);
    row.data[0] = 30;
    assertEquals(x.get(1, 0), 30);
    x.dispose();
    assertEquals(flat.toArray(), [1, 2, 30, 4, 5, 6]);
    assertEquals([row.shape, last.toArray()], [[1, 2], [[5, 6]]]);
  }),
);

Deno.test(
  "slice() clamps as arrays do",
  withoutLeaks(() => {
    using x = Tensor.from([1, 2, 3]);
    for (const [start, end, expected] of [[0, 9, [1, 2, 3]], [2, 1, []], [-2, -1, [2]]] as const) {
      using part = x.slice(start, end);
      assertEquals(part.toArray(), [...expected]);
    }
  }),
);

Deno.test(
  "reshape() refuses sizes that differ",
  withoutLeaks(() => {
    using x = Tensor.zeros([2, 3]);
    assertThrows(() => x.reshape([4]), RangeError, "[2, 3] has 6 elements and cannot become [4]");
    assertThrows(() => x.reshape([-1, 4]), RangeError);
    assertThrows(() => x.reshape([-1, -1]), RangeError);
    assertThrows(() => x.reshape([-1, 0]), RangeError);
  }),
);

Deno.test(
  "clone() and copyFrom() copy elements, not capacity",
  withoutLeaks(() => {
    using x = Tensor.from([1, 2, 3]);
    using copy = x.clone();
    x.data[0] = 9;
    assertEquals(copy.toArray(), [1, 2, 3]);
    using other = Tensor.zeros([2]);
    assertThrows(() => x.copyFrom(other), RangeError, "[2] does not fill [3]");
  }),
);

Deno.test(
  "use after dispose is an error that names the tensor",
  withoutLeaks(() => {
    const x = Tensor.zeros([2, 3]);
    const { data } = x;
    x.dispose();
    x.dispose();
    assert(x.disposed);
    const uses = [
      () => x.data,
      () => x.address,
      () => x.get(0, 0),
      () => x.toArray(),
      () => x.reshape([6]),
      () => x.slice(0),
      () => x.clone(),
    ];
    for (const use of uses) {
      assertThrows(use, DisposedError, "Tensor float32 [2, 3] was");
    }
    // In debug mode a stale typed array is empty.
    assertEquals(data.length, pool.debug ? 0 : 6);
  }),
);

Deno.test(
  "a disposed view does not free the memory that others hold",
  withoutLeaks(() => {
    using x = Tensor.from([1, 2, 3, 4]);
    const view = x.slice(0, 2);
    view.dispose();
    view.dispose();
    using other = Tensor.zeros([4]);
    assertEquals(other.size, 4);
    assertEquals(x.toArray(), [1, 2, 3, 4]);
  }),
);

Deno.test(
  "quantised tensors hold whole blocks and show bytes",
  withoutLeaks(() => {
    using x = Tensor.empty([2, 64], "q4_0");
    assertEquals([x.byteLength, x.data.length], [72, 72]);
    assertThrows(() => Tensor.empty([2, 33], "q8_0"), RangeError, "whole blocks");
    assertThrows(() => x.get(0, 0), TypeError, "dequantize");
  }),
);

Deno.test(
  "console.log shows dtype, shape and an excerpt",
  withoutLeaks(() => {
    using x = Tensor.full([100, 100], 0.5);
    const text = Deno.inspect(x);
    assertStringIncludes(text, "Tensor float32 [100, 100]");
    assertStringIncludes(text, "…");
    assert(text.length < 500, text);
    const y = Tensor.zeros([1]);
    y.dispose();
    assertEquals(Deno.inspect(y), "Tensor float32 [1] (disposed)");
  }),
);

Deno.test({
  name: "renting in a loop takes no native memory after the first time",
  // Debug mode keeps returned blocks from being used again for a while.
  ignore: pool.debug,
  fn() {
    for (let i = 0; i < 10; i++) Tensor.zeros([32, 512]).dispose();
    const before = pool.stats();
    for (let i = 0; i < 1000; i++) Tensor.zeros([32, 512]).dispose();
    const after = pool.stats();
    assertEquals([after.misses, after.reservedBytes], [before.misses, before.reservedBytes]);
  },
});

Deno.test(
  "a view that is refused leaves no reference behind",
  withoutLeaks(() => {
    using blocks = Tensor.empty([64], "q8_0");
    using matrix = Tensor.zeros([4, 4]);
    assertThrows(() => blocks.slice(0, 5), RangeError, "whole blocks");
    assertThrows(() => matrix.slice(0, 1.5), RangeError, "Tensor.slice: 0 and 1.5");
    assertThrows(() => matrix.slice(NaN), RangeError, "integers");
  }),
);

Deno.test(
  "tensors of every plain dtype are made, filled, read, copied and shown",
  withoutLeaks(() => {
    for (const dtype of dtypes.filter(isPlain)) {
      const element = (value: number) => dtype === "int64" ? BigInt(value) : value;
      using x = Tensor.from([[1, 0, 1], [0, 1, 1]], dtype);
      assertEquals([x.dtype, x.get(0, 2), x.get(-1, 0)], [dtype, element(1), element(0)]);
      assertEquals(x.toArray(), [[1, 0, 1], [0, 1, 1]].map((row) => row.map(element)));
      using turned = x.transpose();
      using copy = turned.clone();
      assertEquals(copy.toArray(), [[1, 0], [0, 1], [1, 1]].map((row) => row.map(element)));
      using part = x.slice(1, 3, { axis: 1 });
      part.copyFrom(part);
      assertStringIncludes(Deno.inspect(part), `Tensor ${dtype} [2, 2] [[0, 1],\n [1, 1]]`);
      using ones = Tensor.ones([2], dtype);
      using zeros = Tensor.zeros([2], dtype);
      using full = Tensor.full([2], 1, dtype);
      assertEquals([ones.toArray(), zeros.toArray()], [[1, 1].map(element), [0, 0].map(element)]);
      assertEquals(full.toArray(), ones.toArray());
      using same = Tensor.fromShared(x.share());
      assertEquals(same.toArray(), x.toArray());
    }
  }),
);

Deno.test(
  "elements are read as the numbers they stand for",
  withoutLeaks(() => {
    using brain = Tensor.from([1.0078125, -3.140625, Infinity, NaN], "bfloat16");
    assertEquals(brain.toArray(), [1.0078125, -3.140625, Infinity, NaN]);
    assertStringIncludes(Deno.inspect(brain), "[1.0078, -3.1406, Infinity, NaN]");
    using wide = Tensor.from(new BigInt64Array([2n ** 63n - 1n, -1n]), "int64");
    assertEquals(wide.toArray(), [2n ** 63n - 1n, -1n]);
    assertEquals(wide.data, new BigInt64Array([2n ** 63n - 1n, -1n]));
    using mixed = Tensor.from([1, 2n], "int64");
    assertEquals(mixed.toArray(), [1n, 2n]);
    using mask = Tensor.from([[true, false], [false, true]], "bool");
    assertEquals(mask.data, new Uint8Array([1, 0, 0, 1]));
    using truth = Tensor.from(new Float32Array([0, -2, NaN]), "bool");
    assertEquals(truth.toArray(), [0, 1, 1]);
    using doubles = Tensor.from(new Float64Array([0.1, 1e300]), "float64");
    assertEquals(doubles.toArray(), [0.1, 1e300]);
    using bytes = Tensor.full([3], 255, "uint8");
    assertEquals(bytes.data, new Uint8Array([255, 255, 255]));
    using big = Tensor.full([1], -(2n ** 62n), "int64");
    assertEquals(big.get(0), -(2n ** 62n));
    using flag = Tensor.full([], true, "bool");
    assertEquals(flag.toArray(), 1);
  }),
);

/** `np.arange(…).tolist()` of NumPy 2.4. */
const ranges: [start: number, stop: number, step: number, expected: number[]][] = [
  [0, 3, 1, [0, 1, 2]],
  [1, 2, 0.25, [1, 1.25, 1.5, 1.75]],
  [5, 0, -2, [5, 3, 1]],
  [0, 0, 1, []],
  [3, 0, 1, []],
  [0, 1, 3, [0]],
  [-1.5, 1, 0.5, [-1.5, -1, -0.5, 0, 0.5]],
];

Deno.test(
  "Tensor.arange() has the numbers before its end, in every dtype",
  withoutLeaks(() => {
    for (const [start, stop, step, expected] of ranges) {
      using x = Tensor.arange(start, stop, step, "float64");
      assertEquals(x.toArray(), expected);
    }
    for (const dtype of ["float32", "float16", "bfloat16", "int32", "uint8"] as const) {
      using x = Tensor.arange(2, 9, 3, dtype);
      assertEquals([x.dtype, x.toArray()], [dtype, [2, 5, 8]]);
    }
    using wide = Tensor.arange(2 ** 53 - 2, 2 ** 53, 1, "int64");
    assertEquals(wide.toArray(), [2n ** 53n - 2n, 2n ** 53n - 1n]);
    using long = Tensor.arange(100_000);
    assert(long.data.every((value, index) => value === index));
    using four = Tensor.arange(4);
    assertEquals(four.toArray(), [0, 1, 2, 3]);
    assertThrows(() => Tensor.arange(0, 1, 0), RangeError, "Tensor.arange: the step is not 0");
    assertThrows(() => Tensor.arange(0, Infinity), RangeError, "stop is a finite number");
    assertThrows(() => Tensor.arange(0, 1, 0.5, "int32"), RangeError, "0.5 is not an integer");
    assertThrows(() => Tensor.arange(0, 300, 1, "uint8"), RangeError, "299 is not an integer");
    assertThrows(() => Tensor.arange(0, 2, 1, "bool" as "int32"), TypeError, '"bool"');
  }),
);

Deno.test(
  "Tensor.linspace() ends at its end, and Tensor.eye() has ones on its diagonal",
  withoutLeaks(() => {
    using x = Tensor.linspace(0, 1, 5);
    assertEquals(x.toArray(), [0, 0.25, 0.5, 0.75, 1]);
    using tenths = Tensor.linspace(0, 0.3, 4, "float64");
    assertEquals(tenths.toArray(), [0, 0.09999999999999999, 0.19999999999999998, 0.3]);
    using one = Tensor.linspace(3, 7, 1);
    using none = Tensor.linspace(3, 7, 0);
    assertEquals([one.toArray(), none.toArray()], [[3], []]);
    assertThrows(() => Tensor.linspace(0, 1, -1), RangeError, "Tensor.linspace");
    assertThrows(() => Tensor.linspace(0, NaN, 2), RangeError, "stop is a finite number");
    assertThrows(() => Tensor.linspace(0, 1, 2, "int32" as "float32"), TypeError, "not int32");
    using wide = Tensor.eye(2, 3);
    assertEquals(wide.toArray(), [[1, 0, 0], [0, 1, 0]]);
    using tall = Tensor.eye(3, 1, "int64");
    assertEquals(tall.toArray(), [[1n], [0n], [0n]]);
    using square = Tensor.eye(40, 40, "bool");
    assertEquals(
      square.toArray(),
      Array.from({ length: 40 }, (_, i) => {
        return Array.from({ length: 40 }, (_, j) => i === j ? 1 : 0);
      }),
    );
    using empty = Tensor.eye(0);
    assertEquals(empty.shape, [0, 0]);
  }),
);
