/**
 * Counts of passed and failed checks, read from what test programs print, and how they are shown.
 *
 * @module
 */
import type { Outcome } from "./processes.ts";

/** How many checks or tests ended how. */
export interface Counts {
  /** Those that held. */
  passed: number;
  /** Those that did not. */
  failed: number;
  /** Those that could not be run here. */
  skipped: number;
}

/** What one part of the test run came to. */
export interface Result extends Counts {
  /** Everything it wrote; shown when something failed. */
  output: string;
}

/** The closing line of `deno test`. */
const DENO_SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/gm;
/** The lines of C test programs: `c-test NAME passed=N failed=N`, `c-test NAME skipped: why`. */
const C_SUMMARY = /^c-test .+ passed=(\d+) failed=(\d+)/gm;
const C_SKIPPED = /^c-test .+ skipped/gm;

/** The result of something that is one check: it holds when the program says so. */
export function singleResult({ code, output }: Outcome): Result {
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, output };
}

/** The result of `deno test`. */
export function denoResult({ code, output }: Outcome): Result {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed, ignored] of output.matchAll(DENO_SUMMARY)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(ignored ?? 0);
  }
  return { ...distrustful(counts, code), output };
}

/**
 * The result of the C tests. A program counts as one test: its own numbers are of checks in loops,
 * hundreds of thousands of them, which would drown every other count.
 */
export function nativeResult({ code, output }: Outcome): Result {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, , failed] of output.matchAll(C_SUMMARY)) {
    if (Number(failed) === 0) counts.passed++;
    else counts.failed++;
  }
  counts.skipped = [...output.matchAll(C_SKIPPED)].length;
  return { ...distrustful(counts, code), output };
}

/** A program that failed without a failed test, or that ran no test at all, is a failure. */
function distrustful(counts: Counts, code: number): Counts {
  const isSilent = counts.failed === 0 && (code !== 0 || counts.passed === 0);
  return isSilent ? { ...counts, failed: 1 } : counts;
}

/** The sum of several counts. */
export function sumCounts(all: readonly Counts[]): Counts {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of all) {
    sum.passed += counts.passed;
    sum.failed += counts.failed;
    sum.skipped += counts.skipped;
  }
  return sum;
}

/** `12 passed, 0 failed`, and `, 1 skipped` when there is one. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
