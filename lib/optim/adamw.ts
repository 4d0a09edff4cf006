/**
 * AdamW: Adam (Kingma and Ba, 2015) whose weight decay is apart from the gradient
 * (Loshchilov and Hutter, 2019).
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { check, dtypeCodes, native } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  checkBetas,
  checkSetting,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type Parameters,
  remembered,
  type Slot,
} from "./optimizer.ts";

/** Options of {@linkcode AdamW}. */
export interface AdamWOptions extends OptimizerOptions {
  /** How much of the averages of gradients and of their squares stays; `[0.9, 0.999]`. */
  betas?: readonly [number, number];
  /** Added to the root of the average square; 1e-8 when left out. */
  epsilon?: number;
}

/**
 * AdamW with PyTorch's defaults: a learning rate of 0.001 and a weight decay of 0.01. A step
 * is one pass over each parameter, its gradient and both averages.
 *
 * @example
 * ```ts
 * import { mul, sub, sum, Tensor } from "@quern/quern";
 * import { AdamW } from "@quern/quern/optim";
 *
 * using x = Tensor.from([5, -3]);
 * using goal = Tensor.from([1, 2]);
 * using optimizer = new AdamW([x], { learningRate: 0.1, weightDecay: 0 });
 * for (let i = 0; i < 200; i++) {
 *   using distance = sub(x, goal);
 *   using square = mul(distance, distance);
 *   using loss = sum(square);
 *   loss.backward();
 *   optimizer.step();
 * }
 * console.log(x.toArray()); // about [1, 2]
 * ```
 */
export class AdamW extends Optimizer {
  readonly #betas: readonly [number, number];
  readonly #epsilon: number;

  /**
   * Takes parameters.
   *
   * @param parameters By name, in a list, or in groups.
   * @param options The settings.
   * @throws {RangeError} When a setting is out of range.
   */
  constructor(
    parameters: Parameters | readonly ParameterGroup[],
    options: AdamWOptions = {},
  ) {
    super("AdamW", parameters, options.learningRate ?? 1e-3, options.weightDecay ?? 0.01);
    this.#betas = checkBetas("AdamW", options.betas ?? [0.9, 0.999]);
    this.#epsilon = checkSetting("AdamW", "epsilon", options.epsilon ?? 1e-8);
  }

  /** Rents what is remembered of a parameter. */
  protected override remember(slot: Slot): void {
    remembered(slot, "mean");
    remembered(slot, "square");
  }

  /** Steps one parameter. */
  protected override update(slot: Slot, gradient: Tensor, rate: number): void {
    const { parameter, weightDecay } = slot;
    const [beta1, beta2] = this.#betas;
    const [mean, square] = [remembered(slot, "mean"), remembered(slot, "square")];
    const status = native().symbols.qn_adamw(
      parameter.address,
      mean.address,
      square.address,
      gradient.address,
      rowsOf(parameter.shape),
      colsOf(parameter.shape),
      1 - rate * weightDecay,
      beta1,
      beta2,
      rate / (1 - beta1 ** this.steps),
      1 / Math.sqrt(1 - beta2 ** this.steps),
      this.#epsilon,
      dtypeCodes[parameter.dtype],
    );
    check(status, "AdamW.step", slot.name);
  }
}
