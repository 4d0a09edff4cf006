/**
 * Scopes: everything made inside one is disposed of at its end, except what was
 * kept or returned; also when it throws, and across `await`.
 *
 * A scope follows the asynchronous call that opened it, not the clock: two
 * scopes that run at the same time each see only their own tensors.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** Something that owns memory and can be handed from scope to scope. */
export interface Scoped extends Disposable {
  /** Whether it was disposed of. */
  readonly disposed: boolean;
}

class Scope {
  readonly parent: Scope | undefined;
  readonly members = new Set<Scoped>();

  constructor(parent: Scope | undefined) {
    this.parent = parent;
  }

  /** Hands a member over to the scope around this one, if there is one. */
  release(member: Scoped): void {
    if (this.members.delete(member)) this.parent?.members.add(member);
  }

  close(): void {
    for (const member of this.members) member[Symbol.dispose]();
    this.members.clear();
  }
}

const storage = new AsyncLocalStorage<Scope>();
/** While no scope is open anywhere, making a tensor does not look for one. */
let openScopes = 0;

/**
 * Runs a function and disposes of everything made inside it, except what it
 * returns (a tensor, or an array or plain object that holds tensors, at any
 * depth) and what was passed to {@linkcode keep}.
 *
 * @param fn What to run; it may be asynchronous.
 * @returns What the function returned.
 *
 * @example
 * ```ts
 * import { add, scope, Tensor } from "@quern/quern";
 *
 * using sum = scope(() => {
 *   const x = Tensor.from([1, 2, 3]);
 *   const y = Tensor.from([4, 5, 6]);
 *   return add(x, y);
 * });
 * console.log(sum.toArray());
 * ```
 */
export function scope<T>(fn: () => T): T {
  const inner = new Scope(currentScope());
  openScopes++;
  let result: T;
  try {
    result = storage.run(inner, fn);
  } catch (error) {
    endScope(inner);
    throw error;
  }
  if (isPromise(result)) {
    return result.then(
      (value) => finish(inner, value),
      (error) => {
        endScope(inner);
        throw error;
      },
    ) as T;
  }
  return finish(inner, result);
}

/**
 * Takes a value out of the current scope: its end will not dispose of it.
 *
 * @param value A tensor, or an array or plain object that holds tensors.
 * @returns The same value.
 *
 * @example
 * ```ts
 * import { keep, scope, Tensor } from "@quern/quern";
 *
 * const kept: Tensor[] = [];
 * scope(() => void kept.push(keep(Tensor.ones([2]))));
 * console.log(kept[0].disposed); // false
 * kept[0].dispose();
 * ```
 */
export function keep<T>(value: T): T {
  let current = currentScope();
  while (current !== undefined) {
    const { members } = current;
    visitOwned(value, (member) => members.delete(member));
    current = current.parent;
  }
  return value;
}

/**
 * Puts a new object under the care of the scope that is open here, if any.
 *
 * @param member What was made.
 */
export function enterScope(member: Scoped): void {
  if (openScopes > 0) currentScope()?.members.add(member);
}

/**
 * Tells the open scopes that an object was disposed of before their end.
 *
 * @param member What was disposed of.
 */
export function leaveScope(member: Scoped): void {
  if (openScopes > 0) currentScope()?.members.delete(member);
}

function currentScope(): Scope | undefined {
  return openScopes > 0 ? storage.getStore() : undefined;
}

function finish<T>(inner: Scope, value: T): T {
  try {
    visitOwned(value, (member) => inner.release(member));
  } finally {
    endScope(inner);
  }
  return value;
}

function endScope(inner: Scope): void {
  openScopes--;
  inner.close();
}

function isPromise<T>(value: T): value is T & Promise<unknown> {
  return value instanceof Promise;
}

/**
 * Finds what a value owns: itself, or, in arrays and plain objects at any depth,
 * all that can be disposed of. Looks at every object once, since objects may
 * hold each other.
 *
 * @param value Anything.
 * @param found Called for each.
 * @param seen What was looked at before.
 */
export function visitOwned(
  value: unknown,
  found: (member: Scoped) => void,
  seen: Set<object> = new Set(),
): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (Symbol.dispose in value && "disposed" in value) {
    found(value as Scoped);
  } else if (Array.isArray(value)) {
    for (const element of value) visitOwned(element, found, seen);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const element of Object.values(value)) visitOwned(element, found, seen);
  }
}
