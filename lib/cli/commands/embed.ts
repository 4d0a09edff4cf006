/**
 * `quern embed`: one text a line in, one vector a line out.
 *
 * @module
 */

import { type Command, SHARED_OPTIONS } from "../command.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { splitLines } from "../lines.ts";
import { loadEmbedderWithProgress } from "../model_file.ts";
import { prepareNative } from "../native_library.ts";
import type { ParsedOptions } from "../options.ts";
import { writeJson } from "../output.ts";

/** The command. */
export const command: Command = {
  name: "embed",
  summary: "turn each line of standard input into a vector",
  usage: "--model MODEL [--precision P] [--prompt NAME|TEXT] [--dimensions N]",
  positionals: { min: 0, max: 0 },
  options: {
    model: SHARED_OPTIONS.model,
    precision: {
      ...SHARED_OPTIONS.precision,
      help: "exact multiplies in float32, fast in bfloat16 where the processor can (exact)",
    },
    prompt: {
      type: "text",
      value: "NAME|TEXT",
      help: "one of the model's prompts, such as query, or a text to put before each line",
    },
    dimensions: {
      type: "integer",
      value: "N",
      min: 1,
      max: 1 << 20,
      help: "only the first elements of each vector (all)",
    },
    json: { type: "flag", help: "the same: one JSON array a line" },
  },
  notes: [
    "An empty line is an empty text. Lines may come without end: they are taken as they come, and\n" +
    "vectors are written in their order.",
  ],
  examples: [
    "printf 'The mill stood by the river.\\nA watermill.\\n' | quern embed --model minilm",
    "quern embed --model minilm --precision fast < sentences.txt > vectors.jsonl",
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  await prepareNative(options, signal);
  using embedder = await loadEmbedderWithProgress(
    options.required("model"),
    options.text("precision") === "fast" ? "fast" : "exact",
    signal,
  );
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(
    splitLines(),
  );
  const prompt = options.text("prompt");
  const dimensions = options.number("dimensions");
  for await (const vector of embedder.embedStream(lines, { prompt, dimensions, signal })) {
    // Nine digits tell every float32 from its neighbours.
    writeJson(Array.from(vector, (value) => Number(value.toPrecision(9))));
  }
}
