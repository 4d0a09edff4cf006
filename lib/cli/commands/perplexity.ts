/**
 * `quern perplexity`: how well a model predicts a text.
 *
 * @module
 */

import { type Command, SHARED_OPTIONS } from "../command.ts";
import { fileError, UsageError } from "../errors.ts";
import { openSession } from "../open_session.ts";
import type { ParsedOptions } from "../options.ts";
import { writeJson, writeOut } from "../output.ts";
import { ProgressDisplay } from "../progress.ts";

/** The command. */
export const command: Command = {
  name: "perplexity",
  summary: "measure how well a model predicts a text",
  usage: "[--model MODEL] --file FILE",
  positionals: { min: 0, max: 0 },
  options: {
    model: SHARED_OPTIONS.modelOrDefault,
    file: { type: "text", value: "FILE", help: "a text in UTF-8" },
    ids: { type: "ids", value: "1,2,3", help: "token ids instead of a text" },
    precision: SHARED_OPTIONS.precision,
    "context-length": SHARED_OPTIONS.contextLength,
    json: SHARED_OPTIONS.json,
  },
  notes: [
    "Prints the mean negative log likelihood of a token in nats and its exponential. Every token\n" +
    "but the first is predicted; a text longer than the context is cut into windows.",
  ],
  examples: [
    "quern perplexity --file book.txt",
    "quern perplexity --model smollm2 --file book.txt",
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const source = options.text("model");
  const input = await readTokens(options);
  using opened = await openSession(source, options);
  const { model, session, signal } = opened;
  using display = await ProgressDisplay.create();
  const ids = typeof input === "string" ? model.tokenizer.encode(input) : input;
  const result = await session.perplexity(ids, { signal, onProgress: display.report });
  display.clear();
  if (options.flag("json")) writeJson(result);
  else {
    writeOut(
      `perplexity ${result.perplexity.toFixed(4)}, mean negative log likelihood ` +
        `${result.meanNll.toFixed(6)} over ${result.tokens} tokens\n`,
    );
  }
}

async function readTokens(options: ParsedOptions): Promise<string | number[]> {
  const ids = options.ids("ids");
  const file = options.text("file");
  if ((ids === undefined) === (file === undefined)) {
    throw new UsageError("either --file FILE or --ids 1,2,3 is needed");
  }
  if (ids !== undefined) return ids;
  try {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await Deno.readFile(file ?? ""));
  } catch (error) {
    throw fileError(file ?? "", error);
  }
}
