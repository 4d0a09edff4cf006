/**
 * What a search looks through: the text files of a folder, or the lines of a JSONL file.
 *
 * @module
 */
import { fileError } from "../errors.ts";
import { splitPassages } from "./passages.ts";

/** One file of what is searched. */
export interface SourceFile {
  /** Its path below the folder, or its name. */
  readonly name: string;
  readonly path: string;
  /** Changes whenever the file does. */
  readonly state: string;
}

/** A passage, with the id that the index gives it: the file's name and a line or an id. */
export interface SourcePassage {
  readonly id: string;
  readonly text: string;
}

/** What is between a file's name and the rest in an id; no name has it. */
export const ID_SEPARATOR = "\0";

/** Endings of the files that a folder is searched for. */
export const TEXT_ENDINGS: readonly string[] = ["md", "markdown", "txt", "text", "rst", "adoc"];

/**
 * Lists the files to search, in the order of their names.
 *
 * @param root A folder or a file.
 * @param endings The endings of names that are wanted; of a folder only.
 * @returns The files; hidden ones, and those behind links, are left out.
 */
export async function listSources(
  root: string,
  endings: readonly string[],
): Promise<SourceFile[]> {
  try {
    const info = await Deno.stat(root);
    if (info.isFile) {
      return [{ name: root.replace(/^.*[\\/]/s, ""), path: root, state: stateOf(info) }];
    }
    const files: SourceFile[] = [];
    await walk(root, "", new Set(endings), files);
    return files.sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    throw fileError(root, error);
  }
}

async function walk(
  folder: string,
  prefix: string,
  endings: ReadonlySet<string>,
  files: SourceFile[],
): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) await walk(path, `${prefix}${entry.name}/`, endings, files);
    else if (entry.isFile && endings.has(entry.name.replace(/^.*\./s, "").toLowerCase())) {
      files.push({ name: prefix + entry.name, path, state: stateOf(await Deno.stat(path)) });
    }
  }
}

function stateOf({ size, mtime }: Deno.FileInfo): string {
  return `${size} ${mtime?.getTime() ?? 0}`;
}

/**
 * Reads the passages of a file.
 *
 * @param file The file; one whose name ends in `.jsonl` has a passage on each line, the member
 * `field` of an object.
 * @param field The member's name.
 * @returns The passages in order.
 * @throws {SyntaxError} When a line of a JSONL file is something else.
 */
export async function readPassages(file: SourceFile, field: string): Promise<SourcePassage[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(file.path);
  } catch (error) {
    throw fileError(file.path, error);
  }
  const id = (place: string | number) => `${file.name}${ID_SEPARATOR}${place}`;
  if (!isJsonLines(file.name)) {
    return splitPassages(text).map(({ line, text }) => ({ id: id(line), text }));
  }
  return text.split("\n").flatMap((line, i) =>
    line.trim() === "" ? [] : [{ id: id(i + 1), text: readLine(file, line, i + 1, field) }]
  );
}

function isJsonLines(name: string): boolean {
  return /\.(jsonl|ndjson)$/i.test(name);
}

function readLine({ path }: SourceFile, line: string, number: number, field: string): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new SyntaxError(`${path}: line ${number} is not JSON; each line is one object`);
  }
  const text = Object.hasOwn(Object(value), field) ? Object(value)[field] : undefined;
  if (typeof text === "string") return text;
  throw new SyntaxError(
    `${path}: line ${number} has no text named ${JSON.stringify(field)}; name another with --field`,
  );
}
