import { assertEquals } from "@std/assert";
import { checkLayers } from "../../../tools/check_layers.ts";
import { formatProblem } from "../../../tools/files.ts";

Deno.test("checkLayers() finds what was planted in a folder, in lib/ and in csrc/", async () => {
  const root = `${await Deno.makeTempDir()}/`;
  try {
    for (const folder of ["lib/core", "lib/cli", "csrc/base", "csrc/api", "zig-out"]) {
      await Deno.mkdir(root + folder, { recursive: true });
    }
    await Deno.writeTextFile(`${root}lib/core/a.ts`, `import "../cli/b.ts";\n`);
    await Deno.writeTextFile(`${root}lib/cli/b.ts`, `import "../core/a.ts";\n`);
    await Deno.writeTextFile(`${root}csrc/base/a.c`, `#include "api/b.h"\n`);
    await Deno.writeTextFile(`${root}csrc/api/b.h`, `#include <stddef.h>\n`);
    await Deno.writeTextFile(`${root}csrc/api/b.c`, `#include "b.h"\n#include "missing/c.h"\n`);
    assertEquals((await checkLayers(root)).map(formatProblem), [
      "csrc/api/b.c:2: the folder csrc/missing is in no row of tools/check_layers.ts",
      'csrc/base/a.c:1: layer "base" may not use layer "api", which is above it (csrc/api/b.h)',
      'lib/core/a.ts:1: layer "core" may not use layer "cli", which is above it (lib/cli/b.ts)',
    ]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
