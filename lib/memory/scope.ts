/**
 * Scopes: everything made inside one is disposed of at its end, except what was
 * kept or returned; also when it throws, and across `await`.
 *
 * A scope follows the asynchronous call that opened it, not the clock: two
 * scopes that run at the same time each see only their own members.
 *
 *     scope(() => {              members: a
 *       const a = make();
 *       return scope(() => {     members: b, c     b is disposed of; c goes to the
 *         const b = make();                        outer scope, which returns it,
 *         return make(); // c                      and out of that to nobody
 *       });
 *     });
 *
 * Invariants: a member belongs to one scope; a scope that has ended has no
 * members and gets none, so what is made after the end, in a call that nobody
 * awaited, belongs to the next scope around it, or to the caller.
 */
import { CallLocal } from "./call_local.ts";

/** Something that owns memory and can be handed from scope to scope. */
export interface Scoped extends Disposable {
  /** Whether it was disposed of. */
  readonly disposed: boolean;
}

class Scope {
  readonly parent: Scope | undefined;
  readonly members = new Set<Scoped>();
  ended = false;

  constructor(parent: Scope | undefined) {
    this.parent = parent;
  }

  /** Hands what a value holds over to the scope around this one, if there is one. */
  release(value: unknown): void {
    const { members } = this;
    if (members.size === 0) return;
    const around = openScope(this.parent);
    visitScoped(value, (member) => {
      if (members.delete(member)) around?.members.add(member);
      return members.size > 0;
    });
  }

  /** Disposes of all members, the last made first, whatever one of them throws. */
  end(): void {
    openScopes--;
    this.ended = true;
    if (this.members.size === 0) return;
    const failures: unknown[] = [];
    for (const member of [...this.members].reverse()) {
      try {
        member[Symbol.dispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    this.members.clear();
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) {
      throw new AggregateError(failures, `scope: ${failures.length} members were not disposed of`);
    }
  }
}

const storage = new CallLocal<Scope>();
/** While no scope is open anywhere, making a tensor does not look for one. */
let openScopes = 0;

/**
 * Runs a function and disposes of everything made inside it, except what it
 * returns and what was passed to {@linkcode keep}. What is returned belongs to the
 * scope around this one, or to the caller.
 *
 * Tensors are found in a result at any depth of arrays, maps, sets, plain
 * objects and the public fields of other objects. What an object holds in
 * private fields cannot be seen: an object that owns tensors should pass them to
 * `keep` when it takes them, and dispose of them itself.
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
    throw endAfter(inner, error);
  }
  if (!isThenable(result)) return finish(inner, result);
  const promise = storage.run(inner, () => Promise.resolve(result));
  return promise.then(
    (value) => finish(inner, value),
    (error) => {
      throw endAfter(inner, error);
    },
  ) as T;
}

/**
 * Takes a value out of all scopes: their ends will not dispose of it. A view that
 * is kept keeps the memory of the tensor it came from.
 *
 * @param value A tensor, or what holds tensors; they are found as in what a scope returns.
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
  const inner = currentScope();
  if (inner !== undefined) {
    visitScoped(value, (member) => {
      forget(inner, member);
      return true;
    });
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
  if (openScopes > 0) forget(currentScope(), member);
}

function currentScope(): Scope | undefined {
  return openScopes > 0 ? openScope(storage.get()) : undefined;
}

/** The innermost scope that has not ended. */
function openScope(from: Scope | undefined): Scope | undefined {
  let scope = from;
  while (scope?.ended) scope = scope.parent;
  return scope;
}

/** Takes a member out of the one scope that has it. */
function forget(from: Scope | undefined, member: Scoped): void {
  for (let scope = from; scope !== undefined; scope = scope.parent) {
    if (scope.members.delete(member)) return;
  }
}

function finish<T>(inner: Scope, value: T): T {
  try {
    inner.release(value);
  } catch (error) {
    throw endAfter(inner, error);
  }
  inner.end();
  return value;
}

/** Ends a scope because of an error, which its own errors must not hide. */
function endAfter(inner: Scope, error: unknown): unknown {
  try {
    inner.end();
    return error;
  } catch (later) {
    return new SuppressedError(later, error, "scope: disposal failed after an error");
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function isScoped(value: object): value is Scoped {
  return Symbol.dispose in value && "disposed" in value;
}

/**
 * Finds what can be a member of a scope, once each, since objects may hold each
 * other, until `found` returns false.
 *
 * @param value Where to look.
 * @param found Called for each; whether to go on.
 */
export function visitScoped(value: unknown, found: (member: Scoped) => boolean): void {
  const seen = new Set<object>();
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    if (isScoped(next) && !found(next)) return;
    for (const part of partsOf(next)) {
      if (typeof part === "object" && part !== null) waiting.push(part);
    }
  }
}

/** What an object holds where everyone may look. */
function partsOf(value: object): Iterable<unknown> {
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return [];
  const fields = Object.values(value);
  if (value instanceof Map) return [...fields, ...value.keys(), ...value.values()];
  if (value instanceof Set) return [...fields, ...value];
  return fields;
}
