/**
 * The loop of a training, without files: steps as a loop by hand takes them, validation, early
 * stopping, aborts, errors, and the picture of the losses.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import "../support/native.ts";
import { checkpoint } from "../../lib/autograd/mod.ts";
import { pool, scope } from "../../lib/memory/mod.ts";
import { linear, mean, mul, square, sub, sum } from "../../lib/ops/mod.ts";
import { Dropout, Linear } from "../../lib/nn/mod.ts";
import { AdamW, clipGradNorm, cosineSchedule, SGD } from "../../lib/optim/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { lossCurve, train, type TrainOptions, type TrainProgress } from "../../lib/train/mod.ts";

/** A small problem: a linear layer that learns another. */
class Problem implements Disposable {
  readonly weight = Tensor.zeros([2, 3]);
  readonly teacher = Tensor.from([[1, -2, 3], [0.5, 1, -1]]);
  readonly batches = Array.from({ length: 5 }, (_, seed) => Tensor.randn([4, 3], { seed }));
  readonly loss = (x: Tensor) => {
    const float = x as Tensor<"float32">;
    return mean(square(sub(linear(float, this.weight), linear(float, this.teacher))));
  };

  get options(): Pick<TrainOptions<Tensor>, "parameters" | "data" | "loss"> {
    return { parameters: { weight: this.weight }, data: this.batches, loss: this.loss };
  }

  [Symbol.dispose](): void {
    for (const each of [this.weight, this.teacher, ...this.batches]) each.dispose();
  }
}

Deno.test("a training has the bits of a loop by hand, and leaks nothing", async () => {
  const before = pool.stats().liveBytes;
  {
    const schedule = cosineSchedule({ peak: 0.1, steps: 12, warmup: 2 });
    using byHand = new Problem();
    using adam = new AdamW({ weight: byHand.weight });
    const losses: number[] = [];
    for (let step = 0; step < 12; step++) {
      adam.learningRate = schedule(step);
      const batch = byHand.batches[step % 5];
      losses.push(scope(() => {
        const loss = byHand.loss(batch);
        loss.backward();
        return Number(loss.get());
      }));
      clipGradNorm({ weight: byHand.weight }, 0.5);
      adam.step();
    }
    using problem = new Problem();
    using optimizer = new AdamW({ weight: problem.weight });
    const { step, history, stoppedEarly, bestValidationLoss } = await train({
      ...problem.options,
      optimizer,
      schedule,
      clip: 0.5,
      steps: 12,
    });
    assertEquals([step, stoppedEarly, bestValidationLoss], [12, false, undefined]);
    assertEquals(history.map(({ loss }) => loss), losses);
    assertEquals(
      history.map(({ learningRate }) => learningRate),
      losses.map((_, i) => schedule(i)),
    );
    assertEquals(problem.weight.toArray(), byHand.weight.toArray());
  }
  assertEquals(pool.stats().liveBytes, before);
});

Deno.test("accumulated batches make the step of their mean", async () => {
  using weight = Tensor.zeros([1]);
  using optimizer = new SGD({ weight }, { learningRate: 1 });
  using factors = Tensor.from([1, 2, 3, 6]);
  const data = [0, 1, 2, 3];
  const loss = (i: number) => sum(mul(weight, factors.slice(i, i + 1)));
  const { history } = await train({
    parameters: { weight },
    optimizer,
    data,
    loss,
    steps: 2,
    accumulate: 4,
  });
  assertEquals(weight.toArray(), [-6]);
  assertEquals(history.map(({ loss }) => loss), [0, -9]);
});

Deno.test("validation is computed when it is due, and a training ends when it does not improve", async () => {
  using problem = new Problem();
  using optimizer = new SGD({ weight: problem.weight }, { learningRate: 0 });
  const modes = new Set<boolean>();
  const validated = [5, 4, 4.5, 4.25, 3.875, 9, 9];
  let calls = 0;
  const { history, stoppedEarly, step, bestValidationLoss } = await train({
    ...problem.options,
    optimizer,
    loss: (x, { training }) => {
      modes.add(training);
      return problem.loss(x);
    },
    steps: 100,
    validation: {
      data: ["first", "second"] as unknown as Tensor[],
      every: 2,
      // The mean of both.
      loss: (_, { training }) => {
        modes.add(training);
        return Tensor.full([], validated[calls++ >> 1]);
      },
    },
    earlyStopping: { patience: 3, margin: 0.2 },
  });
  assertEquals([stoppedEarly, step, bestValidationLoss], [true, 10, 4]);
  assertEquals(
    history.map(({ validationLoss }) => validationLoss).filter((each) => each !== undefined),
    validated.slice(0, 5),
  );
  assertEquals(modes, new Set([true, false]));
});

