/**
 * Tracking: an observer that hears only of what one function makes, itself or
 * in what it awaits, while several functions are tracked at the same time.
 *
 * An asynchronous call is followed as `scope()` follows it. Of memory that was
 * given back every tracker hears, since others may give back what a function
 * made; a tracker therefore remembers what is its own.
 */
import { CallLocal } from "./call_local.ts";
import { addObserver, type AllocationObserver } from "./observer.ts";

interface Region {
  readonly tracker: AllocationObserver;
  readonly parent: Region | undefined;
}

const regions = new CallLocal<Region>();

/**
 * Runs a function while an observer hears of what it makes.
 *
 * @param tracker What listens.
 * @param fn What to run; it may be asynchronous.
 * @param finish Makes the result of what the function returned, after the last call of the tracker.
 * @returns What `finish` made, in a promise when the function is asynchronous.
 */
export function track<T, R>(
  tracker: AllocationObserver,
  fn: () => T | Promise<T>,
  finish: (value: T) => R,
): R | Promise<R> {
  const listener = addObserver(within(tracker));
  const end = (value: T) => {
    listener[Symbol.dispose]();
    return finish(value);
  };
  let result: T | Promise<T>;
  try {
    result = regions.run({ tracker, parent: regions.get() }, fn);
  } catch (error) {
    listener[Symbol.dispose]();
    throw error;
  }
  if (!(result instanceof Promise)) return end(result);
  return result.then(end, (error) => {
    listener[Symbol.dispose]();
    throw error;
  });
}

function within(tracker: AllocationObserver): AllocationObserver {
  return {
    allocated(holder, bytes) {
      if (isInside(tracker)) tracker.allocated(holder, bytes);
    },
    freed(holder) {
      tracker.freed(holder);
    },
    tensorMade(tensor, holder) {
      if (isInside(tracker)) tracker.tensorMade?.(tensor, holder);
    },
  };
}

function isInside(tracker: AllocationObserver): boolean {
  let region = regions.get();
  while (region !== undefined && region.tracker !== tracker) region = region.parent;
  return region !== undefined;
}
