/**
 * Stochastic gradient descent, with momentum (Polyak, 1964) or Nesterov's (Sutskever et al.,
 * 2013).
 */
import { colsOf, rowsOf } from "../core/shape.ts";
import { check, dtypeCodes, native } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  checkShare,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type Parameters,
  remembered,
  type Slot,
} from "./optimizer.ts";

/** Options of {@linkcode SGD}. */
export interface SGDOptions extends OptimizerOptions {
  /** How much of the velocity stays; 0, the default, for none. */
  momentum?: number;
  /** Whether the gradient is followed from where momentum leads; needs momentum. */
  nesterov?: boolean;
}

/**
 * Gradient descent with PyTorch's definitions: weight decay is added to the gradient. The
 * learning rate is 0.001, the weight decay 0 when left out.
 *
 * @example
 * ```ts
 * import { mul, sum, Tensor } from "@quern/quern";
 * import { SGD } from "@quern/quern/optim";
 *
 * using x = Tensor.from([4]);
 * using optimizer = new SGD([x], { learningRate: 0.25 });
 * using square = mul(x, x);
 * using loss = sum(square);
 * loss.backward();
 * optimizer.step();
 * console.log(x.toArray()); // [2]
 * ```
 */
export class SGD extends Optimizer {
  readonly #momentum: number;
  readonly #nesterov: boolean;

  /**
   * Takes parameters.
   *
   * @param parameters By name, in a list, or in groups.
   * @param options The settings.
   * @throws {RangeError} When a setting is out of range.
   */
  constructor(
    parameters: Parameters | readonly ParameterGroup[],
    options: SGDOptions = {},
  ) {
    super("SGD", parameters, options.learningRate ?? 1e-3, options.weightDecay ?? 0);
    this.#momentum = checkShare("SGD", "momentum", options.momentum ?? 0);
    this.#nesterov = options.nesterov ?? false;
    if (this.#nesterov && this.#momentum === 0) {
      throw new RangeError("SGD: nesterov needs a momentum above 0");
    }
  }

  /** Rents what is remembered of a parameter. */
  protected override remember(slot: Slot): void {
    if (this.#momentum > 0) remembered(slot, "velocity");
  }

  /** Steps one parameter. */
  protected override update(slot: Slot, gradient: Tensor, rate: number): void {
    const { parameter, weightDecay } = slot;
    const status = native().symbols.qn_sgd(
      parameter.address,
      this.#momentum > 0 ? remembered(slot, "velocity").address : 0n,
      gradient.address,
      rowsOf(parameter.shape),
      colsOf(parameter.shape),
      weightDecay,
      this.#momentum,
      rate,
      this.#nesterov ? 1 : 0,
      dtypeCodes[parameter.dtype],
    );
    check(status, "SGD.step", slot.name);
  }
}
