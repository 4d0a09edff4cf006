/**
 * Training: the loop, with validation, early stopping and accumulated gradients; checkpoints
 * that a training goes on from with the same bits; a picture of the losses.
 *
 * @example
 * ```ts
 * import { linear, mean, square, sub, Tensor } from "@quern/quern";
 * import { AdamW } from "@quern/quern/optim";
 * import { lossCurve, train } from "@quern/quern/train";
 *
 * using weight = Tensor.zeros([1, 4]);
 * using teacher = Tensor.from([[1, -2, 3, -4]]);
 * using optimizer = new AdamW({ weight }, { learningRate: 0.05 });
 *
 * function* batches() {
 *   for (let seed = 0;; seed++) {
 *     using x = Tensor.randn([16, 4], { seed });
 *     using y = linear(x, teacher);
 *     yield { x, y };
 *   }
 * }
 * const { history } = await train({
 *   parameters: { weight },
 *   optimizer,
 *   data: batches(),
 *   loss: ({ x, y }) => mean(square(sub(linear(x, weight), y))),
 *   steps: 200,
 * });
 * console.log(history[0].loss > history[199].loss, lossCurve(history).length > 1000); // true true
 * ```
 *
 * @module
 */
export * from "./lib/train/mod.ts";
