/**
 * Lion (Chen et al., 2023): steps of one length in every element, by the sign of an average
 * of gradients.
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { check, dtypeCodes, native } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  checkBetas,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type Parameters,
  remembered,
  type Slot,
} from "./optimizer.ts";

/** Options of {@linkcode Lion}. */
export interface LionOptions extends OptimizerOptions {
  /** How much of the average counts in a step, and how much of it stays; `[0.9, 0.99]`. */
  betas?: readonly [number, number];
}

/**
 * Lion with the paper's defaults: a learning rate of 0.0001, a third to a tenth of AdamW's,
 * and no weight decay.
 *
 * @example
 * ```ts
 * import { sum, Tensor } from "@quern/quern";
 * import { Lion } from "@quern/quern/optim";
 *
 * using x = Tensor.from([1, 2]);
 * using optimizer = new Lion([x], { learningRate: 0.5 });
 * using loss = sum(x);
 * loss.backward();
 * optimizer.step();
 * console.log(x.toArray()); // [0.5, 1.5]
 * ```
 */
export class Lion extends Optimizer {
  readonly #betas: readonly [number, number];

  /**
   * Takes parameters.
   *
   * @param parameters By name, in a list, or in groups.
   * @param options The settings.
   * @throws {RangeError} When a setting is out of range.
   */
  constructor(
    parameters: Parameters | readonly ParameterGroup[],
    options: LionOptions = {},
  ) {
    super("Lion", parameters, options.learningRate ?? 1e-4, options.weightDecay ?? 0);
    this.#betas = checkBetas("Lion", options.betas ?? [0.9, 0.99]);
  }

  /** Rents what is remembered of a parameter. */
  protected override remember(slot: Slot): void {
    remembered(slot, "mean");
  }

  /** Steps one parameter. */
  protected override update(slot: Slot, gradient: Tensor, rate: number): void {
    const { parameter, weightDecay } = slot;
    const [beta1, beta2] = this.#betas;
    const status = native().symbols.qn_lion(
      parameter.address,
      remembered(slot, "mean").address,
      gradient.address,
      rowsOf(parameter.shape),
      colsOf(parameter.shape),
      1 - rate * weightDecay,
      beta1,
      beta2,
      rate,
      dtypeCodes[parameter.dtype],
    );
    check(status, "Lion.step", slot.name);
  }
}
