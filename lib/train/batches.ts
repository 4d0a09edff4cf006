/**
 * Where batches come from: anything that can be iterated, again and again, and read from the
 * place where it was left.
 */

/**
 * Batches. A batch stays the source's: a generator that makes tensors declares them with
 * `using` before it yields them, since it goes on when the batch was used.
 *
 * At its end the source is iterated anew. One without `state` and `load` is read again from
 * its beginning to get back to a place, so it must give the same batches.
 */
export type Batches<B> = (Iterable<B> | AsyncIterable<B>) & {
  /** The place behind the last batch that was given, as JSON can hold it; asked at every step. */
  state?(): unknown;
  /** Goes to a place that `state` told: the next iteration begins there. */
  load?(place: unknown): void;
};

/** A place in a source, for a file. */
export interface Place {
  /** How many batches were read. */
  batches: number;
  /** What the source said, as JSON. */
  state?: string;
}

/** Reads one source, epoch after epoch. */
export class BatchReader<B> {
  readonly #source: Batches<B>;
  #iterator: Iterator<B> | AsyncIterator<B> | undefined;
  #batches = 0;

  /**
   * Begins at the source's first batch.
   *
   * @param source Where batches come from.
   */
  constructor(source: Batches<B>) {
    this.#source = source;
  }

  /**
   * The next batch, of the next epoch where this one is over.
   *
   * @returns The batch.
   * @throws {RangeError} When the source gives none.
   */
  async next(): Promise<B> {
    for (let attempt = 0; attempt < 2; attempt++) {
      this.#iterator ??= iteratorOf(this.#source);
      const { done, value } = await this.#iterator.next();
      if (done !== true) {
        this.#batches++;
        return value;
      }
      this.#iterator = undefined;
    }
    throw new RangeError(
      `train: the data gave no batch after ${this.#batches}; give something that can be ` +
        `iterated again, such as an array, or ask for fewer steps`,
    );
  }

  /** Where the reader is. */
  get place(): Place {
    const { state } = this.#source;
    if (state === undefined) return { batches: this.#batches };
    return { batches: this.#batches, state: JSON.stringify(state.call(this.#source)) };
  }

  /**
   * Goes to a place, from the beginning.
   *
   * @param place One that a reader of the same source told.
   */
  async seek({ batches, state }: Place): Promise<void> {
    if (this.#source.load !== undefined && state !== undefined) {
      this.#source.load(JSON.parse(state));
      this.#batches = batches;
      return;
    }
    while (this.#batches < batches) await this.next();
  }

  /** Ends the iteration. A source that does not answer is not waited for. */
  close(): void {
    const end = this.#iterator?.return?.();
    this.#iterator = undefined;
    if (end instanceof Promise) end.catch(() => {});
  }
}

/**
 * Iterates a source, of either kind.
 *
 * @param source The source.
 * @returns A new iterator.
 */
export function iteratorOf<B>(source: Batches<B>): Iterator<B> | AsyncIterator<B> {
  if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]();
  return source[Symbol.iterator]();
}
