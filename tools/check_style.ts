/**
 * Checks the house rules that formatting and linting do not know: heads, names, lengths, titles of
 * tests, links between documents, and what must never be in the project.
 *
 * Run it with `deno run --allow-read tools/check_style.ts`; `deno task test` does.
 *
 * @module
 */
import { formatProblem, listFiles, type Problem, ROOT } from "./files.ts";

/** Longer files say in their head why: a sentence with "as long as" or "long because". */
const MAX_LINES = 500;
const LENGTH_REASON = /\b(?:as long as|long because)\b/;

/** Sources that have a head, a length and names. */
const SOURCE = /\.(?:ts|c|h|inc|zig)$/;
/** Everything whose text is looked at. */
const TEXT = /(?:\.(?:ts|c|h|inc|zig|md|json|lock|py|sh)|^\.ci\/run)$/;
/** Where names are ours to choose. */
const NAMED = /^(?:lib|csrc|tests|tools|bench|docs)\//;
/**
 * Tests of Deno. Those that need more than FFI are named `_system.ts` and not `_test.ts`, so that
 * `deno test --allow-ffi` does not find them.
 */
const TEST_FILE = /_(?:test|system)\.ts$/;
const SNAKE_CASE = /^[a-z0-9]+(?:_[a-z0-9]+)*(?:\.[a-z0-9]+)*$/;

