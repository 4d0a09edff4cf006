/**
 * `quern tokenize`: text to token ids and back.
 *
 * Reads only the vocabulary, so it works with files that hold nothing else.
 *
 * @module
 */

import type { Tokenizer } from "../../tokenizers/mod.ts";
import { type Command, SHARED_OPTIONS } from "../command.ts";
import { UsageError } from "../errors.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { loadTokenizer } from "../model_file.ts";
import type { ParsedOptions } from "../options.ts";
import { readInput, writeJson, writeOut } from "../output.ts";

/** The command. */
export const command: Command = {
  name: "tokenize",
  summary: "turn standard input into token ids, or ids into text",
  usage: "[--model MODEL] [--no-special] [--decode]",
  positionals: { min: 0, max: 0 },
  options: {
    model: SHARED_OPTIONS.modelOrDefault,
    "no-special": { type: "flag", help: "add no tokens that begin or end a text" },
    decode: { type: "flag", help: "read a JSON array of ids and print its text" },
    json: { type: "flag", help: "print the text of --decode as a JSON string" },
  },
  notes: [
    "All of standard input is one text, line breaks included. Control tokens that are written out\n" +
    "in it, such as <|im_start|>, become their ids. --decode prints the text exactly, with no line\n" +
    "break added. A MODEL that is a folder has a tokenizer.json; its texts are cut to what the\n" +
    "model reads.",
  ],
  examples: [
    "printf 'The mill' | quern tokenize --model smollm2",
    "printf 'The mill' | quern tokenize --model minilm",
    "echo '[504, 4093]' | quern tokenize --model smollm2 --decode",
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const tokenizer = await openTokenizer(options.text("model"));
  const input = await readInput();
  if (options.flag("decode")) {
    const text = tokenizer.decode(readIds(input, tokenizer));
    if (options.flag("json")) writeJson(text);
    else writeOut(text);
    return;
  }
  writeJson(Array.from(tokenizer.encode(input, { addSpecial: !options.flag("no-special") })));
}

/** Ctrl-C is listened for here only: while standard input is waited for, it ends the process. */
async function openTokenizer(source: string | undefined): Promise<Tokenizer> {
  using interrupt = listenForInterrupt();
  const tokenizer = await loadTokenizer(source, interrupt.signal);
  interrupt.signal.throwIfAborted();
  return tokenizer;
}

function readIds(input: string, tokenizer: Tokenizer): number[] {
  let ids: unknown;
  try {
    ids = JSON.parse(input);
  } catch {
    throw new UsageError("--decode reads a JSON array of token ids, such as [1, 2, 3]");
  }
  const limit = tokenizer.vocabularySize;
  const isId = (id: unknown) =>
    typeof id === "number" && Number.isInteger(id) && id >= 0 && id < limit;
  if (!Array.isArray(ids)) throw new UsageError("--decode reads a JSON array such as [1, 2, 3]");
  const wrong = ids.find((id) => !isId(id));
  if (wrong === undefined) return ids;
  throw new UsageError(
    `${JSON.stringify(wrong)} is not a token of this model, whose ids are 0 to ${limit - 1}`,
  );
}