Deno.test("each batch has a seed of its own, which the training's seed decides", async () => {
  const seedsOf = async (seed: number) => {
    const seeds: number[] = [];
    using problem = new Problem();
    using optimizer = new SGD({ weight: problem.weight });
    const loss: TrainOptions<Tensor>["loss"] = (x, { seed }) => {
      seeds.push(seed);
      return problem.loss(x);
    };
    await train({ ...problem.options, optimizer, loss, steps: 4, accumulate: 2, seed });
    return seeds;
  };
  const seeds = await seedsOf(1);
  assertEquals([seeds.length, new Set(seeds).size], [8, 8]);
  assertEquals(await seedsOf(1), seeds);
  assert((await seedsOf(2)).every((seed) => !seeds.includes(seed)));
});

Deno.test("layers with dropout train with the same bits inside of checkpoints", async () => {
  const weightOf = async (isCheckpointed: boolean) => {
    using layer = new Linear(8, 8, { seed: 1 });
    using drop = new Dropout(0.5, { seed: 2 });
    using x = Tensor.randn([4, 8], { seed: 3 });
    const parameters = layer.parameters();
    using optimizer = new AdamW(parameters);
    const block = (x: Tensor<"float32">) => drop.forward(layer.forward(x));
    const loss = () => {
      let y = x;
      for (let i = 0; i < 3; i++) y = isCheckpointed ? checkpoint(block, y) : block(y);
      return mean(square(y));
    };
    const { history } = await train({ parameters, optimizer, data: [0], loss, steps: 4 });
    return [layer.weight.toArray(), history];
  };
  assertEquals(await weightOf(true), await weightOf(false));
});

Deno.test("progress tells the loss, the rate, the speed and the memory", async () => {
  using problem = new Problem();
  using optimizer = new SGD({ weight: problem.weight }, { learningRate: 0.1 });
  const reports: TrainProgress[] = [];
  await train({
    ...problem.options,
    optimizer,
    steps: 3,
    clip: 1,
    itemsOf: () => 1000,
    onProgress: (progress) => reports.push(progress),
  });
  assertEquals(reports.map(({ completed }) => completed), [1, 2, 3]);
  for (const report of reports) {
    assertEquals([report.total, report.unit, report.learningRate], [3, "steps", 0.1]);
    assert(report.loss! > 0 && report.gradientNorm! > 0 && report.itemsPerSecond > 0);
    assert(report.liveBytes > 0 && report.peakBytes >= report.liveBytes);
    assert(report.secondsLeft! >= 0);
  }
});

Deno.test("an abort is heard between steps of data that is always ready", async () => {
  using problem = new Problem();
  using optimizer = new SGD({ weight: problem.weight });
  const reason = new Error("enough");
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(reason), 1);
  const { signal } = controller;
  const endless = train({ ...problem.options, optimizer, steps: 1e9, signal });
  assertEquals(await assertRejects(() => endless), reason);
  clearTimeout(timer);
  assert(optimizer.steps > 0);
  assertEquals(problem.weight.grad, undefined);
  await assertRejects(() => train({ ...problem.options, optimizer, steps: 1, signal }), Error);
});

Deno.test("an abort is heard while data does not come, and the open step is not taken", async () => {
  using problem = new Problem();
  using optimizer = new SGD({ weight: problem.weight });
  const controller = new AbortController();
  async function* data() {
    yield problem.batches[0];
    controller.abort(new Error("enough"));
    await new Promise(() => {});
  }
  const options = { ...problem.options, optimizer, data: data(), steps: 5, accumulate: 2 };
  await assertRejects(() => train({ ...options, signal: controller.signal }), Error, "enough");
  assertEquals([optimizer.steps, problem.weight.grad], [0, undefined]);
});

