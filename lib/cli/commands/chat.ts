/**
 * `quern chat`: a conversation in the terminal.
 *
 * Answers go to standard output; the prompt sign and all else go to standard
 * error. Where standard input is no terminal, each of its lines is a message.
 * Ctrl-C while an answer is written stops that answer, which stays in the
 * history as far as it came; at the prompt it leaves.
 *
 * @module
 */

import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import type { Session } from "../../runtime/mod.ts";
import type { ChatMessage } from "../../tokenizers/mod.ts";
import { type Command, SHARED_OPTIONS } from "../command.ts";
import { ExitStatus, InterruptedError, UsageError } from "../errors.ts";
import {
  GENERATION_OPTIONS,
  runGeneration,
  samplingOptions,
  streamGeneration,
} from "../generation_run.ts";
import { openSession } from "../open_session.ts";
import type { ParsedOptions } from "../options.ts";
import { writeLog } from "../output.ts";

/** The command. */
export const command: Command = {
  name: "chat",
  summary: "talk with a model in the terminal",
  usage: "--model MODEL [--system TEXT] [--prompt TEXT]",
  positionals: { min: 0, max: 0 },
  options: {
    model: SHARED_OPTIONS.model,
    system: { type: "text", value: "TEXT", help: "what the model is told to be" },
    prompt: { type: "text", value: "TEXT", help: "ask this, print the answer and leave" },
    ...GENERATION_OPTIONS,
    precision: SHARED_OPTIONS.precision,
    "context-length": SHARED_OPTIONS.contextLength,
    json: { type: "flag", help: "with --prompt: print one JSON object" },
  },
  notes: [
    "In the conversation, /clear forgets what was said, /exit or Ctrl-D leaves, and Ctrl-C stops\n" +
    "an answer.",
  ],
  examples: [
    "quern chat --model smollm2",
    'quern chat --model smollm2 --system "You are a miller." --prompt "Why do mills turn?"',
  ],
  run,
};

async function run(options: ParsedOptions): Promise<number> {
  const source = options.required("model");
  const prompt = options.text("prompt");
  if (options.flag("json") && prompt === undefined) throw new UsageError("--json needs --prompt");
  if (prompt === "") throw new UsageError("the prompt is empty; give a message");
  using opened = await openSession(source, options);
  const { model, session, signal } = opened;
  if (model.tokenizer.chatTemplate === undefined) {
    throw new Error(`${source} has no chat template; use quern generate`);
  }
  if (prompt === undefined) {
    opened.stopListening();
    return await converse(session, options);
  }
  const messages = [...opening(options), { role: "user", content: prompt }];
  const generation = session.chat(messages, { ...samplingOptions(options), signal });
  await runGeneration(generation, opened, options);
  return ExitStatus.done;
}

function opening(options: ParsedOptions): ChatMessage[] {
  const system = options.text("system");
  return system === undefined ? [] : [{ role: "system", content: system }];
}

async function converse(session: Session, options: ParsedOptions): Promise<number> {
  const terminal = Deno.stdin.isTerminal();
  const input = createInterface({
    input: process.stdin,
    output: terminal ? process.stderr : undefined,
    terminal,
    prompt: "> ",
  });
  if (terminal) writeLog("/clear forgets the conversation, /exit leaves, Ctrl-C stops an answer.");
  const turns = new Conversation(session, options, input);
  try {
    return await turns.run();
  } finally {
    input.close();
    // The prompt sign is alone on its line where nothing was typed.
    if (terminal) writeLog("");
  }
}

/** The loop of questions and answers. */
class Conversation {
  readonly #session: Session;
  readonly #options: ParsedOptions;
  readonly #input: Interface;
  #messages: ChatMessage[];
  #answering: AbortController | undefined;
  #inputEnded = false;
  #leftBy: number = ExitStatus.done;

  constructor(session: Session, options: ParsedOptions, input: Interface) {
    this.#session = session;
    this.#options = options;
    this.#input = input;
    this.#messages = opening(options);
  }

  /** Takes messages until the input ends; the result is the exit status. */
  async run(): Promise<number> {
    // On a terminal in raw mode Ctrl-C is a key; elsewhere it is a signal.
    const onInterrupt = () => this.#interrupt();
    this.#input.on("SIGINT", onInterrupt);
    Deno.addSignalListener("SIGINT", onInterrupt);
    // Input that ends while an answer is written may have more lines to hand over.
    this.#input.once("close", () => this.#inputEnded = true);
    try {
      this.#input.prompt();
      for await (const line of this.#input) {
        if (!await this.#take(line.trim())) break;
        if (!this.#inputEnded) this.#input.prompt();
      }
    } finally {
      Deno.removeSignalListener("SIGINT", onInterrupt);
    }
    return this.#leftBy;
  }

  #interrupt(): void {
    if (this.#answering === undefined) {
      this.#leftBy = ExitStatus.interrupted;
      this.#input.close();
    } else if (this.#answering.signal.aborted) Deno.exit(ExitStatus.interrupted);
    else this.#answering.abort(new InterruptedError("interrupted"));
  }

  /** Answers one line; false when the conversation is over. */
  async #take(line: string): Promise<boolean> {
    if (line === "/exit" || line === "/quit") return false;
    if (line === "/clear") this.#messages = opening(this.#options);
    else if (line.startsWith("/")) writeLog(`there is no ${line}; /clear and /exit are known`);
    else if (line !== "") await this.#answer(line);
    return true;
  }

  async #answer(question: string): Promise<void> {
    const messages = [...this.#messages, { role: "user", content: question }];
    this.#answering = new AbortController();
    const { signal } = this.#answering;
    try {
      const generation = this.#session.chat(messages, {
        ...samplingOptions(this.#options),
        signal,
      });
      await streamGeneration(generation, { verbose: this.#options.flag("verbose") }).catch(
        (error) => {
          if (!(error instanceof InterruptedError)) throw error;
        },
      );
      this.#messages = [...messages, { role: "assistant", content: generation.summary.text }];
    } catch (error) {
      // A question that does not fit the context must not end the conversation.
      if (!(error instanceof RangeError)) throw error;
      writeLog(`quern: ${error.message}; /clear begins a new conversation`);
    } finally {
      this.#answering = undefined;
    }
  }
}
