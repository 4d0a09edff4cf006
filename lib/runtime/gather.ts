/**
 * Groups of a stream's values, for work that takes several at a time.
 *
 * A signal ends the wait for a value that does not come. It is listened to anew for each
 * value: a promise that lasts as long as the stream would hold all that ever waited with it.
 *
 * @param values The stream; it is told to end when no more is wanted of it.
 * @param count Values of a group; the last may have fewer.
 * @param signal Ends the wait, by throwing its reason.
 */
export async function* gather<T>(
  values: Iterable<T> | AsyncIterable<T>,
  count: number,
  signal?: AbortSignal,
): AsyncGenerator<T[], void, void> {
  const iterator = iteratorOf(values);
  let ended = false;
  try {
    let group: T[] = [];
    for (;;) {
      signal?.throwIfAborted();
      const next = iterator.next();
      const { done, value } = next instanceof Promise ? await untilAborted(next, signal) : next;
      if (done) {
        ended = true;
        if (group.length > 0) yield group;
        return;
      }
      group.push(value);
      if (group.length < count) continue;
      yield group;
      group = [];
    }
  } finally {
    // A stream that waits for a value hears of it only when that has come: nobody waits for that.
    if (!ended) Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

function iteratorOf<T>(values: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> {
  return Symbol.asyncIterator in values
    ? values[Symbol.asyncIterator]()
    : values[Symbol.iterator]();
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
