import { assert, assertEquals } from "@std/assert";
import { findZig } from "../../../lib/ffi/zig.ts";
import { exportedNames } from "../../../tools/exports.ts";
import { ROOT } from "../../../tools/files.ts";
import { checkLibraries, compareExports } from "../../../tools/native_checks.ts";

const SOURCE = `
#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
static int hidden_static(int a) { return a + 1; }
__attribute__((visibility("hidden"))) int hidden_symbol(int a) { return hidden_static(a); }
EXPORT int shown_second(int a) { return hidden_symbol(a); }
EXPORT int shown_first(int a) { return a; }
int DllMainCRTStartup(void *a, unsigned b, void *c) { (void)a; (void)b; (void)c; return 1; }
`;

for (const target of ["x86_64-linux-gnu", "aarch64-macos", "x86_64-windows-gnu"]) {
  Deno.test(`exportedNames() lists what a library for ${target} exports, and nothing more`, async () => {
    const zig = await findZig();
    assert(zig !== undefined, "this test compiles with Zig; `deno task build` gets it");
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/a.c`, SOURCE);
      const { code, stderr } = await new Deno.Command(zig.command[0], {
        args: [
          ...zig.command.slice(1),
          "cc",
          "-shared",
          "-nostdlib",
          "-fno-sanitize=undefined",
          "-fvisibility=hidden",
          `--target=${target}`,
          "-o",
          `${folder}/library`,
          `${folder}/a.c`,
        ],
        cwd: folder,
        stdout: "null",
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      const names = exportedNames(await Deno.readFile(`${folder}/library`));
      assertEquals(names, ["shown_first", "shown_second"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("The library of this machine exports what the header declares, and nothing else", async () => {
  const { libraries, problems } = await checkLibraries(`${ROOT}zig-out/lib/`);
  assertEquals(libraries.length, 1);
  assertEquals(problems, []);
});

Deno.test("compareExports() names what only the header or only the library has", async () => {
  const { libraries } = await checkLibraries(`${ROOT}zig-out/lib/`);
  const library = await Deno.readFile(`${ROOT}zig-out/lib/${libraries[0]}`);
  const header = "QN_API uint64_t qn_header_hash(void);\nQN_API void qn_not_there(void);\n";
  const problems = compareExports(header, library);
  assertEquals(problems[0], "qn_not_there is declared, but not exported");
  assert(problems.includes("qn_isa_count is exported, but not declared"), problems.join("\n"));
});
