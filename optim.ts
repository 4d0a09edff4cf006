/**
 * Optimisers: AdamW, SGD, Lion and Adafactor, schedules of the learning rate, clipping of
 * gradients and moving averages of parameters.
 *
 * @example
 * ```ts
 * import { square, sub, sum, Tensor } from "@quern/quern";
 * import { AdamW, clipGradNorm, cosineSchedule } from "@quern/quern/optim";
 *
 * using weight = Tensor.randn([4], { seed: 1 });
 * using goal = Tensor.from([1, 2, 3, 4]);
 * using optimizer = new AdamW({ weight }, { weightDecay: 0 });
 * const schedule = cosineSchedule({ peak: 0.5, steps: 100, warmup: 10 });
 * for (let step = 0; step < 100; step++) {
 *   using distance = sub(weight, goal);
 *   using squares = square(distance);
 *   using loss = sum(squares);
 *   loss.backward();
 *   clipGradNorm({ weight }, 1);
 *   optimizer.learningRate = schedule(step);
 *   optimizer.step();
 * }
 * console.log(weight.toArray()); // about [1, 2, 3, 4]
 * ```
 *
 * @module
 */
export * from "./lib/optim/mod.ts";
