/**
 * `quern quantize`: a GGUF file with its weights in another type.
 *
 * @module
 */

import { formatBytes } from "../../core/sizes.ts";
import { type GgmlType, ggmlTypes } from "../../models/mod.ts";
import { quantizeModel } from "../../runtime/mod.ts";
import { type Command, SHARED_OPTIONS } from "../command.ts";
import { fileError, UsageError } from "../errors.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { resolveWithProgress } from "../model_file.ts";
import { prepareNative } from "../native_library.ts";
import type { ParsedOptions } from "../options.ts";
import { writeJson, writeOut } from "../output.ts";
import { ProgressDisplay } from "../progress.ts";

/** The command. */
export const command: Command = {
  name: "quantize",
  summary: "write a GGUF model with its weights in another type",
  usage: "IN OUT.gguf --type TYPE",
  positionals: { min: 2, max: 2 },
  options: {
    type: { type: "text", value: "TYPE", help: `of the weights: ${ggmlTypes.join(", ")}` },
    json: SHARED_OPTIONS.json,
  },
  notes: [
    "IN is a .gguf file, a known name, hf:owner/repo/file, or https://…; it may be quantised\n" +
    "already, though each rounding adds its error. Vectors stay in F32. With a type of four bits,\n" +
    "the matrix that makes the logits becomes Q8_0; a matrix whose rows are not multiples of 32\n" +
    "becomes F16. Memory does not grow with the model.",
  ],
  examples: [
    "quern quantize book/model.gguf book.gguf --type Q8_0",
    "quern quantize smollm2 small.gguf --type Q4_0 --json",
  ],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  const [source, target] = options.positionals;
  const type = typeOf(options.required("type"));
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  await prepareNative(options, signal);
  const path = await resolveWithProgress(source, signal);
  const result = await quantize(path, target, type, signal);
  if (options.flag("json")) return writeJson({ file: target, type, ...result });
  const { bytesBefore, bytesAfter, tensors } = result;
  writeOut(
    `${target}: ${type}, ${formatBytes(bytesAfter)} of ${formatBytes(bytesBefore)} before, ` +
      `${tensors} tensors\n`,
  );
}

function typeOf(name: string): GgmlType {
  const type = ggmlTypes.find((known) => known === name.toUpperCase());
  if (type !== undefined) return type;
  throw new UsageError(`--type is one of ${ggmlTypes.join(", ")}, not ${JSON.stringify(name)}`);
}

async function quantize(path: string, target: string, type: GgmlType, signal: AbortSignal) {
  using display = await ProgressDisplay.create();
  try {
    return await quantizeModel(path, target, type, { signal, onProgress: display.report });
  } catch (error) {
    throw fileError(
      error instanceof Deno.errors.NotFound ? await missing(path, target) : path,
      error,
    );
  }
}

/** Which of the two is not there: the file to read, or the folder to write to. */
async function missing(path: string, target: string): Promise<string> {
  return await Deno.stat(path).then(() => target, () => path);
}
