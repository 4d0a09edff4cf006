import { assertEquals, assertThrows } from "@std/assert";
import { parseSource, urlFileName } from "../../lib/hub/sources.ts";

Deno.test("parseSource() tells names, repositories, addresses and paths apart", () => {
  assertEquals(parseSource("smollm2").kind, "known");
  assertEquals(parseSource("./smollm2"), { kind: "path", path: "./smollm2" });
  assertEquals(parseSource("C:\\models\\a.gguf"), { kind: "path", path: "C:\\models\\a.gguf" });
  assertEquals(parseSource("hf:owner/some-repo"), {
    kind: "hf",
    owner: "owner",
    repo: "some-repo",
    revision: "main",
    file: undefined,
  });
  assertEquals(parseSource("hf:owner/repo.v1@refs1/sub folder/a.gguf"), {
    kind: "hf",
    owner: "owner",
    repo: "repo.v1",
    revision: "refs1",
    file: "sub folder/a.gguf",
  });
  assertEquals(parseSource("https://example.org/a.gguf").kind, "url");
  assertEquals(parseSource("http://127.0.0.1:8000/a.gguf").kind, "url");
});

Deno.test("parseSource() refuses names that would leave the cache, and unencrypted addresses", () => {
  const wrong = [
    "",
    "hf:",
    "hf:owner",
    "hf:../repo",
    "hf:owner/..",
    "hf:owner/repo/../../x",
    "hf:owner/repo/a//b",
    "hf:owner/repo/a\\b",
    "hf:owner/repo@../x.gguf",
    "http://example.org/a.gguf",
    "https://example.org/",
    "https://",
  ];
  for (const source of wrong) assertThrows(() => parseSource(source), TypeError, undefined, source);
});

Deno.test("urlFileName() gives a name that is safe on every file system", () => {
  const name = (path: string) => urlFileName(new URL(path, "https://example.org"));
  assertEquals(name("/models/a%20b.gguf?download=true"), "a_b.gguf");
  assertEquals(name("/%2e%2e%2fetc"), "_etc");
  assertEquals(name("/..%5Cwin.gguf"), "_win.gguf");
  assertEquals(name("/%zz.gguf"), "_zz.gguf");
  assertEquals(name("/folder/"), "");
});
