/**
 * Opens the native library and binds all its functions when a test module loads, so that no
 * single test seems to leak it, and offers what tests of tensors share.
 */
import { assertEquals } from "@std/assert";
import { native } from "../../lib/ffi/mod.ts";
import { assertNoLeaks } from "../../lib/memory/leaks.ts";
import { pool } from "../../lib/memory/mod.ts";

// Reading a function binds it.
Object.values(native().symbols);

/**
 * Runs a test and asserts that it disposed of all it made and gave every block
 * back, also those that no tensor or handle stands for.
 */
export function withoutLeaks(fn: () => void): () => void {
  return () => {
    const before = pool.stats().outstanding;
    assertNoLeaks(fn);
    assertEquals(pool.stats().outstanding, before, "blocks outstanding");
  };
}

/** The same for an asynchronous test. */
export function withoutLeaksAsync(fn: () => Promise<void>): () => Promise<void> {
  return async () => {
    const before = pool.stats().outstanding;
    await assertNoLeaks(fn);
    assertEquals(pool.stats().outstanding, before, "blocks outstanding");
  };
}

/** Asserts that numbers are equal to a relative and an absolute tolerance. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  assertEquals(actual.length, expected.length, "length");
  for (let i = 0; i < expected.length; i++) {
    const bound = tolerance * Math.max(1, Math.abs(expected[i]));
    if (!(Math.abs(actual[i] - expected[i]) <= bound)) {
      throw new Error(`element ${i} is ${actual[i]}, expected ${expected[i]} within ${bound}`);
    }
  }
}
