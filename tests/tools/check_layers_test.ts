import { assertEquals } from "@std/assert";
import { checkImports, checkIncludes } from "../../tools/check_layers.ts";

const messages = (problems: { line: number; message: string }[]) =>
  problems.map(({ line, message }) => `${line}: ${message}`);

Deno.test("checkImports() accepts lower layers, the own folder, packages and examples in comments", () => {
  const text = `/**
 * import { a } from "../cli/main.ts";
 */
import { assert } from "node:assert";
import type { A } from "../core/a.ts";
import {
  b,
  c as d,
} from "./b.ts";
export * from "../tensor/mod.ts";
import configuration from "../../deno.json" with { type: "json" };
const text = 'import x from "../cli/main.ts"';
`;
  assertEquals(checkImports("lib/ops/add.ts", text), []);
});

Deno.test("checkImports() names the line and both layers of an import from above", () => {
  const text = `// head\nimport {\n  a,\n} from "../cli/a.ts";\n`;
  assertEquals(messages(checkImports("lib/ops/add.ts", text)), [
    '4: layer "ops" may not use layer "cli", which is above it (lib/cli/a.ts)',
  ]);
});

Deno.test("checkImports() finds re-exports, side effects and dynamic imports", () => {
  const text = `export * from "../nn/a.ts";
import "../nn/b.ts";
  const c = await import("../nn/c.ts");
export type { D } from "../nn/d.ts";
`;
  const problems = checkImports("lib/ops/add.ts", text).sort((a, b) => a.line - b.line);
  assertEquals(problems.map(({ line }) => line), [1, 2, 3, 4]);
});

Deno.test("checkImports() refuses an import between folders of one row", () => {
  const text = `import { adam } from "../optim/adam.ts";\n`;
  assertEquals(messages(checkImports("lib/nn/linear.ts", text)), [
    '1: layer "nn" may not use layer "optim", which is beside it (lib/optim/adam.ts)',
  ]);
});

Deno.test("checkImports() refuses what is outside lib/ and folders of no layer", () => {
  const text = `import "../../tools/a.ts";\nimport "../extra/a.ts";\nimport "@quern/quern";\n`;
  assertEquals(
    messages(checkImports("lib/ops/add.ts", text)).map((message) => message.slice(0, 40)),
    [
      "1: lib/ may not refer to tools/a.ts, whi",
      "2: the folder lib/extra is in no row of ",
      "3: imports @quern/quern; lib/ imports by",
    ],
  );
});

const FILES = new Set([
  "csrc/base/status.h",
  "csrc/kernels/rows.h",
  "csrc/isa/avx2/vec.h",
  "csrc/isa/vec_common.h",
]);
const exists = (path: string) => FILES.has(path);

Deno.test("checkIncludes() accepts lower layers, the interface and the system's headers", () => {
  const text =
    `#include <stdint.h>\n#include <vec.h>\n#include "quern.h"\n#include "base/status.h"\n` +
    `#include "rows.h"\n`;
  assertEquals(checkIncludes("csrc/kernels/rows.c", text, exists), []);
});

Deno.test("checkIncludes() names the line and both layers of an include from above", () => {
  const text = `#include <stdint.h>\n#include "kernels/rows.h"\n`;
  assertEquals(messages(checkIncludes("csrc/base/status.c", text, exists)), [
    '2: layer "base" may not use layer "kernels", which is above it (csrc/kernels/rows.h)',
  ]);
});

Deno.test("checkIncludes() counts the vector header as part of isa", () => {
  assertEquals(messages(checkIncludes("csrc/memory/pool.c", "#include <vec.h>\n", exists)), [
    '1: layer "memory" may not use layer "isa", which is above it (csrc/isa/vec.h)',
  ]);
});
