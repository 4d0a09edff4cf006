/**
 * Optimisers against PyTorch's figures, their state, what they refuse, and their memory.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { pool } from "../../lib/memory/mod.ts";
import { mul, square, sum } from "../../lib/ops/mod.ts";
import {
  Adafactor,
  AdamW,
  clipGradNorm,
  cosineSchedule,
  linearSchedule,
  Lion,
  MovingAverage,
  oneCycleSchedule,
  type Optimizer,
  type Parameters,
  SGD,
} from "../../lib/optim/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { oneCycle, parameters } from "./figures.ts";

type Doubles = Tensor<"float64">;

const makers: Record<string, (p: Parameters) => Optimizer> = {
  "AdamW": (p) => new AdamW(p),
  "AdamW fast": (p) =>
    new AdamW(p, { learningRate: 0.1, betas: [0.8, 0.9], epsilon: 1e-3, weightDecay: 0.3 }),
  "SGD": (p) => new SGD(p, { learningRate: 0.05 }),
  "SGD momentum": (p) => new SGD(p, { learningRate: 0.05, momentum: 0.9, weightDecay: 0.1 }),
  "SGD nesterov": (p) => new SGD(p, { learningRate: 0.05, momentum: 0.9, nesterov: true }),
  "Adafactor": (p) => new Adafactor(p),
  "Adafactor decay": (p) =>
    new Adafactor(p, { learningRate: 0.1, weightDecay: 0.1, clip: 1.5, squareDecay: -0.5 }),
};

const shapes: Record<string, number[]> = { matrix: [3, 4], vector: [5], batch: [2, 2, 3] };

function filled(
  shape: readonly number[],
  of: (i: number) => number,
  dtype: "float32" | "float64",
): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  using flat = Tensor.from(Float64Array.from({ length: size }, (_, i) => of(i)), dtype);
  return flat.reshape(shape);
}

function start(shape: number[], dtype: "float32" | "float64" = "float64"): Doubles {
  return filled(shape, (i) => ((i * 7) % 11 - 5) / 4, dtype) as Doubles;
}

/** Gives a parameter a gradient, by the way that programs do. */
function descend(parameter: Doubles, t: number): void {
  const { shape, dtype } = parameter;
  using slope = filled(shape, (i) => ((i * 5 + t * 3) % 13 - 6) / 3, dtype) as Doubles;
  using product = mul(parameter, slope);
  using loss = sum(product);
  loss.backward();
}

for (const [name, make] of Object.entries(makers)) {
  for (const [what, expected] of Object.entries(parameters[name])) {
    for (const dtype of ["float64", "float32"] as const) {
      Deno.test(
        `${name} steps a ${what} of ${dtype} as PyTorch does`,
        withoutLeaks(() => {
          using p = start(shapes[what], dtype);
          using optimizer = make({ p });
          for (let t = 0; t < 6; t++) {
            descend(p, t);
            optimizer.step();
            assertEquals(p.grad, undefined);
          }
          const flat = [p.toArray()].flat(9) as number[];
          assertClose(flat, expected, dtype === "float64" ? 1e-12 : 2e-5);
        }),
      );
    }
  }
}

Deno.test(
  "a step takes the sign of Lion's average, and all of it where there is none yet",
  withoutLeaks(() => {
    using p = Tensor.from([1, 2, 3], "float64");
    using optimizer = new Lion([p], { learningRate: 0.5, weightDecay: 0.1 });
    using slopes = Tensor.from([4, -0.25, 0], "float64");
    using product = mul(p, slopes);
    using loss = sum(product);
    loss.backward();
    optimizer.step();
    assertClose(p.toArray() as number[], [1 * 0.95 - 0.5, 2 * 0.95 + 0.5, 3 * 0.95], 1e-15);
  }),
);

for (const [name, make] of Object.entries({ ...makers, Lion: (p: Parameters) => new Lion(p) })) {
  Deno.test(
    `${name} goes on from its state with the same bits`,
    withoutLeaks(() => {
      using whole = start([3, 4]);
      using one = make({ whole });
      using half = start([3, 4]);
      using two = make({ whole: half });
      for (let t = 0; t < 3; t++) {
        descend(whole, t);
        one.step();
        descend(half, t);
        two.step();
      }
      using three = make({ whole: half });
      three.load(two.state());
      for (let t = 3; t < 6; t++) {
        descend(whole, t);
        one.step();
        descend(half, t);
        three.step();
      }
      assertEquals(half.data, whole.data);
      assertEquals(three.steps, 6);
    }),
  );
}

Deno.test(
  "a state that does not fit is refused by name",
  withoutLeaks(() => {
    using p = start([3, 4]);
    using optimizer = new AdamW({ p });
    descend(p, 0);
    optimizer.step();
    const state = optimizer.state();
    using other = start([4, 3]);
    using fresh = new AdamW({ p: other });
    assertThrows(() => fresh.load(state), RangeError, "p.mean is float64 [3, 4], expected");
    const { "p.mean": _, ...rest } = state;
    using same = new AdamW({ p });
    assertThrows(() => same.load(rest), RangeError, "p.mean is missing");
    assertThrows(() => same.load({ ...state, "q.mean": p }), RangeError, "no place for q.mean");
    assertThrows(() => same.load({}), RangeError, '"steps" is missing');
  }),
);

