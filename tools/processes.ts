/**
 * Running other programs from the tools: their output as text, ended when the user interrupts.
 *
 * @module
 */
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
  signal.throwIfAborted();
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stop = (): void => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended by itself in the meantime.
    }
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    const [status, stdout, stderr] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    signal.throwIfAborted();
    return { code: status.code, output: stdout + stderr };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
