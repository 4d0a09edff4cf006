/**
 * A child process that is spoken to in lines of JSON: each line on its standard input is
 * answered by one on its standard output.
 *
 * @module
 */

import { oneLine } from "../errors.ts";
import { splitLines } from "../lines.ts";

/** How a process is started. */
export interface LineProcessOptions {
  /** Ends the process. */
  readonly signal?: AbortSignal;
  /** Variables that are added to its environment. */
  readonly env?: Record<string, string>;
}

/** Such a process; disposing of it closes its input and waits for its end. */
export class LineProcess implements AsyncDisposable {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #stderr: Promise<string>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(name: string, child: Deno.ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.#stderr = new Response(child.stderr).text();
    // A line that the process did not end is no answer.
    const whole = splitLines({ wholeOnly: true });
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(whole);
    this.#reader = lines.getReader();
    this.#writer = child.stdin.getWriter();
  }

  /**
   * Starts a process.
   *
   * @param name what errors call it
   * @param command the program and its arguments
   * @param options a signal, variables
   * @throws {Deno.errors.NotFound} when there is no such program
   */
  static start(
    name: string,
    command: readonly string[],
    options: LineProcessOptions = {},
  ): LineProcess {
    const [program, ...args] = command;
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    return new LineProcess(
      name,
      new Deno.Command(program, { args, ...pipes, ...options }).spawn(),
    );
  }

  /** Sends a line and waits for the answer. */
  async ask(request: unknown): Promise<unknown> {
    try {
      await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
    } catch {
      // Its input is closed since it ended; what it said then tells more.
    }
    return await this.next();
  }

  /**
   * The next line that the process writes.
   *
   * @throws {Error} when it ended instead, with the end of what it wrote to standard error
   */
  async next(): Promise<unknown> {
    let read = await this.#reader.read();
    while (!read.done && read.value.trim() === "") read = await this.#reader.read();
    if (!read.done) return JSON.parse(read.value);
    const said = oneLine((await this.#stderr).trimEnd().slice(-300));
    throw new Error(`${this.#name} ended early: ${said || "without a word"}`);
  }

  /** Closes the input and waits until the process has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    // A process that was killed by the signal has closed its input already.
    await this.#writer.close().catch(() => {});
    await this.#reader.cancel().catch(() => {});
    await Promise.all([this.#child.status, this.#stderr]);
  }
}
