/**
 * `quern search`: an index that is made, used again and brought up to date, and bad input.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import "../../support/native.ts";
import { classifierReferences } from "../../support/small_classifier.ts";
import { encoderReferences } from "../../support/small_encoder.ts";
import { withFolder } from "../../support/folder.ts";
import { writeSmallModel } from "../../support/small_folder.ts";
import { type Outcome, quern, startQuern } from "./run_command.ts";

/** Runs a body with a small model, a folder of texts, and a search of it. */
async function withSearch(
  body: (
    texts: string,
    search: (...args: string[]) => Promise<Outcome>,
    folder: string,
  ) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const [model, texts] = [`${folder}/model`, `${folder}/texts`];
    await writeSmallModel(model, encoderReferences.bert);
    await Deno.mkdir(`${texts}/deep/.hidden`, { recursive: true });
    Deno.writeTextFileSync(`${texts}/a.md`, "the mill\n\n# a cafe\n\nmills . mills !\n");
    Deno.writeTextFileSync(`${texts}/deep/b.txt`, "\n\nmill mill mill");
    Deno.writeTextFileSync(`${texts}/deep/.hidden/c.txt`, "cafe");
    Deno.writeTextFileSync(`${texts}/d.bin`, "cafe");
    const env = { QUERN_CACHE: `${folder}/cache` };
    const search = (...args: string[]) => quern(["search", ...args, "--model", model], { env });
    await body(texts, search, folder);
  });
}

interface Answer {
  question: string;
  results: { score: number; file: string; line: number; text: string }[];
}

function answerOf({ code, stdout, stderr }: Outcome): Answer {
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("quern search reads texts once, and again only those that changed", async () => {
  await withSearch(async (texts, search) => {
    const first = await search(texts, "a cafe", "--json");
    assertMatch(first.stderr, /^2 files read, 0 gone; 3 passages in .*\.vectors\n$/);
    const { question, results } = answerOf(first);
    assertEquals(question, "a cafe");
    assertEquals(results.map(({ file, line }) => `${file}:${line}`).sort(), [
      "a.md:1",
      "a.md:3",
      "deep/b.txt:3",
    ]);
    assertEquals(results.toSorted((a, b) => b.score - a.score), results);
    const again = await search(texts, "a cafe", "--json");
    assertEquals([again.stdout, again.stderr], [first.stdout, ""]);
    Deno.writeTextFileSync(`${texts}/a.md`, "a cafe");
    Deno.writeTextFileSync(`${texts}/e.rst`, "the");
    Deno.removeSync(`${texts}/deep/b.txt`);
    const changed = await search(texts, "a cafe", "--json", "--top", "1");
    assertMatch(changed.stderr, /^2 files read, 1 gone; 2 passages/);
    const [best, ...rest] = answerOf(changed).results;
    assertEquals([best.file, best.line, best.text, rest.length], ["a.md", 1, "a cafe", 0]);
    assert(best.score > 0.99999);
    const shown = await search(texts, "a cafe", "--top", "1");
    assertEquals(shown.stdout, "a.md:1  1.000\n  a cafe\n");
  });
});

Deno.test("quern search makes an index without a question, where and how it is told to", async () => {
  await withSearch(async (texts, search, folder) => {
    const index = `${folder}/here.vectors`;
    const options = ["--index", index, "--type", "int8", "--ending", ".BIN", "--ending", "txt"];
    const made = await search(texts, "--json", ...options);
    assertEquals(JSON.parse(made.stdout), { index, files: 2, passages: 2 });
    assertEquals((await search(texts, ...options)).stderr, "");
    // Another type is another index; a damaged one is made again.
    assertMatch((await search(texts, "--index", index)).stderr, /^2 files read/);
    Deno.writeTextFileSync(index, "nonsense");
    assertMatch((await search(texts, "--index", index)).stderr, /^2 files read/);
  });
});

Deno.test("quern search reads a JSONL file, and looks again with a cross-encoder", async () => {
  await withSearch(async (_, search, folder) => {
    const file = `${folder}/notes.jsonl`;
    const lines = ["a cafe", "the mill", "mills !"].map((body) => JSON.stringify({ body }));
    Deno.writeTextFileSync(file, `${lines.join("\n")}\n\n`);
    const { results } = answerOf(await search(file, "mills !", "--field", "body", "--json"));
    assertEquals([results.length, results[0].line, results[0].text], [3, 3, "mills !"]);
    const reranker = `${folder}/reranker`;
    await writeSmallModel(reranker, classifierReferences["bert, one label"]);
    const options = ["--field", "body", "--json", "--top", "2", "--rerank", reranker];
    const ranked = answerOf(await search(file, "mills !", ...options)).results;
    assertEquals(ranked.length, 2);
    assert(ranked[0].score >= ranked[1].score && ranked[0].score !== results[0].score);
    const wrong = await search(file, "mills !");
    assertEquals(wrong.code, 1);
    assertMatch(wrong.stderr, /notes\.jsonl: line 1 has no text named "text"; .* --field\n$/);
    Deno.writeTextFileSync(file, '{"text": "a"}\nnonsense\n');
    assertMatch((await search(file, "mills !")).stderr, /line 2 is not JSON/);
  });
});

Deno.test("quern search says in one line what is wrong", async () => {
  await withSearch(async (texts, search, folder) => {
    const cases: [string[], number, RegExp][] = [
      [[`${texts}/gone`, "cafe"], 1, /gone: no such file or folder/],
      [[texts, "cafe", "--ending", "pdf"], 1, /holds no texts; .*--ending/],
      [[texts, "cafe", "more"], 2, /unexpected argument "more"/],
      [[texts, " "], 2, /the question is empty/],
      [[texts, "cafe", "--top", "0"], 2, /--top/],
      [[texts, "cafe", "--type", "int4"], 2, /--type/],
      [[texts, "cafe", "--index", `${folder}/gone/a.vectors`], 1, /a\.vectors/],
      [[texts, "cafe", "--rerank", `${folder}/model`], 1, /no classifier's weights/],
    ];
    for (const [args, code, message] of cases) {
      const outcome = await search(...args);
      assertEquals([outcome.code, outcome.stdout], [code, ""], outcome.stderr);
      assertMatch(outcome.stderr, message);
      assert(outcome.stderr.trimEnd().split("\n").length <= 2, outcome.stderr);
    }
  });
});

Deno.test("quern search ends with 130 at Ctrl-C, and leaves no index", async () => {
  await withSearch(async (texts, _, folder) => {
    const many = Array.from(
      { length: 500_000 },
      (_, i) => `{"text":"mill ${i} the mill a cafe ."}`,
    );
    Deno.writeTextFileSync(`${texts}/many.jsonl`, many.join("\n"));
    const index = `${folder}/many.vectors`;
    const args = [`${texts}/many.jsonl`, "cafe", "--model", `${folder}/model`, "--index", index];
    const child = startQuern(["search", ...args]);
    const kill = setInterval(() => child.kill("SIGINT"), 1000);
    const { code, stdout } = await child.output();
    clearInterval(kill);
    assertEquals([code, stdout.length], [130, 0]);
    assert(!Array.from(Deno.readDirSync(folder)).some(({ name }) => name.startsWith("many.")));
  });
});
