/**
 * Semantic search over a folder of Markdown files:
 *
 *     deno run -A examples/search_notes.ts docs "how is memory given back?"
 *
 * The vectors are kept in a file beside the program; delete it when the notes have changed.
 */
import { Embedder, VectorStore } from "../models.ts";

const [folder = "docs", question = "how is memory given back?"] = Deno.args;
const file = `${folder.replaceAll(/\W+/g, "_")}.vectors`;

using embedder = await Embedder.load("minilm");
using store = await openStore();

const [query] = await embedder.embed([question]);
for (const { score, id, text } of await store.search(query, { topK: 3 })) {
  console.log(`${score.toFixed(3)}  ${id}\n${text}\n`);
}

/** The vectors of an earlier run, or of this one. */
async function openStore(): Promise<VectorStore> {
  const exists = await Deno.stat(file).catch(() => undefined);
  if (exists !== undefined) return await VectorStore.load(file);
  const store = new VectorStore({ dimensions: embedder.dimensions, dtype: "float16" });
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || !name.endsWith(".md")) continue;
    const paragraphs = (await Deno.readTextFile(`${folder}/${name}`)).split(/\n\s*\n/);
    const ids = paragraphs.map((_, i) => `${name}, paragraph ${i + 1}`);
    store.add(await embedder.embed(paragraphs), { ids, texts: paragraphs });
  }
  await store.save(file);
  return store;
}