/** Patterns that no text may match, and why. */
const FORBIDDEN: readonly { pattern: RegExp; files: RegExp; message: string }[] = [
  {
    pattern: /(?<![\w.~-])\/(?:work|tmp|root)\//,
    files: TEXT,
    message: "a path of one machine",
  },
  {
    pattern: /registry\.npmjs|pypi\.org|pythonhoste[d]|registry\.yarnpkg|proxy\.golang/,
    files: TEXT,
    message: "the address of a package registry",
  },
  { pattern: /\b(?:TO[D]O|FIX[M]E|XX[X])\b/, files: SOURCE, message: "unfinished work" },
  { pattern: /@ts-(?:ignore|nocheck)/, files: /\.ts$/, message: "the type checker turned off" },
  { pattern: /\bas any\b/, files: /\.ts$/, message: "a type turned off" },
  {
    pattern: /^(?!\s*(?:\*|\/\/)).*\bconsole\.\w+\(/,
    files: /^lib\/(?!cli\/)/,
    message: "printing: only lib/cli prints",
  },
];

/**
 * Checks one file.
 *
 * @param file its path from the root
 * @param text its contents
 * @returns what is wrong with it
 */
export function checkFile(file: string, text: string): Problem[] {
  const problems = [...checkName(file), ...checkForbidden(file, text)];
  if (TEST_FILE.test(file)) problems.push(...checkTitles(file, text));
  if (SOURCE.test(file)) problems.push(...checkHead(file, text));
  return problems;
}

function checkName(file: string): Problem[] {
  if (!NAMED.test(file) || file.startsWith("tests/data/")) return [];
  const bad = file.split("/").find((part) => !SNAKE_CASE.test(part));
  return bad === undefined ? [] : [{ file, line: 0, message: `${bad} is not in snake_case` }];
}

function checkForbidden(file: string, text: string): Problem[] {
  const problems: Problem[] = [];
  const rules = FORBIDDEN.filter((rule) => rule.files.test(file));
  text.split("\n").forEach((content, index) => {
    for (const { pattern, message } of rules) {
      const found = content.match(pattern)?.[0].trim();
      if (found === undefined) continue;
      problems.push({ file, line: index + 1, message: `${message}: ${found}` });
    }
  });
  return problems;
}

/** A head is the comment that a file begins with. */
function checkHead(file: string, text: string): Problem[] {
  const head = text.match(/^(?:#!.*\n)?\s*(\/\*[^]*?\*\/|(?:\/\/.*\n)+)/)?.[1];
  // The titles of a file of tests say what it is.
  const isTest = TEST_FILE.test(file);
  if (!isTest && (head === undefined || head.replace(/[/*!\s]/g, "").length < 10)) {
    return [{ file, line: 1, message: "begins without a comment that says what it is" }];
  }
  const lines = text.split("\n").length - 1;
  if (lines <= MAX_LINES || LENGTH_REASON.test((head ?? "").replace(/[\s*]+/g, " "))) return [];
  const message = `${lines} lines, more than ${MAX_LINES}, and its head gives no reason`;
  return [{ file, line: 0, message }];
}

/** The title of a test is a sentence: three words at least. */
function checkTitles(file: string, text: string): Problem[] {
  const problems: Problem[] = [];
  const pattern = /\bDeno\.test(?:\.\w+)?\(\s*(?:\{\s*name:\s*)?(["`])((?:\\.|(?!\1)[^\\])*)\1/g;
  for (const match of text.matchAll(pattern)) {
    if (match[2].trim().split(/\s+/).length >= 3) continue;
    const line = text.slice(0, match.index).split("\n").length;
    problems.push({ file, line, message: `the test's title is no sentence: ${match[2]}` });
  }
  return problems;
}

/** Folders of tests that mirror no folder. */
const TEST_FOLDERS = new Set(["support", "data", "csrc", "tools", "bench"]);

/**
 * Checks that tests stand where what they test stands: `tests/<folder>` and
 * `tests/system/<folder>` for every folder of `lib/`, `tools/` or `bench/`, and that the latter are named so
 * that they are run only where everything is allowed.
 *
 * @param files every file of the checkout
 * @returns the tests that stand or are named wrongly
 */
export function checkMirror(files: readonly string[]): Problem[] {
  const layers = new Set(files.map((file) => file.match(/^lib\/([^/]+)\//)?.[1]));
  return files.flatMap((file) => {
    if (/^tests\/system\/.*_test\.ts$/.test(file)) {
      const message = "a test that needs more than FFI is named *_system.ts";
      return [{ file, line: 0, message }];
    }
    const folder = file.match(/^tests\/(?:system\/)?([^/]+)\//)?.[1];
    if (folder === undefined || TEST_FOLDERS.has(folder) || layers.has(folder)) return [];
    return [{ file, line: 0, message: `there is no lib/${folder} that this could test` }];
  });
}

/**
 * Checks that what a document links to exists.
 *
 * @param file the document's path from the root
 * @param text its contents
 * @param exists tells whether a path from the root is a file or folder
 * @returns the links that lead nowhere
 */
export function checkLinks(
  file: string,
  text: string,
  exists: (path: string) => boolean,
): Problem[] {
  const problems: Problem[] = [];
  text.split("\n").forEach((content, index) => {
    for (const match of content.matchAll(/\]\(([^)\s]+)\)/g)) {
      const target = match[1].replace(/#.*$/, "");
      if (target === "" || /^[a-z]+:/.test(target)) continue;
      const path = new URL(target, `file:///${file}`).pathname.slice(1).replace(/\/$/, "");
      if (exists(decodeURIComponent(path))) continue;
      problems.push({ file, line: index + 1, message: `the link to ${target} leads nowhere` });
    }
  });
  return problems;
}

/**
 * Checks a whole checkout.
 *
 * @param root its folder, ended by a slash
 * @returns everything that is wrong
 */
export async function checkStyle(root: string): Promise<Problem[]> {
  const files = await listFiles(root);
  const known = new Set(files.flatMap((file) => withFolders(file)));
  const problems = checkMirror(files);
  for (const file of files.filter((name) => TEXT.test(name))) {
    const text = await Deno.readTextFile(root + file);
    problems.push(...checkFile(file, text));
    if (file.endsWith(".md")) problems.push(...checkLinks(file, text, (path) => known.has(path)));
  }
  return problems;
}

/** `a/b/c` → `a/b/c`, `a/b`, `a`. */
function withFolders(file: string): string[] {
  const parts = file.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

if (import.meta.main) {
  const problems = await checkStyle(ROOT);
  for (const problem of problems) console.error(formatProblem(problem));
  if (problems.length > 0) Deno.exit(1);
}
