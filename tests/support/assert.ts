/**
 * The assertions that tests use, under the names and meanings of JSR's `@std/assert`.
 *
 * The import map sends `@std/assert` here, so that the tests run where JSR cannot be reached; the
 * map `tools/jsr_imports.json` sends the same name to the real package. Only what both have stands
 * here. Equality is `node:assert`'s strict deep equality, which also compares prototypes, and typed
 * arrays, maps and sets element by element.
 *
 * @module
 */
import nodeAssert from "node:assert/strict";
import { inspect } from "node:util";

/** Anything that can be used with `instanceof`; abstract classes included. */
// deno-lint-ignore no-explicit-any -- a constructor's parameters can be anything, as in @std/assert.
export type AnyConstructor = abstract new (...args: any[]) => any;

/** What an assertion throws when it does not hold. */
export class AssertionError extends Error {
  /** The class's name, as error reports print it. */
  override name = "AssertionError";
}

/** Prints a value for a message, deep enough to see what differs. */
function show(value: unknown): string {
  return inspect(value, { depth: 6, maxArrayLength: 32, maxStringLength: 2000 });
}

/** Throws with `text`, preceded by the test's own `message` when it gave one. */
function failWith(text: string, message?: string): never {
  throw new AssertionError(message === undefined ? text : `${text}\n${message}`);
}

/** Asserts that `condition` is truthy. */
export function assert(condition: unknown, message?: string): asserts condition {
  if (!condition) failWith("Expected a truthy value.", message);
}

/** Fails always: for places that must not be reached. */
export function fail(message?: string): never {
  failWith("Failed.", message);
}

/** Asserts deep equality. `NaN` equals `NaN`; inside arrays and objects `-0` differs from `0`. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  if (actual === expected) return;
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch (error) {
    failWith(error instanceof Error ? error.message : String(error), message);
  }
}

/** Asserts that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  try {
    assertEquals(actual, expected);
  } catch {
    return;
  }
  failWith(`Expected a value other than ${show(expected)}.`, message);
}

/** Asserts that two values are the same one, by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  failWith(`Expected the very value ${show(expected)}, got ${show(actual)}.`, message);
}

/** Asserts that two numbers differ by at most `tolerance`; by default 1e-7 of the expected one. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const difference = Math.abs(expected - actual);
  // Written so that NaN, which compares false with everything, fails.
  if (difference <= allowed) return;
  failWith(
    `Expected ${expected} within ${allowed}, got ${actual} (off by ${difference}).`,
    message,
  );
}

/** Asserts that `error` is an instance of `ErrorClass` whose message contains `part`. */
function checkError<E extends Error>(
  error: unknown,
  ErrorClass?: abstract new (...args: never[]) => E,
  part?: string,
  message?: string,
): asserts error is E {
  if (!(error instanceof Error)) failWith(`Expected an Error, got ${show(error)}.`, message);
  if (ErrorClass !== undefined && !(error instanceof ErrorClass)) {
    failWith(`Expected ${ErrorClass.name}, got ${error.name}: ${error.message}`, message);
  }
  if (part !== undefined && !error.message.includes(part)) {
    failWith(`Expected a message with ${show(part)}, got ${show(error.message)}.`, message);
  }
}

/** Asserts that `run` throws; returns what it threw. */
export function assertThrows<E extends Error = Error>(
  run: () => unknown,
  ErrorClass?: abstract new (...args: never[]) => E,
  part?: string,
  message?: string,
): E {
  let error: unknown;
  try {
    run();
  } catch (thrown) {
    error = thrown;
    checkError<E>(error, ErrorClass, part, message);
    return error;
  }
  failWith("Expected the function to throw.", message);
}

/** Asserts that the promise of `run` rejects; resolves to what it rejected with. */
export async function assertRejects<E extends Error = Error>(
  run: () => PromiseLike<unknown>,
  ErrorClass?: abstract new (...args: never[]) => E,
  part?: string,
  message?: string,
): Promise<E> {
  const promise = run();
  let error: unknown;
  try {
    await promise;
  } catch (thrown) {
    error = thrown;
    checkError<E>(error, ErrorClass, part, message);
    return error;
  }
  failWith("Expected the promise to reject.", message);
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  if (!actual.includes(expected)) {
    failWith(`Expected ${show(actual)} to contain ${show(expected)}.`, message);
  }
}

/** Asserts that `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  if (!expected.test(actual)) failWith(`Expected ${show(actual)} to match ${expected}.`, message);
}

/** Asserts that `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    failWith(`Expected a value, got ${actual}.`, message);
  }
}

/** Asserts that `actual` is an instance of `ExpectedClass`. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  ExpectedClass: T,
  message?: string,
): asserts actual is InstanceType<T> {
  if (actual instanceof ExpectedClass) return;
  failWith(`Expected an instance of ${ExpectedClass.name}, got ${show(actual)}.`, message);
}

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, message?: string): void {
  if (!(actual > expected)) failWith(`Expected ${show(actual)} > ${show(expected)}.`, message);
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual >= expected)) failWith(`Expected ${show(actual)} >= ${show(expected)}.`, message);
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, message?: string): void {
  if (!(actual < expected)) failWith(`Expected ${show(actual)} < ${show(expected)}.`, message);
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void {
  if (!(actual <= expected)) failWith(`Expected ${show(actual)} <= ${show(expected)}.`, message);
}

/** Asserts that every element of `expected` is, by deep equality, among those of `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void {
  const isEqual = (a: T, b: T): boolean => {
    try {
      assertEquals(a, b);
      return true;
    } catch {
      return false;
    }
  };
  const missing = Array.from(expected).filter((e) =>
    !Array.from(actual).some((a) => isEqual(a, e))
  );
  if (missing.length > 0) {
    failWith(`Expected ${show(actual)} to contain ${show(missing)}.`, message);
  }
}
