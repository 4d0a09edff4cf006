/**
 * How much longer fresh processes of this folder's programs take than one of `nothing.ts`.
 * All are run in turns, after a round that fills the caches of Deno, and medians shown:
 *
 *     deno task bench:start [ROUNDS]
 */
import { markdownTable } from "../../lib/cli/output.ts";

const PROGRAMS = ["nothing.ts", "import_only.ts", "first_product.ts"];
const NUMERIC: ReadonlySet<number> = new Set([1, 2]);

/** The milliseconds from the start of a process to its end. */
function timeOf(program: string): number {
  const url = new URL(program, import.meta.url);
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-ffi", "--allow-env", url.href],
    stdout: "null",
    stderr: "inherit",
  });
  const start = performance.now();
  const { success } = command.outputSync();
  if (!success) throw new Error(`${program} failed`);
  return performance.now() - start;
}

/** The times of each program, of the same rounds. */
function measure(rounds: number): number[][] {
  const times: number[][] = PROGRAMS.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    PROGRAMS.forEach((program, i) => {
      const time = timeOf(program);
      if (round > 0) times[i].push(time);
    });
  }
  return times;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

const medians = measure(Number(Deno.args[0] ?? 20)).map(median);
const rows = PROGRAMS.map((name, i) => {
  return [`\`${name}\``, medians[i].toFixed(1), (medians[i] - medians[0]).toFixed(1)];
});
console.log(markdownTable([["program", "ms", "more than nothing"], ...rows], NUMERIC));
