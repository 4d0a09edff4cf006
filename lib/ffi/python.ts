/**
 * Finds Python and its package installer, by which Zig and some models come.
 *
 * @module
 */

import { runProgram } from "./process.ts";

/** How Python may be called here, best first. */
export const PYTHONS: readonly (readonly string[])[] = [["python3"], ["python"], ["py", "-3"]];

/** How pip may be called here, best first: where Python has none, another one may be on PATH. */
const PIPS: readonly (readonly string[])[] = [
  ...PYTHONS.map((python) => [...python, "-m", "pip"]),
  ["pip3"],
  ["pip"],
];

/**
 * Looks for a pip that runs.
 *
 * @param purpose what it is needed for, and what else would do, for the error
 * @param signal ends the search
 * @returns the program and its first arguments
 * @throws {Error} when there is none, or none may be run
 */
export async function findPip(
  purpose: { needed: string; instead: string },
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  for (const command of PIPS) {
    try {
      const outcome = await runProgram([...command, "--version"], { signal });
      if (outcome?.code === 0) return command;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      throw new Error(
        `pip is needed ${purpose.needed}, but ${command[0]} may not be run; ` +
          `allow it with --allow-run`,
        { cause: error },
      );
    }
  }
  const tried = PIPS.map((command) => command.join(" ")).join(", ");
  throw new Error(
    `pip, which is needed ${purpose.needed}, was not found (tried ${tried}); ` +
      `install Python with pip, or ${purpose.instead}`,
  );
}
