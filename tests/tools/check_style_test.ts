import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkFile, checkLinks, checkMirror } from "../../tools/check_style.ts";

const HEAD = "/** What this file is and why it is there. */\n";

/** The only complaint about a file, as `line: message`. */
function complaint(file: string, text: string): string {
  const problems = checkFile(file, text);
  assertEquals(problems.length, 1, JSON.stringify(problems));
  return `${problems[0].line}: ${problems[0].message}`;
}

Deno.test("checkFile() has nothing against a plain file", () => {
  assertEquals(checkFile("lib/core/shape.ts", `${HEAD}export const a = 1;\n`), []);
  assertEquals(checkFile("csrc/base/status.c", "/* What this file is for. */\nint a;\n"), []);
  assertEquals(checkFile("build.zig", "//! Builds everything there is.\n"), []);
});

Deno.test("checkFile() wants a comment at the head of a source", () => {
  assertStringIncludes(complaint("lib/core/a.ts", "export const a = 1;\n"), "1: begins without");
  assertStringIncludes(complaint("lib/core/a.ts", "/** */\nexport const a = 1;\n"), "1: begins");
});

Deno.test("checkFile() refuses 501 lines unless the head says why", () => {
  const lines = "const a = 1;\n".repeat(500);
  assertStringIncludes(complaint("lib/core/a.ts", HEAD + lines), "501 lines, more than 500");
  const reasoned = "/**\n * A table. It is as\n * long as the standard makes it.\n */\n";
  assertEquals(checkFile("lib/core/a.ts", reasoned + lines), []);
});

Deno.test("checkFile() refuses names that are not in snake_case", () => {
  assertStringIncludes(complaint("lib/core/kvCache.ts", HEAD), "kvCache.ts is not in snake_case");
  assertStringIncludes(complaint("lib/kv-cache/a.ts", HEAD), "kv-cache is not in snake_case");
  assertEquals(checkFile("tests/data/Some-Name.json", "{}"), []);
});

// What is planted is put together here, so that this file itself has none of it.
const PLANTED: [what: string, line: string, message: string][] = [
  ["a path of one machine", `const a = "/${"tmp"}/x";`, "1 machine"],
  ["the address of a registry", `const a = "https://${"pypi"}.org/";`, "package registry"],
  ["unfinished work", `// TO${"DO"}: later`, "unfinished work"],
  ["a silenced type checker", `// @ts-${"ignore"}`, "the type checker"],
  ["a type turned off", `const a = b as ${"any"};`, "a type turned off"],
  ["printing outside the command", `console.${"log"}(1);`, "printing"],
];

for (const [what, line, message] of PLANTED) {
  Deno.test(`checkFile() finds ${what} and names the line`, () => {
    const found = complaint("lib/core/a.ts", `${HEAD}${line}\n`);
    assertStringIncludes(found, message.replace("1 machine", "one machine"));
    assertEquals(found.startsWith("2: "), true, found);
  });
}

Deno.test("checkFile() allows printing in the command and in examples", () => {
  const printing = `console.${"log"}(1);\n`;
  assertEquals(checkFile("lib/cli/a.ts", HEAD + printing), []);
  assertEquals(
    checkFile("lib/core/a.ts", `/**\n * An example of something.\n * ${printing} */\n`),
    [],
  );
});

Deno.test("checkFile() wants the titles of tests to be sentences", () => {
  const test = (title: string) => `Deno.${"test"}("${title}", () => {});\n`;
  assertEquals(checkFile("tests/core/a_test.ts", test("shape() refuses a negative size")), []);
  assertStringIncludes(complaint("tests/core/a_test.ts", test("works")), "1: the test's title");
  const named = `\nDeno.${"test"}({\n  name: "shape",\n  fn() {},\n});\n`;
  assertStringIncludes(complaint("tests/core/a_test.ts", named), "2: the test's title");
});

Deno.test("checkMirror() wants a folder of lib/ for every folder of tests", () => {
  const files = [
    "lib/core/a.ts",
    "tests/core/a_test.ts",
    "tests/system/core/a_system.ts",
    "tests/system/core/b_test.ts",
    "tests/support/a.ts",
    "tests/other/a_test.ts",
    "tests/system/other/a_system.ts",
  ];
  assertEquals(checkMirror(files).map(({ file }) => file), [
    "tests/system/core/b_test.ts",
    "tests/other/a_test.ts",
    "tests/system/other/a_system.ts",
  ]);
});

Deno.test("checkLinks() names links of documents that lead nowhere", () => {
  const text = "[a](architecture.md#layers) [b](../README.md) [c](https://deno.com) [d](#here)\n" +
    "[e](missing.md)\n";
  const exists = (path: string) => ["docs/architecture.md", "README.md"].includes(path);
  assertEquals(checkLinks("docs/a.md", text, exists).map(({ line, message }) => [line, message]), [
    [2, "the link to missing.md leads nowhere"],
  ]);
});
