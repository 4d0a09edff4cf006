/**
 * `quern inspect`: what is in a model or array file.
 *
 * @module
 */

import { formatShape } from "../../core/shape.ts";
import { formatBytes } from "../../core/sizes.ts";
import { type FileDescription, inspectFile, parseSafetensorsIndex } from "../../formats/mod.ts";
import { type Command, SHARED_OPTIONS } from "../command.ts";
import { fileError } from "../errors.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { resolveWithProgress, withFile } from "../model_file.ts";
import type { ParsedOptions } from "../options.ts";
import { formatTable, styled, writeJson, writeOut } from "../output.ts";

/** The command. */
export const command: Command = {
  name: "inspect",
  summary: "show the metadata and tensors of a GGUF, safetensors, npy or npz file",
  usage: "FILE",
  positionals: { min: 1, max: 1 },
  options: { json: SHARED_OPTIONS.json },
  notes: [
    "FILE may also be a known model's name, a folder, or the index of a model in several\n" +
    "safetensors files: then each of its files is shown.",
  ],
  examples: ["quern inspect model.gguf", "quern inspect --json logits.npy"],
  run,
};

async function run(options: ParsedOptions): Promise<void> {
  using interrupt = listenForInterrupt();
  const path = await resolveWithProgress(options.positionals[0], interrupt.signal);
  const files = await filesOf(path);
  for (const file of files) {
    const description = await withFile(file, (bytes) => inspectFile(bytes, file));
    if (options.flag("json")) writeJson({ file, ...asJson(description) });
    else writeOut(`${describe(file, description)}\n`);
  }
}

async function filesOf(path: string): Promise<string[]> {
  try {
    if (path.endsWith(".safetensors.index.json")) return await filesOfIndex(path);
    if (!(await Deno.stat(path)).isDirectory) return [path];
    const names = [...Deno.readDirSync(path)].map((entry) => entry.name);
    const files = names.filter((name) => /\.(safetensors|gguf)$/.test(name)).sort();
    if (files.length > 0) return files.map((name) => `${path}/${name}`);
  } catch (error) {
    throw fileError(path, error);
  }
  throw new Error(`${path}: the folder holds no .safetensors or .gguf file; name a file`);
}

/** The files that an index names stand beside it. */
async function filesOfIndex(path: string): Promise<string[]> {
  const { files } = parseSafetensorsIndex(await Deno.readFile(path), { name: path });
  return files.map((file) => path.replace(/[^\\/]*$/, "") + file);
}

function asJson(description: FileDescription): Record<string, unknown> {
  const { format, version, values, tensors, totals } = description;
  return { format, version: version ?? null, metadata: values, tensors, totals };
}

function describe(file: string, description: FileDescription): string {
  const { format, version, metadata, tensors, totals } = description;
  const kind = version === undefined ? format : `${format} version ${version}`;
  const byType = Object.entries(totals.bytesByDType)
    .map(([dtype, bytes]) => `${dtype} ${formatBytes(bytes)}`).join(", ");
  const parts = [
    `${styled("bold", file)}: ${kind}, ${formatBytes(totals.fileBytes)}, ${totals.tensors} ` +
    `tensors, ${totals.parameters} parameters${byType === "" ? "" : ` (${byType})`}`,
  ];
  if (metadata.length > 0) {
    parts.push(`${styled("bold", "Metadata")}\n${formatTable(metadata)}`);
  }
  if (tensors.length > 0) {
    const rows = tensors.map((tensor) => [
      tensor.name,
      tensor.dtype,
      formatShape(tensor.shape),
      formatBytes(tensor.bytes),
      `${tensor.offset}`,
    ]);
    const head = ["name", "type", "shape", "size", "offset"];
    const table = formatTable([head, ...rows], new Set([3, 4]));
    parts.push(`${styled("bold", "Tensors")}\n${table}`);
  }
  return parts.join("\n\n");
}
