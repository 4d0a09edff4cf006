import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { downloadFile, partPath } from "../../../lib/hub/download.ts";

const CONTENT = crypto.getRandomValues(new Uint8Array(50_000));
const OTHER = crypto.getRandomValues(new Uint8Array(40_000));

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

type Handler = (request: Request) => Response | Promise<Response>;

/** Runs a body against a server on this machine and an empty folder. */
async function withServer(
  handler: Handler,
  body: (origin: string, target: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
  try {
    await body(`http://127.0.0.1:${server.addr.port}`, `${folder}/model.gguf`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Serves bytes as a file server does, ranges included. */
function serve(bytes: Uint8Array<ArrayBuffer>, etag: string, request: Request): Response {
  const range = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "");
  const fresh = (request.headers.get("if-range") ?? etag) === etag;
  if (range === null || !fresh) {
    return new Response(bytes, { headers: { etag, "content-length": `${bytes.length}` } });
  }
  const start = Number(range[1]);
  return new Response(bytes.slice(start), {
    status: 206,
    headers: { etag, "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` },
  });
}

/** A response that promises all bytes and breaks off in the middle. */
function broken(bytes: Uint8Array<ArrayBuffer>, etag: string, sent: number): Response {
  const stream = new ReadableStream({
    async pull(controller) {
      controller.enqueue(bytes.slice(0, sent));
      await new Promise((resolve) => setTimeout(resolve, 50));
      controller.close();
    },
  });
  return new Response(stream, { headers: { etag, "content-length": `${bytes.length}` } });
}

Deno.test("a download arrives whole, with its SHA-256 and rising progress", async () => {
  await withServer((request) => serve(CONTENT, '"a"', request), async (origin, target) => {
    const seen: number[] = [];
    const done = await downloadFile({
      url: `${origin}/m`,
      target,
      onProgress: ({ stage, completed, total }) => {
        if (stage.startsWith("downloading")) seen.push(completed);
        assertEquals(total, CONTENT.length);
      },
    });
    assertEquals(done, { bytes: CONTENT.length, sha256: sha256(CONTENT), checked: false });
    assertEquals(await Deno.readFile(target), CONTENT);
    assertEquals(seen, [...seen].sort((a, b) => a - b));
    assertEquals(seen.at(-1), CONTENT.length);
    assertEquals([...Deno.readDirSync(target.replace(/\/[^/]*$/, ""))].length, 1);
  });
});

Deno.test("an interrupted download goes on where it stopped", async () => {
  const ranges: (string | null)[] = [];
  const handler: Handler = (request) => {
    ranges.push(request.headers.get("range"));
    return ranges.length === 1 ? broken(CONTENT, '"a"', 20_000) : serve(CONTENT, '"a"', request);
  };
  await withServer(handler, async (origin, target) => {
    const download = { url: `${origin}/m`, target, retries: 0 };
    const error = await assertRejects(() => downloadFile(download), Error);
    assertStringIncludes(error.message, "run the command again to go on");
    assertEquals((await Deno.stat(partPath(target))).size, 20_000);
    await downloadFile(download);
    assertEquals(await Deno.readFile(target), CONTENT);
    assertEquals(ranges, [null, "bytes=20000-"]);
  });
});

Deno.test("a broken connection is taken up again at once", async () => {
  let requests = 0;
  const handler: Handler = (request) =>
    ++requests === 1 ? broken(CONTENT, '"a"', 10_000) : serve(CONTENT, '"a"', request);
  await withServer(handler, async (origin, target) => {
    await downloadFile({ url: `${origin}/m`, target });
    assertEquals(requests, 2);
    assertEquals(await Deno.readFile(target), CONTENT);
  });
});

Deno.test("a file that changed in between starts again and is never mixed", async () => {
  let requests = 0;
  const handler: Handler = (request) =>
    ++requests === 1 ? broken(CONTENT, '"a"', 20_000) : serve(OTHER, '"b"', request);
  await withServer(handler, async (origin, target) => {
    const download = { url: `${origin}/m`, target, retries: 0 };
    await assertRejects(() => downloadFile(download), Error);
    await downloadFile(download);
    assertEquals(await Deno.readFile(target), OTHER);
  });
});

Deno.test("a server that ignores ranges or continues elsewhere is answered with a new start", async () => {
  let requests = 0;
  const handler: Handler = (request) => {
    requests++;
    if (requests === 1) return broken(CONTENT, '"a"', 20_000);
    if (requests === 2) {
      return new Response(CONTENT.slice(7), {
        status: 206,
        headers: {
          etag: '"a"',
          "content-range": `bytes 7-${CONTENT.length - 1}/${CONTENT.length}`,
        },
      });
    }
    assertEquals(request.headers.get("range"), null);
    return new Response(CONTENT, { headers: { etag: '"a"' } });
  };
  await withServer(handler, async (origin, target) => {
    await downloadFile({ url: `${origin}/m`, target });
    assertEquals(await Deno.readFile(target), CONTENT);
    assertEquals(requests, 3);
  });
});

Deno.test("a part without a validator is not continued", async () => {
  let requests = 0;
  const handler: Handler = (request) => {
    assertEquals(request.headers.get("range"), null);
    if (++requests > 1) return serve(CONTENT, 'W/"weak"', request);
    return broken(CONTENT, 'W/"weak"', 20_000);
  };
  await withServer(handler, async (origin, target) => {
    await downloadFile({ url: `${origin}/m`, target });
    assertEquals(await Deno.readFile(target), CONTENT);
  });
});

Deno.test("wrong bytes are refused and removed", async () => {
  await withServer((request) => serve(CONTENT, '"a"', request), async (origin, target) => {
    const wrong = "0".repeat(64);
    const error = await assertRejects(
      () => downloadFile({ url: `${origin}/m`, target, sha256: wrong }),
      Error,
    );
    assertStringIncludes(error.message, sha256(CONTENT));
    assertStringIncludes(error.message, wrong);
    await assertRejects(() => Deno.stat(target), Deno.errors.NotFound);
    await assertRejects(() => Deno.stat(partPath(target)), Deno.errors.NotFound);
  });
});

Deno.test("a missing file, a forbidden one and a busy server are told apart", async () => {
  let busy = 0;
  const handler: Handler = (request) => {
    const path = new URL(request.url).pathname;
    if (path === "/busy") busy++;
    return new Response("no", { status: { "/gone": 404, "/secret": 403 }[path] ?? 503 });
  };
  await withServer(handler, async (origin, target) => {
    const message = async (path: string) =>
      (await assertRejects(() => downloadFile({ url: origin + path, target, retries: 1 }), Error))
        .message;
    assertStringIncludes(await message("/gone"), "404");
    assertStringIncludes(await message("/gone"), "check the address");
    assertStringIncludes(await message("/secret"), "HF_TOKEN");
    assertStringIncludes(await message("/busy"), "503");
    assertEquals(busy, 2);
  });
});

Deno.test("a redirect is followed, its SHA-256 is used, and credentials stay at home", async () => {
  const elsewhere: Headers[] = [];
  await using other = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => {
      elsewhere.push(request.headers);
      return serve(CONTENT, '"a"', request);
    },
  );
  const location = `http://127.0.0.1:${other.addr.port}/blob`;
  let expected = sha256(CONTENT);
  const handler: Handler = (request) => {
    assertEquals(request.headers.get("authorization"), "Bearer secret");
    return new Response(null, {
      status: 302,
      headers: { location, "x-linked-etag": `"${expected}"` },
    });
  };
  await withServer(handler, async (origin, target) => {
    const download = { url: `${origin}/m`, target, authorization: "Bearer secret" };
    assertEquals((await downloadFile(download)).checked, true);
    assertEquals(elsewhere[0].get("authorization"), null);
    expected = "1".repeat(64);
    await assertRejects(() => downloadFile(download), Error, "SHA-256");
  });
});

Deno.test("endless redirects end with one line", async () => {
  const handler: Handler = () => new Response(null, { status: 302, headers: { location: "/m" } });
  await withServer(handler, async (origin, target) => {
    await assertRejects(() => downloadFile({ url: `${origin}/m`, target }), Error, "redirects");
  });
});

Deno.test("an abort in a slow body ends at once and keeps what has arrived", async () => {
  const handler: Handler = (request) => {
    if (request.headers.has("range")) return serve(CONTENT, '"a"', request);
    let sent = false;
    const stream = new ReadableStream({
      pull(controller) {
        if (sent) return new Promise(() => {});
        sent = true;
        controller.enqueue(CONTENT.slice(0, 5000));
      },
    });
    return new Response(stream, { headers: { etag: '"a"' } });
  };
  await withServer(handler, async (origin, target) => {
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error("enough"));
    const download = { url: `${origin}/m`, target };
    await assertRejects(
      () => downloadFile({ ...download, signal: controller.signal, onProgress }),
      Error,
      "enough",
    );
    assertEquals((await Deno.stat(partPath(target))).size, 5000);
    await downloadFile(download);
    assertEquals(await Deno.readFile(target), CONTENT);
  });
});

Deno.test("a refused connection and an unwritable folder are one clear line each", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const folder = await Deno.makeTempDir();
  const url = `http://127.0.0.1:${port}/m`;
  const error = await assertRejects(
    () => downloadFile({ url, target: `${folder}/m`, retries: 0 }),
    Error,
  );
  assert(!error.message.includes("\n"));
  assertStringIncludes(error.message, url);
  await withServer((request) => serve(CONTENT, '"a"', request), async (origin) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    const target = `${folder}/file/m`;
    await assertRejects(() => downloadFile({ url: `${origin}/m`, target }), Error, "cannot store");
  });
  await Deno.remove(folder, { recursive: true });
});
