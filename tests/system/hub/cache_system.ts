import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  cacheError,
  cacheFolder,
  ensureFolder,
  lockModel,
  temporaryFolder,
} from "../../../lib/hub/cache.ts";

/** Runs a body with variables set (or unset), and puts the old ones back. */
function withVariables(variables: Record<string, string | undefined>, body: () => void): void {
  const old = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  const set = (name: string, value: string | undefined) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  try {
    for (const [name, value] of Object.entries(variables)) set(name, value);
    body();
  } finally {
    for (const [name, value] of old) set(name, value);
  }
}

Deno.test("cacheFolder() is QUERN_CACHE where it is set, made absolute", () => {
  withVariables({ QUERN_CACHE: "some/folder" }, () => {
    assertEquals(cacheFolder(), `${Deno.cwd()}/some/folder`);
  });
});

Deno.test({
  name: "cacheFolder() follows the XDG specification on Linux",
  ignore: Deno.build.os !== "linux",
  fn() {
    withVariables({ QUERN_CACHE: undefined, XDG_CACHE_HOME: "/x/cache", HOME: "/home/me" }, () => {
      assertEquals(cacheFolder(), "/x/cache/quern");
    });
    withVariables({ QUERN_CACHE: "", XDG_CACHE_HOME: "relative", HOME: "/home/me" }, () => {
      assertEquals(cacheFolder(), "/home/me/.cache/quern");
    });
    withVariables({ QUERN_CACHE: undefined, XDG_CACHE_HOME: undefined, HOME: undefined }, () => {
      assertThrows(() => cacheFolder(), Error, "set QUERN_CACHE");
    });
  },
});

Deno.test("cacheFolder() says what to allow where the environment may not be read", async () => {
  const module = new URL("../../../lib/hub/cache.ts", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--no-config",
      `await Deno.permissions.revoke({ name: "env" });
       const { cacheFolder } = await import(${JSON.stringify(module.href)});
       try { cacheFolder(); } catch (error) { console.log(error.message); }`,
    ],
  }).output();
  assertStringIncludes(new TextDecoder().decode(stdout), "--allow-env");
});

Deno.test("ensureFolder() names the folder and QUERN_CACHE when a file is in the way", async () => {
  const file = await Deno.makeTempFile();
  try {
    const error = await assertRejects(() => ensureFolder(`${file}/models`), Error);
    assertStringIncludes(error.message, `${file}/models`);
    assertStringIncludes(error.message, "QUERN_CACHE");
    assert(!error.message.includes("\n"));
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("cacheError() explains a full disk and leaves other errors as they are", () => {
  const full = Object.assign(new Error("No space left on device (os error 28)"), {
    code: "ENOSPC",
  });
  const explained = cacheError("cannot store x", full);
  assert(explained instanceof Error);
  assertStringIncludes(explained.message, "cannot store x: no space left");
  const abort = new DOMException("aborted", "AbortError");
  assertEquals(cacheError("cannot store x", abort), abort);
});

Deno.test("temporaryFolder() is removed with all in it when disposed of", async () => {
  const cache = await Deno.makeTempDir();
  let path: string;
  {
    await using folder = await temporaryFolder(cache);
    path = folder.path;
    await Deno.writeTextFile(`${path}/file`, "bytes");
  }
  await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  await Deno.remove(cache, { recursive: true });
});

Deno.test("temporaryFolder() removes what a killed process left a day ago, and nothing younger", async () => {
  const cache = await Deno.makeTempDir();
  await Deno.mkdir(`${cache}/temporary/old`, { recursive: true });
  await Deno.mkdir(`${cache}/temporary/young`);
  const twoDaysAgo = new Date(Date.now() - 2 * 24 * 3600 * 1000);
  await Deno.utime(`${cache}/temporary/old`, twoDaysAgo, twoDaysAgo);
  await (await temporaryFolder(cache))[Symbol.asyncDispose]();
  const left = [...Deno.readDirSync(`${cache}/temporary`)].map((entry) => entry.name);
  assertEquals(left, ["young"]);
  await Deno.remove(cache, { recursive: true });
});

Deno.test("lockModel() lets one work at a time, says that it waits, and can be aborted", async () => {
  const cache = await Deno.makeTempDir();
  const first = await lockModel(cache, "a/b");
  const controller = new AbortController();
  let waits = 0;
  const second = lockModel(cache, "a/b", { signal: controller.signal, onWait: () => waits++ });
  controller.abort(new Error("enough"));
  await assertRejects(() => second, Error, "enough");
  assertEquals(waits, 1);
  const third = lockModel(cache, "a/b");
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  await Deno.remove(cache, { recursive: true });
});
