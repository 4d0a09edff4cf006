import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";

const curve = (...options: string[]) => run("curve.ts", ...options);

async function run(name: string, ...options: string[]) {
  const program = fileURLToPath(new URL(`../../../bench/training/${name}`, import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", program, ...options],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("the training of a decoder is not compared without a Python, and it says why", async () => {
  const { code, stdout, stderr } = await curve("--steps", "1", "--python", "/no/such/python");
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /PyTorch trains\n\/no\/such\/python failed: there is no such program\n$/);
  const unknown = await curve("--size", "tiny");
  assertEquals([unknown.code, unknown.stdout], [2, ""]);
  assertMatch(unknown.stderr, /^--size is small, large, small-llama, large-llama, not tiny\n$/);
});

Deno.test("steps of adapters are not compared without a Python, and it says why", async () => {
  const { code, stdout, stderr } = await run("lora.ts", "--python", "/no/such/python");
  assertEquals([code, stdout], [1, ""]);
  assertEquals(stderr, "/no/such/python failed: there is no such program\n");
  assertEquals((await run("lora.ts", "--steps", "1")).code, 2);
});
