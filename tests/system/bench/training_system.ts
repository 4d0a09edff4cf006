import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";

async function curve(...options: string[]) {
  const program = fileURLToPath(new URL("../../../bench/training/curve.ts", import.meta.url));
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
