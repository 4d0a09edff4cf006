/**
 * Observers of memory: what profiles and leak checks listen through.
 *
 * Everything that owns memory of the pool says so here: `PooledStorage` and the
 * pool's safe handles when they rent and when they give back, tensors when they
 * are made over a storage. While nobody listens, `observer` is undefined and a
 * call site costs one comparison:
 *
 *     observer?.allocated(this, byteLength);
 *
 * Invariants: `observer` is undefined exactly when no observer is added; a
 * holder is allocated before a tensor is made over it, and freed at most once.
 * A holder may be freed that an observer has never heard of, because it was
 * allocated before the observer was added.
 */
import type { DType } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";

/** What an observer may want to know of a tensor. */
export interface ObservedTensor {
  /** The sizes of the axes. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: DType;
  /** The bytes that the elements take. */
  readonly byteLength: number;
  /** Whether it was disposed of. */
  readonly disposed: boolean;
}

/** What listens. Its methods must not throw, rent or give back. */
export interface AllocationObserver {
  /**
   * Memory was rented.
   *
   * @param holder The object that owns it: a storage, a buffer or a batch.
   * @param bytes How many bytes were asked for.
   */
  allocated(holder: object, bytes: number): void;
  /**
   * Memory was given back.
   *
   * @param holder The object that owned it.
   */
  freed(holder: object): void;
  /**
   * A tensor, or a view, was made.
   *
   * @param tensor The tensor.
   * @param holder The storage that it holds a reference to.
   */
  tensorMade?(tensor: ObservedTensor, holder: object): void;
}

/** The observer to call, if any: a single one, or one that passes calls on to several. */
export let observer: AllocationObserver | undefined;

/** Replaced rather than changed, so that an observer may end while a call is passed on. */
let observers: readonly AllocationObserver[] = [];

/**
 * Begins to listen.
 *
 * @param added What listens. It may be added more than once, and is then called as often.
 * @returns A handle whose disposal ends it.
 */
export function addObserver(added: AllocationObserver): Disposable {
  observers = [...observers, added];
  observer = combine(observers);
  let listening = true;
  return {
    [Symbol.dispose]() {
      if (!listening) return;
      listening = false;
      observers = observers.toSpliced(observers.indexOf(added), 1);
      observer = combine(observers);
    },
  };
}

function combine(all: readonly AllocationObserver[]): AllocationObserver | undefined {
  if (all.length < 2) return all[0];
  return {
    allocated(holder, bytes) {
      for (const each of all) each.allocated(holder, bytes);
    },
    freed(holder) {
      for (const each of all) each.freed(holder);
    },
    tensorMade(tensor, holder) {
      for (const each of all) each.tensorMade?.(tensor, holder);
    },
  };
}
