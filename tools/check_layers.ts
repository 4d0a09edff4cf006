/**
 * Checks that every import in `lib/` and every include in `csrc/` goes to a lower layer or to its
 * own folder. The layers, `LAYERS` and `NATIVE_LAYERS` below, are the project's architecture; see
 * docs/architecture.md for what each is for.
 *
 * Run it with `deno run --allow-read tools/check_layers.ts`; `deno task test` does.
 *
 * @module
 */
import { formatProblem, listFiles, type Problem, ROOT } from "./files.ts";

/** The folders of `lib/`, lowest first. Folders of one row do not know each other. */
const LAYERS: readonly (readonly string[])[] = [
  ["core", "lint"],
  ["ffi"],
  ["memory"],
  ["formats"],
  ["tokenizers"],
  ["hub"],
  ["tensor"],
  ["autograd"],
  ["ops"],
  ["nn", "optim"],
  ["models"],
  ["runtime"],
  ["data"],
  ["train"],
  ["cli"],
];

/** The folders of `csrc/`, lowest first; `quern.h` and the system's headers are below all. */
const NATIVE_LAYERS: readonly (readonly string[])[] = [
  ["base"],
  ["memory"],
  ["dispatch"],
  ["isa"],
  ["kernels"],
  ["gemm"],
  ["api"],
];

/** A statement that brings in another file. */
interface Reference {
  specifier: string;
  line: number;
}

/**
 * Imports and re-exports that begin a line, and dynamic imports. Names, braces and commas may stand
 * before `from`; examples in comments begin with a star and do not match.
 */
const IMPORTS = [
  /^(?:import|export)\s[\w\s{},*$]*?\bfrom\s*"([^"]+)"/gm,
  /^import\s*"([^"]+)"/gm,
  /^(?!\s*(?:\*|\/\/)).*\bimport\(\s*"([^"]+)"\s*\)/gm,
];

/** Includes of either kind; `<vec.h>` is the instruction set's own. */
const INCLUDES = [/^[ \t]*#[ \t]*include[ \t]*([<"][^>"]+[>"])/gm];

function references(text: string, patterns: RegExp[]): Reference[] {
  const found: Reference[] = [];
  for (const pattern of patterns) {
    for (const match of text.matchAll(pattern)) {
      const before = text.slice(0, match.index + match[0].length);
      found.push({ specifier: match[1], line: before.split("\n").length });
    }
  }
  return found;
}

/** Resolves `..` and `.` of a path relative to a file; undefined when it leaves the root. */
function resolvePath(file: string, specifier: string): string | undefined {
  const parts = file.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

/**
 * Checks one file of `lib/`.
 *
 * @param file its path from the root, for example `lib/ops/add.ts`
 * @param text its contents
 * @returns what is wrong with its imports
 */
export function checkImports(file: string, text: string): Problem[] {
  const problems: Problem[] = [];
  for (const { specifier, line } of references(text, IMPORTS)) {
    if (!specifier.startsWith(".")) {
      if (!specifier.startsWith("@quern/")) continue;
      problems.push({ file, line, message: `imports ${specifier}; lib/ imports by path` });
      continue;
    }
    const target = resolvePath(file, specifier);
    // It describes the package and belongs to no layer.
    if (target === "deno.json") continue;
    const message = violation(LAYERS, "lib", file, target ?? specifier);
    if (message !== undefined) problems.push({ file, line, message });
  }
  return problems;
}

/**
 * Checks one file of `csrc/`.
 *
 * @param file its path from the root, for example `csrc/api/linear.c`
 * @param text its contents
 * @param exists tells whether a path from the root is a file
 * @returns what is wrong with its includes
 */
export function checkIncludes(
  file: string,
  text: string,
  exists: (path: string) => boolean,
): Problem[] {
  const problems: Problem[] = [];
  for (const { specifier, line } of references(text, INCLUDES)) {
    const name = specifier.slice(1, -1);
    if (specifier.startsWith("<") && !name.startsWith("vec")) continue;
    const target = specifier.startsWith("<") ? `csrc/isa/${name}` : [
      resolvePath(file, name),
      `csrc/${name}`,
      ...(name.includes("/") ? [] : [`csrc/isa/${name}`]),
    ].find((path) => path !== undefined && exists(path));
    if (name === "quern.h") continue;
    const message = violation(NATIVE_LAYERS, "csrc", file, target ?? `csrc/${name}`);
    if (message !== undefined) problems.push({ file, line, message });
  }
  return problems;
}

/** Says why `file` may not refer to `target`, or nothing when it may. */
function violation(
  layers: readonly (readonly string[])[],
  root: string,
  file: string,
  target: string,
): string | undefined {
  const from = layerOf(root, file);
  const to = layerOf(root, target);
  if (to === undefined) return `${root}/ may not refer to ${target}, which is in no layer`;
  if (from === to) return undefined;
  const fromRow = layers.findIndex((row) => row.includes(from ?? ""));
  const toRow = layers.findIndex((row) => row.includes(to));
  if (fromRow < 0) return `the folder ${root}/${from} is in no row of tools/check_layers.ts`;
  if (toRow < 0) return `the folder ${root}/${to} is in no row of tools/check_layers.ts`;
  if (toRow < fromRow) return undefined;
  const relation = toRow === fromRow ? "beside it" : "above it";
  return `layer "${from}" may not use layer "${to}", which is ${relation} (${target})`;
}

/** `lib/ops/add.ts` → `ops`; undefined for what is not in a folder of `root`. */
function layerOf(root: string, path: string): string | undefined {
  const [first, second, third] = path.split("/");
  return first === root && third !== undefined ? second : undefined;
}

/**
 * Checks a whole checkout.
 *
 * @param root its folder, ended by a slash
 * @returns everything that is wrong
 */
export async function checkLayers(root: string): Promise<Problem[]> {
  const files = await listFiles(root);
  const known = new Set(files);
  const problems: Problem[] = [];
  for (const file of files) {
    if (/^lib\/.*\.ts$/.test(file)) {
      problems.push(...checkImports(file, await Deno.readTextFile(root + file)));
    } else if (/^csrc\/.+\/.*\.(c|h|inc)$/.test(file)) {
      const text = await Deno.readTextFile(root + file);
      problems.push(...checkIncludes(file, text, (path) => known.has(path)));
    }
  }
  return problems;
}

if (import.meta.main) {
  const problems = await checkLayers(ROOT);
  for (const problem of problems) console.error(formatProblem(problem));
  if (problems.length > 0) Deno.exit(1);
}
