/**
 * matmul() against NumPy, on views, and for what does not fit.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { setThreads, threads } from "../../lib/ffi/mod.ts";
import { pool } from "../../lib/memory/mod.ts";
import { matmul } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { f } from "./cases.ts";

/** Small integers: element i is (i * step) % modulus - shift. */
function integers(shape: number[], step: number, modulus: number, shift: number) {
  const size = shape.reduce((a, b) => a * b, 1);
  using flat = Tensor.from(
    Float32Array.from({ length: size }, (_, i) => i * step % modulus - shift),
  );
  return flat.reshape(shape);
}

/**
 * Shapes, and what NumPy 2.4.6 has for them: `(arange(size) * 5 % 7 - 3).reshape(a)`
 * and `(arange(size) * 3 % 5 - 2).reshape(b)` through `np.matmul`, its shape and elements.
 */
const products: [a: number[], b: number[], shape: number[], values: number[]][] = [
  [[3], [3], [], [8]],
  [[2, 3], [3], [2], [8, 6]],
  [[3], [3, 2], [2], [4, 1]],
  [[2, 3], [3, 2], [2, 2], [4, 1, 1, 2]],
  [[2, 2, 3], [3, 2], [2, 2, 2], [4, 1, 1, 2, 5, -11, 2, -10]],
  [[3], [2, 3, 2], [2, 2], [4, 1, 1, 3]],
  [[2, 1, 2, 3], [3, 3, 1], [2, 3, 2, 1], [8, 6, -6, -6, -5, -3, -3, -5, -6, -6, 6, 8]],
  [[2, 2, 3], [3], [2, 2], [8, 6, -3, -5]],
  [[1, 2, 3], [2, 3, 1], [2, 2, 1], [8, 6, -6, -6]],
  [[2, 0], [0, 2], [2, 2], [0, 0, 0, 0]],
  [[0, 3], [3, 2], [0, 2], []],
  [[2, 1, 1, 2], [3, 2, 2], [2, 3, 1, 2], [4, 1, 2, 4, -10, 2, 2, -4, -2, 2, 4, -2]],
];

for (const [a, b, shape, values] of products) {
  Deno.test(
    `matmul() of [${a}] and [${b}] is NumPy's`,
    withoutLeaks(() => {
      using x = integers(a, 5, 7, 3);
      using y = integers(b, 3, 5, 2);
      using product = matmul(x, y);
      assertEquals(product.shape, shape);
      assertEquals([...product.data], values);
    }),
  );
}

Deno.test(
  "matmul() multiplies the product by alpha, and adds what out was times beta",
  withoutLeaks(() => {
    using a = Tensor.from([[1, 2], [3, 4]]);
    using b = Tensor.from([[0, 1], [1, 0]]);
    using column = Tensor.from([1, -1]);
    using y = Tensor.from([[1, 2], [3, 4]]);
    matmul(a, b, { alpha: 2, beta: 10, out: y });
    assertEquals(y.toArray(), [[14, 22], [38, 46]]);
    using sums = Tensor.from([4, 8]);
    matmul(a, column, { alpha: -1, beta: 0.5, out: sums });
    assertEquals(sums.toArray(), [3, 5]);
    using scaled = matmul(a, b, { alpha: 3 });
    assertEquals(scaled.toArray(), [[6, 3], [12, 9]]);
  }),
);

Deno.test(
  "matmul() does not read out when beta is 0",
  withoutLeaks(() => {
    using a = Tensor.from([[1, 2], [3, 4]]);
    using out = Tensor.full([2, 2], NaN);
    matmul(a, a, { beta: 0, out });
    assertEquals(out.toArray(), [[7, 10], [15, 22]]);
  }),
);

Deno.test(
  "matmul() throws TypeError for beta without out, and for factors that are no numbers",
  withoutLeaks(() => {
    using a = Tensor.from([[1, 2], [3, 4]]);
    assertThrows(() => matmul(a, a, { beta: 1 }), TypeError, "matmul: beta 1 multiplies");
    // @ts-expect-error: a string is no factor.
    assertThrows(() => matmul(a, a, { alpha: "2" }), TypeError, "matmul: alpha and beta are num");
  }),
);

Deno.test(
  "matmul() reads transposed, sliced and repeated views without copying them",
  withoutLeaks(() => {
    using x = f([6, 20]);
    using y = f([30, 20]);
    using turned = y.transpose();
    using columns = turned.contiguous();
    using expected = matmul(x, columns);
    using product = matmul(x, turned);
    assertEquals(product.data, expected.data);
    using wide = f([6, 50]);
    using part = wide.slice(10, 30, { axis: 1 });
    using dense = part.clone();
    using fromPart = matmul(part, columns);
    using fromDense = matmul(dense, columns);
    assertEquals(fromPart.data, fromDense.data);
    using heads = f([5, 3, 4]);
    using byHead = heads.transpose(1, 0, 2);
    using keys = heads.transpose(1, 2, 0);
    const before = pool.stats().outstanding;
    using scores = matmul(byHead, keys);
    assertEquals(pool.stats().outstanding, before + 1);
    using first = byHead.slice(1, 2);
    using query = first.reshape([5, 4]);
    using one = query.transpose();
    using single = matmul(query, one);
    using picked = scores.slice(1, 2);
    assertEquals(picked.data.slice(), single.data.slice());
  }),
);

Deno.test(
  "matmul() gives the same bits for any number of threads and of rows",
  withoutLeaks(() => {
    const before = threads();
    using x = f([70, 300]);
    using y = f([300, 200]);
    using product = matmul(x, y);
    try {
      for (const count of [1, 2, 4]) {
        setThreads(count);
        using again = matmul(x, y);
        assertEquals(again.data, product.data);
      }
    } finally {
      setThreads(before);
    }
    for (const rows of [1, 2, 5, 13]) {
      using part = x.slice(70 - rows);
      using expected = product.slice(70 - rows);
      using some = matmul(part, y);
      assertEquals(some.data.slice(), expected.data.slice());
    }
  }),
);

Deno.test(
  "matmul() refuses scalars and batches that cannot be broadcast",
  withoutLeaks(() => {
    using scalar = Tensor.full([], 2);
    using x = f([2, 2]);
    using two = f([2, 2, 2]);
    using three = f([3, 2, 2]);
    assertThrows(() => matmul(scalar, x), RangeError, "matmul: a [] does not fit b [2, 2]");
    assertThrows(() => matmul(x, scalar), RangeError, "matmul: a [2, 2] does not fit b []");
    assertThrows(() => matmul(two, three), RangeError, "the axes before the last two are equal");
    using ids = Tensor.from([1, 2], "int32");
    assertThrows(() => matmul(x, ids as Tensor as typeof x), TypeError, "matmul: b is int32");
  }),
);

Deno.test(
  "matmul() takes sixteen axes",
  withoutLeaks(() => {
    const ones = new Array(10).fill(1);
    using x = f([2, 1, 2, ...ones, 1, 2, 3]);
    using y = f([2, 1, ...ones, 2, 3, 2]);
    using product = matmul(x, y);
    assertEquals(product.shape, [2, 2, 2, ...ones, 2, 2, 2]);
    assert(product.data.every(Number.isFinite));
  }),
);
