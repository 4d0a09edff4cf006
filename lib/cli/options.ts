/**
 * Options of the command: one declaration gives parsing, checking and help.
 *
 * The splitting is `parseArgs` of `node:util`; what it cannot do is here: a value
 * that begins with a dash (`--max-tokens -1` is a number out of range, not a
 * riddle), checked numbers, suggestions for mistyped names.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { parseSize } from "../core/sizes.ts";
import { UsageError } from "./errors.ts";

interface Described {
  /** What it does, a phrase of one line. */
  readonly help: string;
}

/** An option without a value. */
export interface FlagOption extends Described {
  readonly type: "flag";
}

/** An option with a number, its bounds included unless `aboveMin`. */
export interface NumberOption extends Described {
  readonly type: "integer" | "number";
  readonly value: string;
  readonly min: number;
  readonly max: number;
  /** The lower bound itself is not allowed. */
  readonly aboveMin?: boolean;
}

/** An option with a text, one of some texts, a size in bytes, or a list of token ids. */
export interface TextOption extends Described {
  readonly type: "text" | "size" | "ids";
  readonly value: string;
  readonly multiple?: boolean;
  readonly choices?: readonly string[];
  /** The empty text is not allowed. */
  readonly nonEmpty?: boolean;
}

/** Any option. */
export type Option = FlagOption | NumberOption | TextOption;

/** Options by name. */
export type OptionTable = Readonly<Record<string, Option>>;

/** Options that every command takes. */
export const COMMON_OPTIONS: OptionTable = {
  threads: {
    type: "integer",
    value: "N",
    min: 1,
    max: 256,
    help: "threads for the arithmetic (all processors)",
  },
  "memory-limit": {
    type: "size",
    value: "SIZE",
    help: "most memory for tensors, for example 512MiB (no limit)",
  },
  help: { type: "flag", help: "show this help" },
};

/** Checked values of options, and the positional arguments. */
export class ParsedOptions {
  readonly #values: ReadonlyMap<string, readonly (string | number | boolean | number[])[]>;
  /** Arguments that are not options. */
  readonly positionals: readonly string[];

  /** Made by {@linkcode parseOptions}. */
  constructor(
    values: ReadonlyMap<string, readonly (string | number | boolean | number[])[]>,
    positionals: readonly string[],
  ) {
    this.#values = values;
    this.positionals = positionals;
  }

  /** Whether a flag was given. */
  flag(name: string): boolean {
    return this.#values.has(name);
  }

  /** A text, the last one if there are several. */
  text(name: string): string | undefined {
    const value = this.#values.get(name)?.at(-1);
    return typeof value === "string" ? value : undefined;
  }

  /** A text that the command cannot do without. */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`--${name} is needed`);
    return value;
  }

  /** All texts of an option that may be given several times. */
  texts(name: string): string[] {
    return (this.#values.get(name) ?? []).filter((value) => typeof value === "string");
  }

  /** A number or size. */
  number(name: string): number | undefined {
    const value = this.#values.get(name)?.at(-1);
    return typeof value === "number" ? value : undefined;
  }

  /** A list of token ids. */
  ids(name: string): number[] | undefined {
    const value = this.#values.get(name)?.at(-1);
    return Array.isArray(value) ? value : undefined;
  }
}

/**
 * Splits and checks a command's arguments.
 *
 * @param args what stands behind the command's name
 * @param table the command's options, the common ones included
 * @throws UsageError with one line that says what is wrong and what is right
 */
export function parseOptions(args: readonly string[], table: OptionTable): ParsedOptions {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, option]) => [name, {
      type: option.type === "flag" ? "boolean" as const : "string" as const,
      multiple: true,
      ...(name === "help" ? { short: "h" } : {}),
    }]),
  );
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, (string | number | boolean | number[])[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (option === undefined) throw unknownOption(token.rawName, table);
    const value = readValue(token.rawName, option, token.value, token.inlineValue, table);
    const earlier = values.get(token.name) ?? [];
    values.set(token.name, [...earlier, value]);
  }
  return new ParsedOptions(values, positionals);
}

function unknownOption(rawName: string, table: OptionTable): UsageError {
  const near = nearest(rawName.replace(/^-+/, ""), Object.keys(table));
  const hint = near === undefined ? "--help lists the options" : `did you mean --${near}?`;
  return new UsageError(`there is no option ${rawName}; ${hint}`);
}

function readValue(
  name: string,
  option: Option,
  value: string | undefined,
  inline: boolean | undefined,
  table: OptionTable,
): string | number | boolean | number[] {
  if (option.type === "flag") {
    if (value !== undefined) throw new UsageError(`${name} takes no value`);
    return true;
  }
  // Without "=", the name of another option is that option, and the value was forgotten.
  const forgotten = value === undefined ||
    (!inline && value.startsWith("--") && Object.hasOwn(table, value.slice(2).split("=")[0]));
  if (forgotten) throw new UsageError(`${name} needs a value: ${name} ${option.value}`);
  switch (option.type) {
    case "integer":
    case "number":
      return readNumber(name, option, value);
    case "size":
      return readSize(name, value);
    case "ids":
      return readIds(name, value);
    case "text":
      if (option.nonEmpty && value === "") throw new UsageError(`${name} must not be empty`);
      if (option.choices !== undefined && !option.choices.includes(value)) {
        throw new UsageError(`${name} is ${option.choices.join(" or ")}, not ${shown(value)}`);
      }
      return value;
  }
}

function readNumber(name: string, option: NumberOption, text: string): number {
  const { type, min, max, aboveMin = false } = option;
  const form = type === "integer" ? /^[+-]?\d+$/ : /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  const number = form.test(text) ? Number(text) : NaN;
  const inside = number <= max && (aboveMin ? number > min : number >= min);
  if (inside) return number;
  const kind = type === "integer" ? "a whole number" : "a number";
  const from = aboveMin ? `above ${min}` : `from ${min}`;
  const to = max === Infinity || max === Number.MAX_SAFE_INTEGER ? "" : ` to ${max}`;
  throw new UsageError(`${name} is ${kind} ${from}${to}, not ${shown(text)}`);
}

function readSize(name: string, text: string): number {
  try {
    const bytes = parseSize(text);
    if (bytes > 0) return bytes;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new UsageError(
    `${name} is a size above 0 such as 512MiB, 2GB or a number of bytes, not ${shown(text)}`,
  );
}

function readIds(name: string, text: string): number[] {
  const parts = text.replace(/^\s*\[|\]\s*$/g, "").split(",").map((part) => part.trim());
  const wrong = parts.find((part) => !/^\d{1,10}$/.test(part) || Number(part) > 0x7fffffff);
  if (wrong !== undefined) {
    throw new UsageError(
      `${name} is a list of token ids such as 1,2,3; ${shown(wrong)} is not one`,
    );
  }
  return parts.map(Number);
}

/** A value inside a message: quoted, and cut where it is long. */
function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

/**
 * The name that is nearest to a mistyped one: at most a third of it differs.
 *
 * @returns `undefined` when none is near
 */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const scored = candidates.map((candidate) => ({
    candidate,
    distance: candidate.startsWith(name) && name.length > 2 ? 0.5 : editDistance(name, candidate),
  }));
  const best = scored.toSorted((a, b) => a.distance - b.distance).at(0);
  return best !== undefined && best.distance <= Math.max(1, name.length / 3)
    ? best.candidate
    : undefined;
}

/** Damerau and Levenshtein's distance, neighbours swapped counting once. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(row[j - 1] + 1, last[j] + 1, last[j - 1] + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.length];
}
