/**
 * Work that shares memory takes turns: one piece begins when those before it have ended.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /**
   * Runs a piece of work when its turn has come.
   *
   * @param work The work.
   * @returns What it returns.
   */
  async take<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    try {
      await before;
      return await work();
    } finally {
      resolve();
    }
  }
}
