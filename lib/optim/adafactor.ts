/**
 * Adafactor (Shazeer and Stern, 2018): the average squares of a matrix' gradient are kept as
 * one number a row and one a column, so that it remembers next to nothing.
 */
import type { Floating } from "../core/dtype.ts";
import { keep } from "../memory/mod.ts";
import {
  addScaledInPlace,
  clamp,
  div,
  matmul,
  mean,
  mul,
  norm,
  rsqrt,
  scaleInPlace,
  square,
} from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import {
  checkSetting,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type Parameters,
  remembered,
  type Slot,
} from "./optimizer.ts";

type Real = Tensor<Floating>;

/** Options of {@linkcode Adafactor}. */
export interface AdafactorOptions extends OptimizerOptions {
  /** The weight of a step's squares in their average is the number of the step to this power; -0.8. */
  squareDecay?: number;
  /** The least size that a parameter is taken to have, which its step is relative to; 1e-3. */
  epsilon?: number;
  /** The largest root mean square of an update before the learning rate; 1. */
  clip?: number;
}

/** The least factor of an average square: a unit in the last place of 1. */
const least = { float32: 2 ** -23, float64: 2 ** -52 };

/**
 * Adafactor with PyTorch's definitions and defaults: a learning rate of 0.01 relative to the
 * size of the parameter, and no weight decay.
 *
 * @example
 * ```ts
 * import { sum, Tensor } from "@quern/quern";
 * import { Adafactor } from "@quern/quern/optim";
 *
 * using weight = Tensor.ones([64, 32]);
 * using optimizer = new Adafactor({ weight });
 * using loss = sum(weight);
 * loss.backward();
 * optimizer.step();
 * console.log(weight.get(0, 0) < 1); // true
 * ```
 */
export class Adafactor extends Optimizer {
  readonly #squareDecay: number;
  readonly #epsilon: number;
  readonly #clip: number;

  /**
   * Takes parameters.
   *
   * @param parameters By name, in a list, or in groups.
   * @param options The settings.
   * @throws {RangeError} When a setting is out of range.
   */
  constructor(
    parameters: Parameters | readonly ParameterGroup[],
    options: AdafactorOptions = {},
  ) {
    super("Adafactor", parameters, options.learningRate ?? 1e-2, options.weightDecay ?? 0);
    const { squareDecay = -0.8 } = options;
    if (!(squareDecay <= 0)) {
      throw new RangeError(`Adafactor: squareDecay is ${squareDecay}, expected 0 or less`);
    }
    this.#squareDecay = squareDecay;
    this.#epsilon = checkSetting("Adafactor", "epsilon", options.epsilon ?? 1e-3);
    this.#clip = checkSetting("Adafactor", "clip", options.clip ?? 1);
  }

  /** Rents what is remembered of a parameter. */
  protected override remember(slot: Slot): void {
    const { shape, dtype } = slot.parameter;
    if (shape.length < 2) {
      remembered(slot, "square");
      return;
    }
    slot.memory.rows ??= keep(Tensor.zeros(shape.with(-1, 1), dtype));
    slot.memory.columns ??= keep(Tensor.zeros(shape.with(-2, 1), dtype));
  }

  /** Steps one parameter. */
  protected override update(slot: Slot, gradient: Tensor, rate: number): void {
    const parameter: Real = slot.parameter;
    const slope = gradient as Real;
    const fresh = this.steps ** this.#squareDecay;
    using size = norm(parameter);
    const typical = Math.max(this.#epsilon, size.get() / Math.sqrt(parameter.size));
    const length = typical * Math.min(rate, 1 / Math.sqrt(this.steps));
    this.remember(slot);
    using squares = this.#averageSquares(slot, slope, fresh);
    const unit = least[slot.parameter.dtype];
    using held = clamp(squares, unit * unit, Infinity);
    using inverse = rsqrt(held);
    using change = mul(slope, inverse);
    using extent = norm(change);
    const over = Math.max(1, extent.get() / (Math.sqrt(parameter.size) * this.#clip));
    if (slot.weightDecay > 0) scaleInPlace(parameter, 1 - rate * slot.weightDecay);
    addScaledInPlace(parameter, change, -length / over);
  }

  /** The average squares of a gradient, of which `fresh` are this one's. */
  #averageSquares(slot: Slot, gradient: Real, fresh: number): Real {
    const memory = slot.memory as Record<string, Real>;
    using squares = square(gradient);
    if (gradient.shape.length < 2) {
      average(memory.square, squares, fresh);
      return memory.square.clone();
    }
    using ofRows = mean(squares, { axis: -1, keepDims: true });
    using ofColumns = mean(squares, { axis: -2, keepDims: true });
    average(memory.rows, ofRows, fresh);
    average(memory.columns, ofColumns, fresh);
    using product = matmul(memory.rows, memory.columns);
    using all = mean(memory.rows, { axis: -2, keepDims: true });
    using divisor = clamp(all, least[slot.parameter.dtype], Infinity);
    return div(product, divisor);
  }
}

function average(old: Real, fresh: Real, weight: number): void {
  scaleInPlace(old, 1 - weight);
  addScaledInPlace(old, fresh, weight);
}
