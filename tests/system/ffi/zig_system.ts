import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { buildLibrary, checkoutFolder, findZig, type ZigCommand } from "../../../lib/ffi/zig.ts";

/** A stand-in for Zig that runs a line of TypeScript. */
function fakeZig(code: string): ZigCommand {
  return { command: [Deno.execPath(), "eval", code], version: "0.17.0" };
}

Deno.test("findZig() finds a Zig of the version that builds the library", async () => {
  const zig = await findZig();
  assert(zig !== undefined);
  assertMatch(zig.version, /^0\.17\./);
});

Deno.test("findZig() rejects with the reason of an aborted signal", async () => {
  const reason = new Error("enough");
  assertEquals(await assertRejects(() => findZig({ signal: AbortSignal.abort(reason) })), reason);
});

Deno.test("buildLibrary() says what it does and returns what Zig wrote", async () => {
  const lines: string[] = [];
  const zig = fakeZig(`console.log("out"); console.error("err", Deno.args.length)`);
  const output = await buildLibrary({ zig, onProgress: (line) => lines.push(line) });
  assertStringIncludes(lines.join("\n"), "Building the native library: zig build, Zig 0.17.0");
  assertStringIncludes(output, "out");
  assertStringIncludes(output, "err");
});

Deno.test("buildLibrary() fails with everything that Zig wrote and its exit status", async () => {
  const zig = fakeZig(`console.error("undeclared identifier"); Deno.exit(3)`);
  const error = await assertRejects(() => buildLibrary({ zig }), Error, "exit status 3");
  assertStringIncludes(error.message, "undeclared identifier");
});

Deno.test("buildLibrary() fails with a clear error when Zig cannot be started", async () => {
  const zig = { command: ["quern-test-no-such-program"], version: "0.17.0" };
  await assertRejects(() => buildLibrary({ zig }), Error, "could not be started");
});

Deno.test("buildLibrary() waits for another that builds, and says so", async () => {
  const folder = checkoutFolder();
  assert(folder !== undefined);
  await Deno.mkdir(`${folder}.zig`, { recursive: true });
  using lock = await Deno.open(`${folder}.zig/lock`, { create: true, write: true });
  await lock.lock(true);
  const lines: string[] = [];
  const controller = new AbortController();
  const reason = new Error("enough");
  const build = buildLibrary({
    zig: fakeZig(""),
    signal: controller.signal,
    onProgress: (line) => {
      lines.push(line);
      controller.abort(reason);
    },
  });
  assertEquals(await assertRejects(() => build), reason);
  assertEquals(lines, ["Waiting for another process that builds Quern"]);
});

Deno.test("buildLibrary() ends Zig and rejects with the signal's reason when aborted", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const build = buildLibrary({
    zig: fakeZig("setTimeout(() => {}, 60_000)"),
    signal: controller.signal,
    onProgress: () => setTimeout(() => controller.abort(reason), 100),
  });
  assertEquals(await assertRejects(() => build), reason);
});
