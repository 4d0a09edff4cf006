/**
 * Debug mode as a program gets it: from the environment, with what is printed, across isolates,
 * and under every operation.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

const root = new URL("../../../", import.meta.url);

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

interface Setting {
  debug?: string;
  permissions?: string[];
  flags?: string[];
}

/** Runs a program that imports the library as `quern`. */
async function run(program: string, setting: Setting = {}): Promise<Outcome> {
  const { debug = "1", permissions = ["-A"], flags = [] } = setting;
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/program.ts`;
    const library = new URL("mod.ts", root).href;
    await Deno.writeTextFile(path, `import * as quern from "${library}";\n${program}`);
    const config = new URL("deno.json", root).pathname;
    return await output(
      ["run", "--quiet", "--no-check", "--no-prompt", "-c", config, ...flags, ...permissions, path],
      debug,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function output(args: string[], debug: string): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env: { QUERN_DEBUG: debug, NO_COLOR: "1" },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

Deno.test("QUERN_DEBUG turns debug mode on, where it is set and may be read", async () => {
  const program = "console.log(quern.debugMode(), quern.pool.debug)";
  const states: [Setting, string][] = [
    [{ debug: "1" }, "true true"],
    [{ debug: "true" }, "true true"],
    [{ debug: "0" }, "false false"],
    [{ debug: "" }, "false false"],
    [{ debug: "1", permissions: ["--allow-ffi", "--allow-read"] }, "false false"],
  ];
  for (const [setting, expected] of states) {
    const { stdout, stderr } = await run(program, setting);
    assertEquals([stdout.trim(), stderr], [expected, ""], JSON.stringify(setting));
  }
});

/** Forgets a tensor, and waits for the collections that find it. */
const forgetful = `
function forget() { quern.Tensor.zeros([7, 5]); }
forget();
for (let i = 0; i < 50 && quern.pool.stats().forgotten === 0; i++) {
  gc();
  await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log(quern.pool.stats().forgotten, quern.pool.stats().outstanding);
`;
const collect = { flags: ["--v8-flags=--expose-gc"] };

Deno.test("a forgotten tensor is reported on the console, with where it was made", async () => {
  const { stdout, stderr } = await run(forgetful, collect);
  assertEquals(stdout.trim(), "1 0");
  assertStringIncludes(stderr, "Quern: 1 block was never disposed of (140 B)");
  assertMatch(stderr, /rented by Tensor\.zeros at .*program\.ts:\d+:\d+/);
});

Deno.test("a forgotten tensor is taken back silently outside debug mode", async () => {
  const { stdout, stderr } = await run(forgetful, { ...collect, debug: "" });
  assertEquals([stdout.trim(), stderr], ["1 0", ""]);
});

Deno.test("pool.onForgotten takes the place of the console", async () => {
  const hook = `quern.pool.onForgotten = ([block]) => console.log(block.requestedBytes,
    block.origin.replace(/at .*\\//, "at "));`;
  const { stdout, stderr } = await run(hook + forgetful, collect);
  assertMatch(stdout, /^140 Tensor\.zeros at program\.ts:\d+:\d+\n1 0\n$/);
  assertEquals(stderr, "");
});

Deno.test("tensors are shared with a worker in debug mode, and outlive the sender's", async () => {
  const worker = `
    import { Tensor } from "${new URL("mod.ts", root).href}";
    onmessage = ({ data }) => {
      const tensor = Tensor.fromShared(data);
      const answer = [tensor.toArray(), tensor.address % 64n === 0n];
      tensor.dispose();
      postMessage(answer);
    };`;
  const program = `
    const source = ${JSON.stringify(worker)};
    const url = URL.createObjectURL(new Blob([source], { type: "text/typescript" }));
    const worker = new Worker(url, { type: "module" });
    const tensor = quern.Tensor.from([[1, 2], [3, 4]]);
    const { data } = tensor;
    const ticket = tensor.share();
    tensor.dispose();
    worker.postMessage(ticket);
    const answer = await new Promise((resolve) => worker.onmessage = (event) => resolve(event.data));
    worker.terminate();
    console.log(JSON.stringify(answer), data.length, quern.pool.stats().outstanding);`;
  const { stdout, stderr } = await run(program);
  assertEquals([stdout.trim(), stderr], ["[[[1,2],[3,4]],true] 0 0", ""]);
});

Deno.test("no operation writes outside its blocks", async () => {
  const { code, stdout, stderr } = await output(
    ["test", "--quiet", "--no-check", "-A", "tests/ops/"],
    "1",
  );
  assertEquals(code, 0, stdout + stderr);
  assertMatch(stdout, /[1-9]\d* passed \| 0 failed/);
});

Deno.test("a generation in debug mode writes nowhere outside its blocks", async () => {
  const { code, stdout, stderr } = await output([
    "test",
    "--quiet",
    "--no-check",
    "-A",
    "--filter",
    "/^(?!a steady generation takes no native memory|a budget)/",
    "tests/runtime/session_test.ts",
  ], "1");
  assertEquals(code, 0, stdout + stderr);
  assert(!stderr.includes("never disposed of"), stderr);
});
