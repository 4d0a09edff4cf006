/**
 * What the programs of this folder have in common: `--help`, one line and an exit status for what
 * went wrong, and a Python that they ask.
 */
import { optionLines } from "../../lib/cli/command.ts";
import { exitStatusOf, oneLine } from "../../lib/cli/errors.ts";
import { type OptionTable, type ParsedOptions, parseOptions } from "../../lib/cli/options.ts";
import { writeLog, writeOut } from "../../lib/cli/output.ts";
import { runProgram } from "../../lib/ffi/process.ts";

/**
 * Runs a program with the arguments of this process.
 *
 * @param name The file's name.
 * @param table The program's options.
 * @param main What it does.
 */
export async function runMain(
  name: string,
  table: OptionTable,
  main: (options: ParsedOptions) => Promise<void>,
): Promise<void> {
  try {
    const options = parseOptions(Deno.args, table);
    if (!options.flag("help")) return await main(options);
    writeOut(`deno run -A bench/training/${name} [options]\n\n${optionLines(table)}\n`);
  } catch (error) {
    writeLog(oneLine(error instanceof Error ? error.message : String(error)));
    Deno.exit(exitStatusOf(error));
  }
}

/**
 * Runs a Python to its end.
 *
 * @param python The interpreter.
 * @param args Its arguments.
 * @param signal Ends it.
 * @throws {Error} When there is none, or it fails, with the end of what it said.
 */
export async function runPython(
  python: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const outcome = await runProgram([python, ...args], { signal });
  if (outcome?.code === 0) return;
  const said = outcome?.stderr.trim().slice(-300) ?? "there is no such program";
  throw new Error(`${python} failed: ${oneLine(said)}`);
}
