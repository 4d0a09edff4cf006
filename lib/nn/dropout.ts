/**
 * Elements left out at random while a model is trained.
 */
import { draw } from "../autograd/mod.ts";
import { dropout } from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { Module } from "./module.ts";
import { type ForwardOptions, type LayerDType, seeds } from "./options.ts";

/** Options of {@linkcode Dropout}. */
export interface DropoutLayerOptions {
  /** An integer from 0 to 2^32 - 1, where the choices begin; drawn at random when left out. */
  seed?: number;
}

/**
 * {@linkcode dropout} in training; outside of it what comes in goes out. Each pass makes
 * another choice; which, follows from the seed and the number of passes, and both are part of
 * the state, so that a training that goes on from a file makes the choices that it would have.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { Dropout } from "@quern/quern/nn";
 *
 * using layer = new Dropout(0.5, { seed: 1 });
 * using x = Tensor.ones([8]);
 * using y = layer.forward(x);
 * console.log(y.toArray()); // zeros and twos
 * ```
 */
export class Dropout<D extends LayerDType = "float32"> extends Module {
  /** The probability that an element is left out. */
  readonly rate: number;
  /** The seed, and how many choices were made. */
  readonly #generator: Tensor<"int64">;

  /**
   * A new layer.
   *
   * @param rate The probability, from 0 to 1, that an element is left out.
   * @param options The seed.
   * @throws {RangeError} When the rate is not from 0 to 1, or the seed out of range.
   */
  constructor(rate: number, options: DropoutLayerOptions = {}) {
    super();
    if (!(rate >= 0 && rate <= 1)) {
      throw new RangeError(`Dropout: rate is ${rate}, expected a number from 0 to 1`);
    }
    const seed = seeds(options.seed);
    this.rate = rate;
    this.#generator = this.buffer("generator", Tensor.from([seed(), 0], "int64"));
  }

  /** Whether a pass changes anything now. */
  get isActive(): boolean {
    return this.training && this.rate > 0;
  }

  /**
   * Leaves elements out, in training.
   *
   * @param x Any shape.
   * @param options Where to write the result.
   * @returns The same shape; a copy where nothing is left out.
   */
  forward(x: Tensor<D>, options: ForwardOptions<D> = {}): Tensor<D> {
    const { out } = options;
    return this.pass([x], () => {
      if (this.isActive) return dropout<D>(x, this.rate, { seed: draw(() => this.#next()), out });
      return out === undefined ? x.clone() : out.copyFrom(x);
    });
  }

  /** The seed of the next choice. */
  #next(): number {
    const { data } = this.#generator;
    const count = data[1]++;
    // Within the 53 bits of a seed, and different for each choice of a layer.
    return Number(
      (data[0] * 0x9e3779b97f4a7c15n + count * 0xbf58476d1ce4e5b9n) >> 5n &
        0x1fffffffffffffn,
    );
  }
}
