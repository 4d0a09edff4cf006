/**
 * A value that follows an asynchronous call, and what that calls, wherever it goes on.
 *
 * It is Node.js's `AsyncLocalStorage`, loaded when a value is first given: importing it took
 * every program 4 ms, and most never need it.
 */
import type { AsyncLocalStorage } from "node:async_hooks";

/** One value for each call that was given one. */
export class CallLocal<T> {
  #storage: AsyncLocalStorage<T> | undefined;

  /** The value of the call that this is in, if it was given one. */
  get(): T | undefined {
    return this.#storage?.getStore();
  }

  /** Runs a function, which may be asynchronous, with a value of its own. */
  run<R>(value: T, fn: () => R): R {
    this.#storage ??= new (globalThis.process.getBuiltinModule(
      "node:async_hooks",
    ).AsyncLocalStorage)<T>();
    return this.#storage.run(value, fn);
  }
}
