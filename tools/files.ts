/**
 * The checkout's own files, for the checks that read all of them.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** The checkout's folder, ended by a slash. */
export const ROOT: string = fileURLToPath(new URL("../", import.meta.url)).replaceAll("\\", "/");

/** Folders that hold no sources: made by tools, or git's own. */
const SKIPPED = new Set([".git", ".zig", ".zig-cache", "zig-out", "node_modules"]);

/** One complaint of a check. */
export interface Problem {
  /** The file, from the root of what was checked. */
  file: string;
  /** The line, from 1; 0 when it is about the file as a whole. */
  line: number;
  /** What is wrong. */
  message: string;
}

/** `file:line: message`. */
export function formatProblem({ file, line, message }: Problem): string {
  return line === 0 ? `${file}: ${message}` : `${file}:${line}: ${message}`;
}

/**
 * Every file below a folder, as paths from there with `/` between, sorted.
 *
 * @param root the folder, ended by a slash
 * @param folder what to list, from `root`; everything when empty
 */
export async function listFiles(root: string, folder = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(root + folder)) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (SKIPPED.has(entry.name)) continue;
    if (entry.isDirectory) files.push(...await listFiles(root, path));
    else if (entry.isFile) files.push(path);
  }
  return files.sort();
}
