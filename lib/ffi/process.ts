/**
 * Running other programs to their end: Zig, Python's pip.
 *
 * @module
 */

/** How a program ended. */
export interface Outcome {
  /** Its exit status. */
  readonly code: number;
  /** What it wrote to standard output. */
  readonly stdout: string;
  /** What it wrote to standard error. */
  readonly stderr: string;
}

/** What {@linkcode runProgram} takes. */
export interface RunOptions {
  /** Ends the program; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** The folder that it runs in. */
  cwd?: string;
  /** Variables that are added to its environment. */
  env?: Record<string, string>;
}

/**
 * Runs a program to its end, without standard input.
 *
 * @param command the program and its arguments
 * @param options a signal, the folder, variables
 * @returns its exit status and output, or undefined when there is no such program
 */
export async function runProgram(
  command: readonly string[],
  options: RunOptions = {},
): Promise<Outcome | undefined> {
  const { signal, cwd, env } = options;
  signal?.throwIfAborted();
  const child = spawn(command, { cwd, env });
  if (child === undefined) return undefined;
  const stop = () => endProcess(child);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const [status, stdout, stderr] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    signal?.throwIfAborted();
    return { code: status.code, stdout, stderr };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function spawn(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string> },
): Deno.ChildProcess | undefined {
  try {
    return new Deno.Command(command[0], {
      ...options,
      args: command.slice(1),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function endProcess(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGTERM");
  } catch {
    // It ended by itself in the meantime.
  }
}
