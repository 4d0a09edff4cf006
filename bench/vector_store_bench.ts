/**
 * Search through stores of vectors: 100,000 of the size that all-MiniLM-L6-v2 makes. Run with
 * `deno task bench`.
 */
import { Tensor } from "../mod.ts";
import { Embeddings, semanticSearch, similarity, VectorStore } from "../models.ts";

const [rows, dimensions] = [100_000, 384];

function random(rows: number, seed: number): Embeddings {
  using x = Tensor.randn([rows, dimensions], { seed });
  return new Embeddings(x.data.slice(), dimensions);
}

const corpus = random(rows, 1);
const queries = random(64, 2);
const some = new Embeddings(corpus.data.slice(0, 1000 * dimensions), dimensions);

for (const dtype of ["float32", "float16", "int8"] as const) {
  const store = new VectorStore({ dimensions, dtype });
  store.add(corpus);
  Deno.bench(`one query of ${rows} ${dtype} rows`, { group: "search" }, async () => {
    await store.search(queries.row(0));
  });
  Deno.bench(`64 queries of ${rows} ${dtype} rows`, { group: "search together" }, async () => {
    await store.search(queries);
  });
}

Deno.bench(
  "similarity 64 x 1000",
  { group: "without a store" },
  () => void similarity(queries, some),
);
Deno.bench("semanticSearch 64 x 1000", { group: "without a store" }, async () => {
  await semanticSearch(queries, some);
});
