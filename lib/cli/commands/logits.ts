/**
 * `quern logits`: what a model would say next, as an npy file.
 *
 * @module
 */

import { writeNpy } from "../../formats/mod.ts";
import { type Command, SHARED_OPTIONS } from "../command.ts";
import { UsageError } from "../errors.ts";
import { writeFileWhole } from "../model_file.ts";
import { openSession } from "../open_session.ts";
import type { ParsedOptions } from "../options.ts";
import { writeJson } from "../output.ts";

/** The command. */
export const command: Command = {
  name: "logits",
  summary: "write the logits after some tokens to an npy file",
  usage: "[--model MODEL] --ids 1,2,3 --out FILE.npy",
  positionals: { min: 0, max: 0 },
  options: {
    model: SHARED_OPTIONS.modelOrDefault,
    ids: { type: "ids", value: "1,2,3", help: "the tokens" },
    out: { type: "text", value: "FILE.npy", help: "float32, one number for each token id" },
    precision: SHARED_OPTIONS.precision,
    json: SHARED_OPTIONS.json,
  },
  examples: ["quern logits --model smollm2 --ids 504,4093 --out logits.npy --precision exact"],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const source = options.text("model");
  const out = options.required("out");
  const ids = options.ids("ids");
  if (ids === undefined) throw new UsageError("--ids is needed");
  using opened = await openSession(source, options);
  const { session, signal } = opened;
  const logits = await session.logits(ids, { signal });
  await writeFileWhole(out, writeNpy(new Float32Array(logits), [logits.length]));
  if (options.flag("json")) writeJson({ out, tokens: ids.length, vocabulary: logits.length });
}
