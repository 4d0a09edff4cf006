/**
 * Tokenizing with the vocabulary of all-MiniLM-L6-v2, beside `@huggingface/tokenizers` with the same
 * file: the lines of this project's documents, one text each. Run with
 * `deno bench -A bench/tokenizers_bench.ts`.
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { resolveModel } from "../lib/hub/mod.ts";
import { tokenizerFromFolder } from "../lib/tokenizers/mod.ts";

const folder = await resolveModel("minilm");
const docs = new URL("../docs/", import.meta.url);
const lines = [...Deno.readDirSync(docs)].filter(({ name }) => name.endsWith(".md"))
  .flatMap(({ name }) => Deno.readTextFileSync(new URL(name, docs)).split("\n"))
  .filter((line) => line.length > 20);
const ours = await tokenizerFromFolder(folder);
const library = new Tokenizer(JSON.parse(Deno.readTextFileSync(`${folder}/tokenizer.json`)), {});
const tokens = lines.reduce((sum, line) => sum + library.encode(line).ids.length, 0);
const group = `${lines.length} lines of documents, ${tokens} tokens`;

Deno.bench("encode: Quern", { group, baseline: true }, () => {
  for (const line of lines) ours.encode(line, { maxTokens: Infinity });
});

Deno.bench("encode: @huggingface/tokenizers", { group }, () => {
  for (const line of lines) library.encode(line);
});

Deno.bench("encode what was not seen before: Quern", { group: "new words" }, () => {
  ours.encode(Math.random().toString(36), { maxTokens: Infinity });
});

Deno.bench(
  "encode what was not seen before: @huggingface/tokenizers",
  { group: "new words" },
  () => {
    library.encode(Math.random().toString(36));
  },
);
