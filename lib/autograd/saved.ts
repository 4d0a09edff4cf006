/**
 * What an operation keeps until its gradient was computed: the elements of an operand or of
 * its result, as they were when it ran.
 *
 * The handle of the caller may end before; the memory stays. That it was not written since
 * is seen from the count of writes, which is kept with the memory. What JavaScript writes
 * through `data` is not counted.
 */
import { formatShape } from "../core/shape.ts";
import { countedMemory, holdTensor, memoryNotes, releaseHeld, type Tensor } from "../tensor/mod.ts";

/** A tensor that is held, and the state of its memory. */
export class Saved {
  readonly #tensor: Tensor;
  readonly #writes: number;

  /**
   * Holds the memory of a tensor.
   *
   * @param tensor The tensor, which stays the caller's.
   */
  constructor(tensor: Tensor) {
    this.#tensor = holdTensor(tensor);
    this.#writes = countedMemory(tensor).writes;
  }

  /** Whether the elements were written since. */
  get isChanged(): boolean {
    const { writes } = countedMemory(this.#tensor);
    return writes >= 0 && this.#writes >= 0 && writes !== this.#writes;
  }

  /**
   * The elements.
   *
   * @param operation What needs them, for the error.
   * @param name What it calls them.
   * @returns A tensor that is valid until `release`.
   * @throws {Error} When they were written since.
   */
  read(operation: string, name: string): Tensor {
    if (this.isChanged) {
      const { dtype, shape } = this.#tensor;
      const { writer } = memoryNotes(countedMemory(this.#tensor));
      throw new Error(
        `backward: ${operation} needs ${name}, a Tensor ${dtype} ${formatShape(shape)}, as it ` +
          `was, but ${writer} wrote to it since; let ${writer} make a new tensor, or give ` +
          `${operation} a clone()`,
      );
    }
    return this.#tensor;
  }

  /** Lets the memory go. */
  release(): void {
    releaseHeld(this.#tensor);
  }
}
