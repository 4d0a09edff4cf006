import { assertEquals, assertStringIncludes } from "@std/assert";

const plugin = new URL("../../../lint.ts", import.meta.url).href;
const source = `import { add, Tensor } from "@quern/quern";

using x = Tensor.ones([2]);
const y = add(x, x);
// deno-lint-ignore quern/no-undisposed
add(x, x);
export default y.get(0);
`;

/** Runs `deno lint` with the plugin over the source, in a folder of its own. */
async function denoLint(...args: string[]): Promise<{ code: number; text: string; after: string }> {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/main.ts`;
    await Deno.writeTextFile(
      `${folder}/deno.json`,
      JSON.stringify({ lint: { plugins: [plugin] } }),
    );
    await Deno.writeTextFile(file, source);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["lint", ...args, file],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return { code, text, after: await Deno.readTextFile(file) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("deno lint reports what nothing disposes of, except where a line says it is right", async () => {
  const { code, text } = await denoLint();
  assertEquals(code, 1);
  assertStringIncludes(text, "`y` is never disposed of");
  assertStringIncludes(text, "Found 1 problem");
});

Deno.test("deno lint --fix writes `using`", async () => {
  const { code, after } = await denoLint("--fix");
  assertEquals(code, 0);
  assertEquals(after, source.replace("const y", "using y"));
});
