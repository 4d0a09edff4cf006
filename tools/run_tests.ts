/**
 * Runs every check and every test of the project: `deno task test`.
 *
 * One line a part; a part that fails is shown in full, and the rest still runs. The last line is
 * `N passed, N failed` over everything, and the exit status is 1 when something failed. `--quick`
 * leaves out what takes long: the other targets, each instruction set, examples, system tests.
 *
 * @module
 */
import { checkLayers } from "./check_layers.ts";
import { checkStyle } from "./check_style.ts";
import { formatProblem, listFiles, ROOT } from "./files.ts";
import { checkLibraries, checkTable } from "./native_checks.ts";
import { interruptSignal, runDeno } from "./processes.ts";
import {
  denoResult,
  formatCounts,
  nativeResult,
  type Result,
  singleResult,
  sumCounts,
} from "./report.ts";
import { buildLibrary } from "../lib/ffi/zig.ts";

/** Targets of `zig build all`. */
const TARGETS = 6;

/** Unit tests whose results could depend on the instruction set. */
const KERNEL_TESTS = /^tests\/(?:memory|tensor|autograd|ops|nn|optim|models|runtime)\//;

/** What a part may use. */
interface Context {
  signal: AbortSignal;
  /** Shows a line while the part runs. */
  say: (line: string) => void;
}

/** One part of the run. */
interface Part {
  name: string;
  slow?: boolean;
  run: (context: Context) => Promise<Result>;
}

const PARTS: Part[] = [
  {
    name: "native library",
    run: async (context) => singleResult(await build(context, [])),
  },
  { name: "formatting", run: denoCheck("fmt", "--check") },
  { name: "lint", run: denoCheck("lint") },
  { name: "types", run: denoCheck("check", ".") },
  { name: "documentation of every export", run: checkDocumentation },
  { name: "layers", run: async () => listed((await checkLayers(ROOT)).map(formatProblem)) },
  { name: "house style", run: async () => listed((await checkStyle(ROOT)).map(formatProblem)) },
  { name: "FFI table against the header", run: async () => listed(await checkTable()) },
  { name: "library against the header", run: () => checkBuilt("zig-out/lib/", 1) },
  {
    name: "C tests",
    run: async (context) => nativeResult(await build(context, ["test"])),
  },
  { name: "unit tests (nothing but FFI allowed)", run: denoTest(["--allow-ffi"]) },
  { name: "unit tests on each instruction set", slow: true, run: testInstructionSets },
  { name: "libraries of all six targets", slow: true, run: checkAllTargets },
  { name: "model for the tests", slow: true, run: pullModel },
  { name: "examples in the documentation", slow: true, run: testExamples },
  { name: "system tests", slow: true, run: denoTest(["-A"], "tests/system/**/*_system.ts") },
];

function denoCheck(...args: string[]): Part["run"] {
  return async ({ signal }) => singleResult(await runDeno(args, signal));
}

/** Runs `deno test` over the files that a pattern names; over all unit tests without one. */
function denoTest(permissions: string[], ...patterns: string[]): Part["run"] {
  return async ({ signal }) =>
    denoResult(await runDeno(["test", ...permissions, ...patterns], signal));
}

/** One check that holds when there is nothing to complain of. */
function listed(problems: string[]): Result {
  return singleResult({ code: problems.length, output: problems.join("\n") });
}

async function build(context: Context, args: string[]): Promise<{ code: number; output: string }> {
  try {
    const { signal, say } = context;
    return { code: 0, output: await buildLibrary({ args, signal, onProgress: say }) };
  } catch (error) {
    context.signal.throwIfAborted();
    return { code: 1, output: error instanceof Error ? error.message : String(error) };
  }
}

async function checkDocumentation({ signal }: Context): Promise<Result> {
  const { exports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const files = Object.values<string>(exports);
  return singleResult(await runDeno(["doc", "--lint", ...files], signal));
}

async function checkBuilt(folder: string, expected: number): Promise<Result> {
  const { libraries, problems } = await checkLibraries(ROOT + folder);
  if (libraries.length !== expected) {
    problems.push(`${folder} has ${libraries.length} libraries instead of ${expected}`);
  }
  return listed(problems);
}

async function checkAllTargets(context: Context): Promise<Result> {
  const outcome = await build(context, ["all"]);
  if (outcome.code !== 0) return singleResult(outcome);
  // The host's own library, in zig-out/lib, is there besides.
  return await checkBuilt("zig-out/", TARGETS + 1);
}

/** Runs the unit tests of kernels again for each instruction set that is not the default. */
async function testInstructionSets({ signal, say }: Context): Promise<Result> {
  const { instructionSets } = await import("../lib/ffi/mod.ts");
  const files = (await listFiles(ROOT, "tests")).filter((file) => KERNEL_TESTS.test(file));
  const tests = files.filter((file) => file.endsWith("_test.ts"));
  const results: Result[] = [];
  for (const { name, supported, selected } of instructionSets()) {
    if (selected) continue;
    if (!supported) {
      say(`${name}: skipped, this processor lacks it`);
      results.push({ passed: 0, failed: 0, skipped: 1, output: "" });
      continue;
    }
    const args = ["test", "--no-check", "--allow-ffi", "--allow-env=QUERN_ISA", ...tests];
    const result = denoResult(await runDeno(args, signal, { QUERN_ISA: name }));
    say(`${name}: ${formatCounts(result)}`);
    results.push(result);
  }
  return { ...sumCounts(results), output: results.map((result) => result.output).join("\n") };
}

/** Pulls the model that examples and system tests use, into the cache that they use too. */
async function pullModel({ signal }: Context): Promise<Result> {
  const args = ["run", "-A", "lib/cli/main.ts", "pull", "smollm2"];
  return singleResult(await runDeno(args, signal));
}

async function testExamples({ signal }: Context): Promise<Result> {
  const files = (await listFiles(ROOT)).filter((file) =>
    /^(?:lib\/.*\.ts|mod\.ts|models\.ts|nn\.ts|optim\.ts|train\.ts|README\.md|docs\/[^/]*\.md)$/
      .test(file)
  );
  // The library stays open for the life of the process: opened by the first example that needs it,
  // it would look like a leak.
  const preload = ["--preload", "tests/support/native.ts"];
  return denoResult(await runDeno(["test", "--doc", "-A", ...preload, ...files], signal));
}

/** Runs the parts in order and shows each; returns what they came to. */
async function runParts(parts: Part[], signal: AbortSignal): Promise<Result[]> {
  const results: Result[] = [];
  for (const { name, run } of parts) {
    const started = performance.now();
    console.log(`${name} …`);
    const result = await run({ signal, say: (line) => console.log(`    ${line}`) });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`  ${result.failed > 0 ? "FAILED" : "ok"}: ${formatCounts(result)} (${seconds} s)`);
    if (result.failed > 0) console.log(result.output.trimEnd().replace(/^/gm, "  | "));
    results.push(result);
  }
  return results;
}

if (import.meta.main) {
  const quick = Deno.args.includes("--quick");
  const unknown = Deno.args.filter((arg) => arg !== "--quick");
  if (unknown.length > 0) {
    console.error(`unknown argument ${unknown[0]}; there is only --quick`);
    Deno.exit(2);
  }
  const signal = interruptSignal();
  try {
    const sum = sumCounts(await runParts(PARTS.filter((part) => !(quick && part.slow)), signal));
    console.log(`\n${formatCounts(sum)}`);
    Deno.exit(sum.failed > 0 ? 1 : 0);
  } catch (error) {
    if (!signal.aborted) throw error;
    console.error("\ninterrupted");
    Deno.exit(130);
  }
}