Deno.test("an abort ends a validation, which then does not count", async () => {
  using problem = new Problem();
  using optimizer = new SGD({ weight: problem.weight });
  const controller = new AbortController();
  const validationLosses: unknown[] = [];
  let read = 0;
  function* data() {
    for (const batch of problem.batches) {
      if (++read === 3) controller.abort(new Error("enough"));
      yield batch;
    }
  }
  await assertRejects(
    () =>
      train({
        ...problem.options,
        optimizer,
        steps: 5,
        validation: { data: data(), every: 2 },
        signal: controller.signal,
        onProgress: ({ validationLoss }) => validationLosses.push(validationLoss),
      }),
    Error,
    "enough",
  );
  assertEquals([read, optimizer.steps, validationLosses], [3, 2, [undefined, undefined]]);
});

Deno.test("data is read again when it ends, and closed when the training ends", async () => {
  using problem = new Problem();
  using optimizer = new SGD({ weight: problem.weight });
  let [begun, closed] = [0, 0];
  const data = {
    *[Symbol.iterator]() {
      begun++;
      try {
        yield* problem.batches.slice(0, 2);
      } finally {
        closed++;
      }
    },
  };
  await train({ ...problem.options, optimizer, data, steps: 5 });
  assertEquals([begun, closed], [3, 3]);
  const once = problem.batches.values();
  await assertRejects(
    () => train({ ...problem.options, optimizer, data: once, steps: 6 }),
    RangeError,
    "the data gave no batch after 5",
  );
});

Deno.test("a loss that is no finite number ends the training before the step", async () => {
  using problem = new Problem();
  using optimizer = new SGD({ weight: problem.weight }, { learningRate: 0.1 });
  let calls = 0;
  const loss = (x: Tensor) => mul(problem.loss(x), ++calls === 3 ? NaN : 1);
  await assertRejects(
    () => train({ ...problem.options, optimizer, loss, steps: 5 }),
    Error,
    "the loss is NaN at step 2",
  );
  assertEquals([optimizer.steps, problem.weight.grad], [2, undefined]);
  assert(problem.weight.data.every(Number.isFinite));
});

Deno.test("train() throws when its options do not go together", async () => {
  using problem = new Problem();
  using optimizer = new SGD({ weight: problem.weight });
  const base = { ...problem.options, optimizer, steps: 1 };
  const wrong: [Partial<TrainOptions<Tensor>>, string][] = [
    [{ steps: 0 }, "steps is 0"],
    [{ accumulate: 1.5 }, "accumulate is 1.5"],
    [{ clip: -1 }, "clip is -1"],
    [{ seed: -1 }, "seed is -1"],
    [{ earlyStopping: { patience: 1 } }, "earlyStopping needs validation"],
    [{ validation: { data: [], every: 0 } }, "validation.every is 0"],
    [{ validation: { data: [], every: 1 } }, "the validation data gave no batch"],
    [{ parameters: { "training/x": problem.weight } }, "training/x"],
    [{ data: [] }, "the data gave no batch after 0"],
  ];
  for (const [options, message] of wrong) {
    await assertRejects(() => train({ ...base, ...options }), RangeError, message);
  }
  const notOne = () => Tensor.zeros([2]);
  await assertRejects(() => train({ ...base, loss: notOne }), TypeError, "one number");
});

Deno.test("lossCurve() draws both curves, axes with labels, and nothing that is not finite", () => {
  const history = Array.from({ length: 1000 }, (_, i) => ({
    step: i + 1,
    loss: i === 500 ? NaN : 1 + 4 * Math.exp(-i / 200),
    learningRate: 0.1,
    ...i % 100 === 99 && { validationLoss: 2 },
  }));
  const picture = lossCurve(history);
  assertEquals(picture.match(/<path d="M[^"]*L/g)?.length, 2);
  for (const text of ["training", "validation", "step", "loss", ">800<", ">4<", "dark"]) {
    assert(picture.includes(text), `${text} is missing`);
  }
  assert(picture.length < 12_000 && !picture.includes("NaN"), `${picture.length} characters`);
  // The first loss stands higher than the last.
  const [, first, last] = picture.match(/<path d="M\S+ ([\d.]+)L.*? ([\d.]+)" fill="none"/)!;
  assert(Number(first) < Number(last));
});

Deno.test("lossCurve() draws no step, one step, and losses that are all the same", () => {
  const point = { step: 1, loss: 0, learningRate: 0.1 };
  for (const history of [[], [point], [point, { ...point, step: 2 }]]) {
    const picture = lossCurve(history);
    assert(picture.startsWith("<svg") && !/NaN|Infinity/.test(picture));
  }
});