Deno.test(
  "groups have settings of their own, and a shared weight is stepped once",
  withoutLeaks(() => {
    using a = Tensor.ones([2], "float64");
    using b = Tensor.ones([2], "float64");
    using optimizer = new SGD([
      { parameters: { a, tied: a }, weightDecay: 0 },
      { parameters: { b }, rateFactor: 0.5 },
    ], { learningRate: 0.1, weightDecay: 1 });
    using both = mul(a, b);
    using loss = sum(both);
    loss.backward();
    optimizer.step();
    assertClose(a.toArray() as number[], [0.9, 0.9], 1e-15);
    assertClose(b.toArray() as number[], [0.9, 0.9], 1e-15);
  }),
);

Deno.test(
  "settings and parameters that make no sense are refused",
  withoutLeaks(() => {
    using p = start([2, 2]);
    using ids = Tensor.from([1], "int32");
    using turned = p.transpose();
    const refused: [() => unknown, new () => Error, string][] = [
      [() => new AdamW({ p }, { learningRate: -1 }), RangeError, "AdamW: learningRate is -1"],
      [() => new AdamW({ p }, { betas: [1, 0] }), RangeError, "the first beta is 1"],
      [() => new AdamW({ p }, { epsilon: NaN }), RangeError, "epsilon is NaN"],
      [() => new SGD({ p }, { nesterov: true }), RangeError, "nesterov needs a momentum"],
      [() => new SGD({ p }, { weightDecay: Infinity }), RangeError, "weightDecay is Infinity"],
      [() => new Adafactor({ p }, { squareDecay: 1 }), RangeError, "squareDecay is 1"],
      [() => new Lion({ ids }), TypeError, "Lion: parameter ids is int32"],
      [() => new Lion([turned]), TypeError, "parameter 0 is a view that is not contiguous"],
      [() => new Lion([1 as unknown as Tensor, p]), TypeError, "parameter 0 is no tensor"],
      [() => new SGD([{ parameters: { p } }, { parameters: { p: turned } }]), TypeError, "view"],
      [() => new MovingAverage({ p }, 1), RangeError, "MovingAverage: the decay is 1"],
      [() => clipGradNorm({ p }, -1), RangeError, "clipGradNorm: the bound is -1"],
    ];
    for (const [use, error, words] of refused) assertThrows(use, error, words);
  }),
);

Deno.test(
  "clipGradNorm() shortens all gradients by one factor, and leaves short ones",
  withoutLeaks(() => {
    using a = Tensor.from([3, 0], "float64");
    using b = Tensor.from([4], "float64");
    for (const tensor of [a, b]) tensor.requiresGrad = true;
    for (const tensor of [a, b]) {
      using squares = square(tensor);
      using loss = sum(squares);
      loss.backward();
    }
    assertEquals(clipGradNorm([a, b], 20), 10);
    assertEquals(clipGradNorm({ a, b, again: a }, 5), 10);
    assertEquals([a.grad?.toArray(), b.grad?.toArray()], [[3, 0], [4]]);
  }),
);

Deno.test(
  "a moving average follows its parameters, and changes places with them",
  withoutLeaks(() => {
    using p = Tensor.from([1, 2], "float64");
    using average = new MovingAverage({ p }, 0.75);
    p.data.set([5, 6]);
    average.update();
    assertEquals(average.state().p.toArray(), [2, 3]);
    average.swap();
    assertEquals([p.toArray(), average.state().p.toArray()], [[2, 3], [5, 6]]);
    average.swap();
    assertEquals(p.toArray(), [5, 6]);
  }),
);

Deno.test("schedules rise and fall as they say, one-cycle as PyTorch's", () => {
  const cosine = cosineSchedule({ peak: 2, steps: 10, warmup: 4, floor: 1 });
  assertClose([0, 1, 3, 4, 7, 10, 99].map(cosine), [0.5, 1, 2, 2, 1.5, 1, 1], 1e-15);
  const line = linearSchedule({ peak: 1, steps: 4 });
  assertEquals([0, 1, 2, 3, 4, 5].map(line), [1, 0.75, 0.5, 0.25, 0, 0]);
  const cycle = oneCycleSchedule({ peak: 2, steps: 10 });
  assertClose(oneCycle.map((_, step) => cycle(step)), oneCycle, 1e-12);
  assertThrows(() => cosineSchedule({ peak: 1, steps: 2, warmup: 2 }), RangeError, "warmup 2");
  assertThrows(() => linearSchedule({ peak: 1, steps: 0 }), RangeError, "steps is 0");
  assertThrows(() => linearSchedule({ peak: 1, steps: 5, floor: 2 }), RangeError, "floor 2");
  assertThrows(() => oneCycleSchedule({ peak: 0, steps: 5 }), RangeError, "peak is 0");
});

Deno.test("steps after the first take no native memory, and a kept tensor outlives scopes", () => {
  using p = start([30, 40]);
  using optimizer = new AdamW([p]);
  const work = (t: number) => {
    descend(p, t);
    optimizer.step();
  };
  for (let t = 0; t < 5; t++) work(t);
  const before = pool.stats();
  for (let t = 0; t < 50; t++) work(t);
  const after = pool.stats();
  assertEquals(after.outstanding, before.outstanding);
  assertEquals(after.misses, before.misses);
});
