/**
 * A moving average of parameters (Polyak and Juditsky, 1992), which often predicts better
 * than their last values.
 */
import { unrecorded } from "../autograd/mod.ts";
import { keep } from "../memory/mod.ts";
import { addScaledInPlace, scaleInPlace } from "../ops/mod.ts";
import type { NamedTensors, Tensor } from "../tensor/mod.ts";
import { checkShare, namedEntries, type Parameters } from "./optimizer.ts";

interface Averaged {
  readonly parameter: Tensor<"float32">;
  readonly average: Tensor<"float32">;
}

/**
 * An exponential moving average of parameters: after each step `average = decay · average +
 * (1 - decay) · parameter`. It begins with the values of the parameters.
 *
 * @example
 * ```ts
 * import { fill, noGrad, Tensor } from "@quern/quern";
 * import { MovingAverage } from "@quern/quern/optim";
 *
 * using weight = Tensor.zeros([2]);
 * using average = new MovingAverage({ weight }, 0.9);
 * fill(weight, 1);
 * average.update();
 * average.swap(); // now the average is in place of the weight
 * console.log(weight.toArray()); // about [0.1, 0.1]
 * average.swap();
 * ```
 */
export class MovingAverage implements Disposable {
  readonly #decay: number;
  readonly #all = new Map<string, Averaged>();

  /**
   * Copies the parameters.
   *
   * @param parameters By name, or a list.
   * @param decay How much of the average stays in an update; 0.999 when left out.
   * @throws {RangeError} When the decay is not from 0 to below 1.
   */
  constructor(parameters: Parameters, decay = 0.999) {
    this.#decay = checkShare("MovingAverage", "the decay", decay);
    unrecorded(() => {
      for (const [name, tensor] of namedEntries(parameters)) {
        const parameter = tensor as Tensor<"float32">;
        this.#all.set(name, { parameter, average: keep(parameter.clone()) });
      }
    });
  }

  /** Moves the averages towards the parameters. */
  update(): void {
    unrecorded(() => {
      for (const { parameter, average } of this.#all.values()) {
        scaleInPlace(average, this.#decay);
        addScaledInPlace(average, parameter, 1 - this.#decay);
      }
    });
  }

  /** Exchanges averages and parameters; a second time puts them back. */
  swap(): void {
    unrecorded(() => {
      for (const { parameter, average } of this.#all.values()) {
        using before = parameter.clone();
        parameter.copyFrom(average);
        average.copyFrom(before);
      }
    });
  }

  /**
   * The averages, for a file.
   *
   * @returns Tensors by the parameters' names, which stay the average's.
   */
  state(): NamedTensors {
    return Object.fromEntries(Array.from(this.#all, ([name, { average }]) => [name, average]));
  }

  /** Gives the averages back. The parameters stay. */
  dispose(): void {
    for (const { average } of this.#all.values()) average.dispose();
    this.#all.clear();
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
