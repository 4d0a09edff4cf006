/**
 * `quern generate`: continues a text.
 *
 * @module
 */

import type { Tokenizer } from "../../tokenizers/mod.ts";
import { type Command, SHARED_OPTIONS } from "../command.ts";
import { UsageError } from "../errors.ts";
import { GENERATION_OPTIONS, runGeneration, samplingOptions } from "../generation_run.ts";
import { openSession } from "../open_session.ts";
import type { ParsedOptions } from "../options.ts";
import { readInput } from "../output.ts";

/** The command. */
export const command: Command = {
  name: "generate",
  summary: "continue a text with a model",
  usage: "[--model MODEL] [--prompt TEXT | -] [options]",
  positionals: { min: 0, max: 1 },
  options: {
    model: SHARED_OPTIONS.modelOrDefault,
    prompt: {
      type: "text",
      value: "TEXT",
      help: "the text to continue; - or nothing reads standard input",
    },
    ids: { type: "ids", value: "1,2,3", help: "the prompt as token ids" },
    ...GENERATION_OPTIONS,
    precision: SHARED_OPTIONS.precision,
    "context-length": SHARED_OPTIONS.contextLength,
    json: SHARED_OPTIONS.json,
  },
  notes: [
    "The prompt is taken exactly as it is, line breaks at its end included. The text goes to\n" +
    "standard output as it is generated; statistics go to standard error on a terminal.",
  ],
  examples: [
    'quern generate --prompt "The river was high, and"',
    'quern generate --model smollm2 --prompt "The mill stood by the river." --max-tokens 64',
    "quern generate --model smollm2 --temperature 0 --json < prompt.txt",
    "quern generate --model model.gguf --ids 1,4093,198 --precision exact",
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const source = options.text("model");
  const prompt = await readPrompt(options);
  using opened = await openSession(source, options);
  const { model, session, signal } = opened;
  const ids = promptIds(prompt, model.tokenizer);
  checkLength(ids.length, session.contextLength, model.contextLength);
  const generation = session.generate(ids, { ...samplingOptions(options), signal });
  await runGeneration(generation, opened, options);
}

async function readPrompt(options: ParsedOptions): Promise<string | number[]> {
  const [positional] = options.positionals;
  if (positional !== undefined && positional !== "-") {
    throw new UsageError(`unexpected argument ${JSON.stringify(positional)}; use --prompt TEXT`);
  }
  const ids = options.ids("ids");
  const prompt = options.text("prompt") ?? positional;
  if (ids !== undefined) {
    if (prompt !== undefined) throw new UsageError("--prompt and --ids exclude each other");
    return ids;
  }
  if (prompt !== undefined && prompt !== "-") return prompt;
  if (prompt === undefined && Deno.stdin.isTerminal()) {
    throw new UsageError(
      "a prompt is needed: --prompt TEXT, --ids 1,2,3, or text on standard input",
    );
  }
  return await readInput();
}

/** The session would refuse it too, but in the words of the library. */
function checkLength(tokens: number, context: number, largest: number): void {
  if (tokens <= context) return;
  const advice = context < largest ? `shorten it, or raise --context-length` : "shorten it";
  throw new Error(`the prompt has ${tokens} tokens and the context holds ${context}; ${advice}`);
}

function promptIds(prompt: string | number[], tokenizer: Tokenizer): ArrayLike<number> {
  if (typeof prompt !== "string") return prompt;
  const ids = tokenizer.encode(prompt);
  if (ids.length > 0) return ids;
  throw new UsageError(
    "the prompt is empty, and this model has no token that begins a text; give a prompt",
  );
}
