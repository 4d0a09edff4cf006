/**
 * The losses of a training, as rows of numbers in typed arrays: an object a step would stay on
 * V8's heap, where a long training looks as if it leaked.
 *
 *     row: step, loss, learning rate, validation loss or NaN
 */
import { firstElements, Tensor } from "../tensor/mod.ts";

/** One step of a training, for a curve. */
export interface LossPoint {
  /** How many steps were taken, this one included. */
  step: number;
  /** The mean of its batches' losses. */
  loss: number;
  /** Its learning rate. */
  learningRate: number;
  /** The loss on the validation data after it, where it was computed. */
  validationLoss?: number;
}

const COLUMNS = 4;
const VALIDATION = 3;
/** Rows of one array: 32 KiB. */
const ROWS = 1024;

/** The points of a training up to now. */
export class LossHistory {
  /** All are full but the last. */
  readonly #arrays: Float64Array[] = [];
  #length = 0;
  #validationLoss: number | undefined;

  /**
   * The points that a tensor holds.
   *
   * @param losses What `toTensor` gave; nothing for no points.
   * @returns A history to go on with.
   */
  static from(losses?: Tensor<"float64">): LossHistory {
    const history = new LossHistory();
    if (losses === undefined) return history;
    for (const [step, loss, learningRate, validationLoss] of losses.toArray() as number[][]) {
      history.add(step, loss, learningRate);
      if (!Number.isNaN(validationLoss)) history.noteValidation(validationLoss);
    }
    return history;
  }

  /** The loss of the last step; undefined before the first. */
  get loss(): number | undefined {
    if (this.#length === 0) return undefined;
    return this.#arrays.at(-1)![(this.#length - 1) % ROWS * COLUMNS + 1];
  }

  /** The last loss on the validation data. */
  get validationLoss(): number | undefined {
    return this.#validationLoss;
  }

  /**
   * Adds a point.
   *
   * @param step How many steps were taken.
   * @param loss The step's loss.
   * @param learningRate Its learning rate.
   */
  add(step: number, loss: number, learningRate: number): void {
    const row = this.#length++ % ROWS;
    if (row === 0) this.#arrays.push(new Float64Array(ROWS * COLUMNS));
    const array = this.#arrays.at(-1)!;
    const at = row * COLUMNS;
    array[at] = step;
    array[at + 1] = loss;
    array[at + 2] = learningRate;
    array[at + VALIDATION] = NaN;
  }

  /**
   * Adds the loss on the validation data to the last point.
   *
   * @param loss The loss.
   */
  noteValidation(loss: number): void {
    this.#arrays.at(-1)![(this.#length - 1) % ROWS * COLUMNS + VALIDATION] = loss;
    this.#validationLoss = loss;
  }

  /** All points, as objects. */
  points(): LossPoint[] {
    return Array.from({ length: this.#length }, (_, i) => {
      const array = this.#arrays[Math.floor(i / ROWS)];
      const at = i % ROWS * COLUMNS;
      const point = { step: array[at], loss: array[at + 1], learningRate: array[at + 2] };
      const validationLoss = array[at + VALIDATION];
      return Number.isNaN(validationLoss) ? point : { ...point, validationLoss };
    });
  }

  /**
   * All points, for a file.
   *
   * @returns One row a point, to be disposed of; undefined without points.
   */
  toTensor(): Tensor<"float64"> | undefined {
    if (this.#length === 0) return undefined;
    const losses = Tensor.empty([this.#length, COLUMNS], "float64");
    const data = firstElements(losses);
    this.#arrays.forEach((array, i) => {
      const at = i * ROWS * COLUMNS;
      data.set(array.subarray(0, losses.size - at), at);
    });
    return losses;
  }
}
