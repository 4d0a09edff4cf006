/**
 * `deno test` runs one module after another on the same thread: each begins with
 * the pool as if it were alone, whatever those before it left behind.
 */
import { assertEquals } from "@std/assert";

const MODULE = new URL("../../../mod.ts", import.meta.url).href;

/** A module of tests that looks at the pool, and leaves memory in use and on shelves. */
const program = (name: string) => `
import { pool, Tensor } from ${JSON.stringify(MODULE)};
const { isolates, outstanding, shelvedBytes } = pool.stats();
export const left = Tensor.zeros([1000]);
pool.releaseBatch(pool.acquireBatch(1 << 20, 4));
addEventListener("unload", () => {
  // The memory is still there.
  if (left.data[999] !== 0) throw new Error("gone");
  pool.rent(100).dispose();
});
Deno.test(${JSON.stringify(name)}, () => {
  if (isolates !== 0 || outstanding !== 0 || shelvedBytes !== 0) {
    throw new Error(JSON.stringify({ isolates, outstanding, shelvedBytes }));
  }
});
`;

Deno.test("a test module finds nothing of the modules that ran before it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of ["a", "b", "c"]) {
      await Deno.writeTextFile(`${folder}/${name}_test.ts`, program(name));
    }
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", "--allow-ffi", "--allow-read", folder],
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
