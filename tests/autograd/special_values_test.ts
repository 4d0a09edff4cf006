/**
 * Gradients where differences have no answer: at ties, bounds and zeros, of infinite elements,
 * and of halves. What is expected is what PyTorch 2 gives in float64, where nothing else is
 * said.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import * as ops from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import type { Doubles } from "./gradient_check.ts";

type Rows = number[] | number[][];

/** The gradient of the sum of what is made of a tensor of given elements. */
function gradientOf(run: (x: Doubles) => Tensor, rows: Rows): unknown {
  using x = Tensor.from(rows, "float64");
  x.requiresGrad = true;
  using y = run(x);
  using total = ops.sum(y as Doubles);
  total.backward();
  return x.grad?.toArray();
}

const third = 1 / 3;

/** Elements, and the gradient of each. */
const cases: Record<string, [(x: Doubles) => Tensor, Rows, Rows]> = {
  "max shares equally among ties": [
    (x) => ops.max(x, { axis: 1 }),
    [[3, 1, 3], [2, 2, 2]],
    [[0.5, 0, 0.5], [third, third, third]],
  ],
  "min shares equally among ties": [
    (x) => ops.min(x),
    [[3, 1, 3], [1, 2, 2]],
    [[0, 0.5, 0], [0.5, 0, 0]],
  ],
  "clamp passes nothing at its bounds": [
    (x) => ops.clamp(x, -1, 1),
    [-2, -1, 0, 1, 2],
    [0, 0, 1, 0, 0],
  ],
  "prod of two zeros and more is flat": [(x) => ops.prod(x), [2, 0, 3, 0], [0, 0, 0, 0]],
  "std of equal elements is flat": [(x) => ops.std(x, { axis: 1 }), [[1, 1, 1], [0, 0, 0]], [
    [0, 0, 0],
    [0, 0, 0],
  ]],
  "norm is flat at 0": [(x) => ops.norm(x, { axis: 1 }), [[0, 0], [3, 4]], [[0, 0], [0.6, 0.8]]],
  "norm of an order below 1 is flat at 0": [
    (x) => ops.norm(x, { ord: 0.5, axis: 1 }),
    [[0, 0], [0, 4]],
    [[0, 0], [0, 1]],
  ],
  "the largest size is shared among ties": [
    (x) => ops.norm(x, { ord: Infinity, axis: 1 }),
    [[-4, 4, 1], [0, 0, 0]],
    [[-0.5, 0.5, 0], [0, 0, 0]],
  ],
  // PyTorch has NaN in the second row, where nothing can be said; 0 leaves the rest alone.
  "logSumExp of what is infinitely small": [
    (x) => ops.logSumExp(x, { axis: 1 }),
    [[-Infinity, 0], [-Infinity, -Infinity]],
    [[0, 1], [0, 0]],
  ],
};

for (const [name, [run, rows, expected]] of Object.entries(cases)) {
  Deno.test(
    `the gradient where ${name}`,
    withoutLeaks(() => {
      const actual = [gradientOf(run, rows)].flat(2) as number[];
      assertEquals(actual.length, expected.flat().length);
      expected.flat().forEach((value, i) => {
        assert(Math.abs(actual[i] - value) < 1e-12, `${actual} instead of ${expected}`);
      });
    }),
  );
}

Deno.test(
  "gradients of halves are computed in float32, and rounded once",
  withoutLeaks(() => {
    // 1000 elements of which the mean, the sizes and counts are no bfloat16.
    const rows = Array.from({ length: 1000 }, (_, i) => 1 + (i % 7) / 4);
    for (const dtype of ["float16", "bfloat16"] as const) {
      using exact = Tensor.from(rows, "float64");
      using half = Tensor.from(rows, dtype);
      exact.requiresGrad = half.requiresGrad = true;
      const runs = [
        (x: Tensor<"float64">) => ops.variance(x),
        (x: Tensor<"float64">) => ops.norm(x),
        (x: Tensor<"float64">) => ops.max(x),
      ];
      for (const run of runs) {
        for (const x of [exact, half]) {
          using y = run(x as Doubles);
          y.backward();
        }
        using rounded = ops.cast(exact.grad!, dtype);
        const [a, b] = [half.grad!.toArray(), rounded.toArray()] as number[][];
        const scale = dtype === "float16" ? 2 ** -9 : 2 ** -6;
        b.forEach((value, i) => assert(Math.abs(a[i] - value) <= scale * Math.abs(value) + 1e-7));
        exact.zeroGrad();
        half.zeroGrad();
      }
    }
  }),
);

Deno.test(
  "many gradients of one half are added in float32",
  withoutLeaks(() => {
    using places = Tensor.zeros([1000], "int32");
    using column = Tensor.zeros([1000, 1], "int32");
    // Steps of bfloat16 would end at 256, where 1 is half of the next.
    const runs: ((x: Tensor<"bfloat16">) => Tensor<"bfloat16">)[] = [
      (x) => ops.gather(x, places),
      (x) => ops.takeAlongAxis(x, column, { axis: 0 }),
      (x) => ops.pad(x, [[999, 0], [0, 0]], { mode: "edge" }),
      (x) => ops.repeat(x, 1000),
      (x) => ops.tile(x, [1000, 1]),
    ];
    for (const run of runs) {
      using x = Tensor.ones([1, 1], "bfloat16");
      x.requiresGrad = true;
      using y = run(x);
      using total = ops.sum(y);
      total.backward();
      assertEquals(x.grad?.toArray(), [[1000]]);
    }
  }),
);

Deno.test(
  "indices, truths and choices take what requires a gradient, and end it",
  withoutLeaks(() => {
    using x = Tensor.from([1, 3, 2]);
    x.requiresGrad = true;
    const runs: ((x: Tensor<"float32">) => Tensor)[] = [
      (x) => ops.argmax(x),
      (x) => ops.argmin(x),
      (x) => ops.argsort(x),
      (x) => ops.all(x),
      (x) => ops.any(x),
      (x) => ops.countNonZero(x),
      (x) => ops.greater(x, 1),
      (x) => ops.sign(x),
      (x) => ops.floor(x),
      (x) => ops.sample(x, 0),
    ];
    for (const run of runs) {
      using y = run(x);
      assertEquals(y.requiresGrad, false);
    }
    const refused = () => ops.ropeTable(2, 3, { factors: x });
    assertThrows(refused, Error, "ropeTable: factors requires a gradient");
  }),
);

Deno.test(
  "what is empty keeps its history",
  withoutLeaks(() => {
    const runs: ((x: Doubles) => Doubles)[] = [
      (x) => ops.flip(x),
      (x) => ops.roll(x, 1),
      (x) => ops.concatenate([x, x]),
      (x) => ops.stack([x, x]),
      (x) => ops.pad(x, [[0, 0], [1, 1]]),
      (x) => ops.sort(x),
      (x) => ops.cumsum(x),
      (x) => ops.tril(x),
    ];
    for (const run of runs) {
      using x = Tensor.zeros([0, 3], "float64");
      x.requiresGrad = true;
      using y = run(x);
      using total = ops.sum(y);
      total.backward();
      assertEquals(x.grad?.shape, [0, 3]);
    }
  }),
);
