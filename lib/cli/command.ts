/**
 * What a command of `quern` is, and how its help is written.
 *
 * @module
 */

import { formatTable } from "./output.ts";
import { COMMON_OPTIONS, type Option, type OptionTable, type ParsedOptions } from "./options.ts";

/** One command, such as `quern generate`. */
export interface Command {
  readonly name: string;
  /** What it does, a phrase of one line. */
  readonly summary: string;
  /** What stands behind the name in the usage line. */
  readonly usage: string;
  /** How many positional arguments it takes. */
  readonly positionals: { readonly min: number; readonly max: number };
  readonly options: OptionTable;
  /** Whole command lines that work. */
  readonly examples: readonly string[];
  /** More to know, in sentences. */
  readonly notes?: readonly string[];
  /** Does the work; the result is the exit status, 0 when left out. */
  run(options: ParsedOptions): Promise<number | void>;
}

/** Options that several commands share. */
export const SHARED_OPTIONS = {
  model: {
    type: "text",
    value: "MODEL",
    help: "a .gguf file, a known name (smollm2), hf:owner/repo/file, or https://…",
  },
  modelOrDefault: {
    type: "text",
    value: "MODEL",
    help: "a .gguf file, a known name, hf:owner/repo/file, or https://… (the one that is built in)",
  },
  precision: {
    type: "text",
    value: "P",
    choices: ["exact", "fast"],
    help: "exact keeps activations in float32, fast may round them to 8 bits (fast)",
  },
  contextLength: {
    type: "integer",
    value: "N",
    min: 1,
    max: 0x7fffffff,
    help: "most tokens of prompt and answer together (the model's own limit)",
  },
  json: { type: "flag", help: "print one JSON object" },
} as const satisfies OptionTable;

/** A command's help. */
export function commandHelp(command: Command): string {
  const parts = [
    `${command.summary[0].toUpperCase()}${command.summary.slice(1)}.`,
    `Usage: quern ${command.name} ${command.usage}`.trimEnd(),
    `Options:\n${optionLines({ ...command.options, ...COMMON_OPTIONS })}`,
    ...(command.notes ?? []),
    `Examples:\n${command.examples.map((line) => `  ${line}`).join("\n")}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

/** The help of the whole command. */
export function generalHelp(summaries: readonly (readonly [string, string])[]): string {
  const commands = formatTable(summaries.map(([name, summary]) => [`  ${name}`, summary]));
  return `Runs small language models on this machine's processor.

Usage: quern COMMAND [options]

Commands:
${commands}

Options of every command:
${optionLines({ ...COMMON_OPTIONS, version: { type: "flag", help: "show the version" } })}

quern COMMAND --help shows a command's options and examples.

Example:
  quern generate --model smollm2 --prompt "The mill stood by the river."
`;
}

/** Options with their help, a line each. */
export function optionLines(table: OptionTable): string {
  return formatTable(
    Object.entries(table).map(([name, option]) => [`  --${name}${valueOf(option)}`, option.help]),
  );
}

function valueOf(option: Option): string {
  if (option.type === "flag") return "";
  const value = "choices" in option && option.choices !== undefined
    ? option.choices.join("|")
    : option.value;
  return ` ${value}${"multiple" in option && option.multiple ? " …" : ""}`;
}
