import { assertEquals, assertRejects } from "@std/assert";
import { extractZipEntry, readZipDirectory } from "../../../lib/hub/zip.ts";
import { withFolder } from "../../support/folder.ts";

// Written by CPython 3.11's zipfile module: `hello.txt` ("hello hello hello\n",
// deflated) and `sub/raw.bin` (bytes 0 to 9, stored).
const ARCHIVE = Uint8Array.fromBase64(
  "UEsDBBQAAAAIAAAAIVA7fIrfCwAAABIAAAAJAAAAaGVsbG8udHh0y0jNyclXyECQXABQSwMEFAAAAAAAAAAhUEbX" +
    "bEUKAAAACgAAAAsAAABzdWIvcmF3LmJpbgABAgMEBQYHCAlQSwECFAMUAAAACAAAACFQO3yK3wsAAAASAAAACQAA" +
    "AAAAAAAAAAAAgAEAAAAAaGVsbG8udHh0UEsBAhQDFAAAAAAAAAAhUEbXbEUKAAAACgAAAAsAAAAAAAAAAAAAAIAB" +
    "MgAAAHN1Yi9yYXcuYmluUEsFBgAAAAACAAIAcAAAAGUAAAAAAA==",
);

async function withArchive(
  bytes: Uint8Array,
  body: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/a.zip`, bytes);
    await body(`${folder}/a.zip`, folder);
  });
}

Deno.test("a zip archive's stored and deflated files come out as they went in", async () => {
  await withArchive(ARCHIVE, async (path, folder) => {
    const directory = await readZipDirectory(path);
    assertEquals([...directory.keys()], ["hello.txt", "sub/raw.bin"]);
    await extractZipEntry(path, directory.get("hello.txt")!, `${folder}/hello`);
    assertEquals(await Deno.readTextFile(`${folder}/hello`), "hello hello hello\n");
    const seen: number[] = [];
    await extractZipEntry(path, directory.get("sub/raw.bin")!, `${folder}/raw`, {
      onProgress: (progress) => seen.push(progress.completed),
    });
    assertEquals([...await Deno.readFile(`${folder}/raw`)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assertEquals(seen.at(-1), 10);
  });
});

Deno.test("every truncation of a zip archive is refused with SyntaxError", async () => {
  for (let length = 0; length < ARCHIVE.length; length++) {
    await withArchive(ARCHIVE.subarray(0, length), async (path) => {
      await assertRejects(() => readZipDirectory(path), SyntaxError, undefined, `${length} bytes`);
    });
  }
});

Deno.test("a zip entry that unpacks to more or less than the directory says is refused", async () => {
  await withArchive(ARCHIVE, async (path, folder) => {
    const entry = (await readZipDirectory(path)).get("hello.txt")!;
    for (const bytes of [entry.bytes - 1, entry.bytes + 1]) {
      await assertRejects(
        () => extractZipEntry(path, { ...entry, bytes }, `${folder}/${bytes}`),
        SyntaxError,
        "the directory says",
      );
    }
    await assertRejects(
      () => extractZipEntry(path, { ...entry, localHeaderOffset: 7 }, `${folder}/x`),
      SyntaxError,
      "no file header at 7",
    );
  });
});

Deno.test("unpacking a zip entry ends with the signal's reason", async () => {
  await withArchive(ARCHIVE, async (path, folder) => {
    const entry = (await readZipDirectory(path)).get("hello.txt")!;
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(
      () => extractZipEntry(path, entry, `${folder}/x`, { signal }),
      Error,
      "enough",
    );
  });
});
