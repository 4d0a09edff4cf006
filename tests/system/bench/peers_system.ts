import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { parseResults } from "../../../bench/peers/results.ts";
import { LineProcess } from "../../../lib/cli/bench/line_process.ts";

const FOLDER = new URL("../../../bench/peers/", import.meta.url);
const pathOf = (name: string) => fileURLToPath(new URL(name, FOLDER));

function startCompare(options: string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", pathOf("compare.ts"), "--threads", "1", ...options],
    env: { QUERN_DEBUG: "", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function compare(options: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await startCompare(options, env).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const SHORT = ["--rounds", "2", "--window", "1"];

Deno.test("bench:peers measures Quern alone when no peer is asked for", async () => {
  const before = await Deno.stat(pathOf("results.jsonl")).catch(() => undefined);
  const only = ["--only", "softmax 128x128,gemm 64x64x64"];
  const { code, stdout, stderr } = await compare(["--peers", "", "--json", ...only, ...SHORT]);
  assertEquals(code, 0, stderr);
  const { machine, cases } = JSON.parse(stdout) as ReturnType<typeof parseResults>;
  assertEquals(Object.keys(machine.versions), ["Quern"]);
  assertEquals(cases.map(({ id, threads, rounds }) => [id, threads, rounds]), [
    ["gemm 64×64×64", 1, 2],
    ["softmax 128×128", 1, 2],
  ]);
  for (const { seconds } of Object.values(cases[0].ours)) assert(seconds > 0 && seconds < 0.1);
  const after = await Deno.stat(pathOf("results.jsonl")).catch(() => undefined);
  assertEquals(after?.mtime, before?.mtime);
});

Deno.test("bench:peers leaves out a peer that cannot be had, and says why", async () => {
  const options = ["--peers", "numpy", "--python", "/no/such/python", "--only", "add 1M"];
  const { code, stdout, stderr } = await compare([...options, ...SHORT]);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^without numpy: .*\/no\/such\/python/m);
  assertMatch(stdout, /Quern, G elements\/s/);
});

Deno.test({
  name: "bench:peers takes no time of a peer whose result is another",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const liar = `${folder}/liar`;
      const answer = `while read -r line; do echo '{"sample":[1,2,3]}'; done`;
      await Deno.writeTextFile(liar, `#!/bin/sh\necho '{"version":"0"}'\n${answer}\n`);
      await Deno.chmod(liar, 0o755);
      const options = ["--peers", "torch", "--python", liar, "--only", "add 1M", "--json"];
      const { code, stdout, stderr } = await compare([...options, ...SHORT]);
      assertEquals(code, 0, stderr);
      assertMatch(stderr, /^add 1M: its result has 1 where .* is expected/m);
      assertEquals(JSON.parse(stdout).cases[0].peers, {});
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("bench:peers refuses names that it does not know", async () => {
  const said = async (...options: string[]) => {
    const { code, stderr } = await compare(options);
    assertEquals(code, 2);
    return stderr;
  };
  assertMatch(await said("--peers", "matlab"), /there is no peer matlab: numpy, torch/);
  assertMatch(await said("--only", "convolution"), /--only names no case/);
  assertMatch(await said("--threads", "1,zero"), /--threads is a list of whole numbers/);
});

Deno.test({
  name: "bench:peers ends at Ctrl-C with its contenders, and leaves no files behind",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    const options = ["--peers", "", "--only", "softmax", "--rounds", "1000"];
    const child = startCompare(options, { TMPDIR: folder });
    try {
      await folderIsUsed(folder);
      child.kill("SIGINT");
      const { code, stderr } = await child.output();
      assertEquals(code, 130, new TextDecoder().decode(stderr));
      assertEquals(await namesIn(folder), []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** Waits until the run has written the model of a case. */
async function folderIsUsed(folder: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    const [first] = await namesIn(folder);
    if (first !== undefined && (await namesIn(`${folder}/${first}`)).length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the run wrote nothing within a minute");
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

Deno.test("a contender answers what it cannot do with an error, and goes on", async () => {
  const command = [Deno.execPath(), "run", "--quiet", "-A", pathOf("quern_peer.ts"), "1"];
  await using contender = LineProcess.start("Quern", command);
  const { version } = await contender.next() as { version: string };
  assertMatch(version, /^\d+\.\d+\.\d+/);
  const { error } = await contender.ask({ run: "unknown", warmup: 0, window: 0 }) as {
    error: string;
  };
  assertMatch(error, /TypeError/);
  const add = { family: "add", label: "16", shape: [16] };
  const prepared = await contender.ask({ prepare: "a", case: add, variant: "" }) as {
    sample: number[];
  };
  assertEquals(prepared.sample.length, 16);
  const ran = await contender.ask({ run: "a", warmup: 0.001, window: 0.002 }) as {
    seconds: number;
    operations: number;
    cpu: number;
    idle: number;
  };
  assert(ran.operations >= 1 && ran.seconds > 0 && ran.idle >= 0);
  assert(ran.cpu >= ran.seconds * ran.operations / 2);
  assertEquals(await contender.ask({ release: "a" }), {});
});

Deno.test("a process that ends instead of answering is told with what it said", async () => {
  const program = "console.error('no memory'); Deno.exit(3)";
  await using process = LineProcess.start("peer", [Deno.execPath(), "eval", program]);
  const error = await process.ask({}).catch((error) => error as Error);
  assertMatch(`${error}`, /peer ended early: no memory/);
});
