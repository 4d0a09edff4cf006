/**
 * Whether operations are recorded: everywhere, except inside of `noGrad` and while gradients
 * are computed.
 *
 * As a scope does, `noGrad` follows the asynchronous call that it was opened in: what runs
 * beside it in the same program is recorded.
 */
import { AsyncLocalStorage } from "node:async_hooks";

const storage = new AsyncLocalStorage<boolean>();
/** While none is open anywhere, an operation does not ask in which call it is. */
let open = 0;
/** How many synchronous stretches without recording are on the stack. */
let paused = 0;

/**
 * Whether operations are recorded here.
 *
 * @returns False inside of `noGrad`, and while gradients are computed.
 */
export function isRecording(): boolean {
  return paused === 0 && (open === 0 || storage.getStore() !== false);
}

/**
 * Runs a function whose operations are not recorded: what it makes requires no gradient, and
 * leaves may be written in place.
 *
 * @param fn What to run; it may be asynchronous.
 * @returns What the function returned.
 *
 * @example
 * ```ts
 * import { noGrad, scaleInPlace, Tensor } from "@quern/quern";
 *
 * using weight = Tensor.from([1, 2]);
 * weight.requiresGrad = true;
 * noGrad(() => scaleInPlace(weight, 0.5));
 * console.log(weight.toArray()); // [0.5, 1]
 * ```
 */
export function noGrad<T>(fn: () => T): T {
  open++;
  let result: T;
  try {
    result = storage.run(false, fn);
  } catch (error) {
    open--;
    throw error;
  }
  if (!(result instanceof Promise)) {
    open--;
    return result;
  }
  return result.finally(() => open--) as T;
}

/**
 * The same for a synchronous stretch of the library's own, at the cost of a counter.
 *
 * @param fn What to run.
 * @param args Its arguments.
 * @returns What the function returned.
 */
export function unrecorded<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R {
  paused++;
  try {
    return fn(...args);
  } finally {
    paused--;
  }
}

/**
 * Records again inside of an unrecorded stretch, for what is computed a second time.
 *
 * @param fn What to run.
 * @returns What the function returned.
 */
export function recorded<R>(fn: () => R): R {
  const before = paused;
  paused = 0;
  try {
    return storage.run(true, fn);
  } finally {
    paused = before;
  }
}
