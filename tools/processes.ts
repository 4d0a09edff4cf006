/**
 * Running other programs from the tools: their output as text, ended when the user interrupts.
 *
 * @module
 */
import { runProgram } from "../lib/ffi/process.ts";
import { ROOT } from "./files.ts";

/** How a program ended. */
export interface Outcome {
  /** Its exit status. */
  code: number;
  /** What it wrote to standard output, then what it wrote to standard error. */
  output: string;
}

/** A signal that aborts when the user interrupts this process, or asks it to end. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Error("interrupted"));
  Deno.addSignalListener("SIGINT", abort);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", abort);
  return controller.signal;
}

/**
 * Runs this very Deno, in the checkout's folder, without colours.
 *
 * @param args its arguments
 * @param signal ends it; the promise rejects with the signal's reason
 * @param env variables to add
 */
export async function runDeno(
  args: string[],
  signal: AbortSignal,
  env: Record<string, string> = {},
): Promise<Outcome> {
  const command = [Deno.execPath(), ...args];
  const outcome = await runProgram(command, { signal, cwd: ROOT, env: { NO_COLOR: "1", ...env } });
  if (outcome === undefined) throw new Error(`${command[0]} could not be started`);
  return { code: outcome.code, output: outcome.stdout + outcome.stderr };
}
