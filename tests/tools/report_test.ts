import { assertEquals } from "@std/assert";
import {
  denoResult,
  formatCounts,
  nativeResult,
  singleResult,
  sumCounts,
} from "../../tools/report.ts";

/** The counts of a result, in the order passed, failed, skipped. */
function counts(result: { passed: number; failed: number; skipped: number }): number[] {
  return [result.passed, result.failed, result.skipped];
}

Deno.test("denoResult() reads the closing line of deno test", () => {
  const read = (output: string, code = 0) => counts(denoResult({ code, output }));
  assertEquals(read("ok | 12 passed | 0 failed (3s)\n"), [12, 0, 0]);
  assertEquals(read("ok | 2 passed (5 steps) | 0 failed | 3 ignored (1s)\n"), [2, 0, 3]);
  assertEquals(read("\nFAILED | 4 passed | 1 failed (2 steps) | 1 ignored (1s)\n", 1), [4, 1, 1]);
});

Deno.test("denoResult() counts a run that failed without a failed test as a failure", () => {
  assertEquals(counts(denoResult({ code: 1, output: "error: Type checking failed." })), [0, 1, 0]);
  assertEquals(counts(denoResult({ code: 1, output: "ok | 3 passed | 0 failed (1s)" })), [3, 1, 0]);
});

Deno.test("denoResult() counts a run of no test as a failure", () => {
  assertEquals(counts(denoResult({ code: 0, output: "ok | 0 passed | 0 failed (0ms)" })), [
    0,
    1,
    0,
  ]);
});

Deno.test("nativeResult() counts each C test program once", () => {
  const output =
    "c-test test_pool passed=10 failed=0\nc-test aarch64 test_pool passed=9 failed=1\n" +
    "noise\nc-test aarch64 skipped: no emulator\n";
  assertEquals(counts(nativeResult({ code: 1, output })), [1, 1, 1]);
  assertEquals(counts(nativeResult({ code: 1, output: "error: does not compile" })), [0, 1, 0]);
  assertEquals(counts(nativeResult({ code: 0, output: "" })), [0, 1, 0]);
});

Deno.test("singleResult() is one check, held or not by the exit status", () => {
  assertEquals(counts(singleResult({ code: 0, output: "" })), [1, 0, 0]);
  assertEquals(counts(singleResult({ code: 7, output: "" })), [0, 1, 0]);
});

Deno.test("formatCounts() writes the plain closing line of sumCounts()", () => {
  const all = [{ passed: 3, failed: 0, skipped: 0 }, { passed: 4, failed: 1, skipped: 0 }];
  assertEquals(formatCounts(sumCounts(all)), "7 passed, 1 failed");
  assertEquals(
    formatCounts(sumCounts([{ passed: 1, failed: 0, skipped: 2 }])),
    "1 passed, 0 failed, 2 skipped",
  );
});
