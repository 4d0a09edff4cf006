/**
 * Stores of vectors in files: saved, mapped, added to, and files that are damaged.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { withoutLeaksAsync } from "../../support/native.ts";
import { parseSafetensors, writeSafetensors } from "../../../lib/formats/mod.ts";
import { type SearchHit, type VectorDType, VectorStore } from "../../../lib/runtime/mod.ts";
import { Tensor } from "../../../lib/tensor/mod.ts";

const dtypes: VectorDType[] = ["float32", "float16", "int8"];

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/a.vectors`);
    const left = Array.from(Deno.readDirSync(folder), ({ name }) => name);
    assert(left.every((name) => !name.endsWith(".tmp")), left.join());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function randomRows(rows: number, dimensions: number, seed: number): number[][] {
  using x = Tensor.randn([rows, dimensions], { seed });
  return x.toArray() as number[][];
}

const texts = ["", "\ufeffmill", "a\0b", "🌾 mühle", "\ud800", "x".repeat(100_000)];

for (const dtype of dtypes) {
  Deno.test(
    `a ${dtype} store is the same from its file, and can be added to and saved over itself`,
    withoutLeaksAsync(() =>
      withFile(async (path) => {
        const rows = randomRows(5000, 7, 1);
        const ids = rows.map((_, i) => `${i}`);
        const texts5000 = rows.map((_, i) => i < 12 ? texts[i % texts.length] : `${i}`);
        using store = new VectorStore({ dimensions: 7, dtype, metric: "dot" });
        store.metadata.set("model", "small");
        store.add(rows, { ids, texts: texts5000 });
        await store.save(path, { metadata: { also: "this" } });
        using mapped = await VectorStore.load(path);
        assertEquals([mapped.size, mapped.dimensions, mapped.dtype, mapped.metric], [
          5000,
          7,
          dtype,
          "dot",
        ]);
        assertEquals(mapped.metadata, new Map([["model", "small"], ["also", "this"]]));
        const queries = randomRows(4, 7, 2);
        const wellFormed = (hits: SearchHit[][]) =>
          hits.map((some) => some.map((hit) => ({ ...hit, text: hit.text?.toWellFormed() })));
        const expected = await store.search(queries, { topK: 300 });
        assertEquals(await mapped.search(queries, { topK: 300 }), wellFormed(expected));
        for (let i = 0; i < 10; i++) {
          assertEquals(mapped.text(i), texts[i % texts.length].toWellFormed());
          assertEquals(mapped.vector(i), store.vector(i));
        }
        for (const one of [store, mapped]) {
          one.add(queries, { ids: ["a", "b", "c", "d"], texts: ["1", "2", "3", "4"] });
          one.remove([0, 4999, 5001]);
        }
        await mapped.save(path);
        assertEquals(mapped.text(1), "a\0b");
        using again = await VectorStore.load(path);
        assertEquals(
          await again.search(queries, { topK: 5001 }),
          wellFormed(await store.search(queries, { topK: 5001 })),
        );
        assertEquals([again.id(5000), again.text(5000)], ["d", "4"]);
      })
    ),
  );
}

Deno.test(
  "an empty store can be saved and added to",
  withoutLeaksAsync(() =>
    withFile(async (path) => {
      for (const dtype of dtypes) {
        using store = new VectorStore({ dimensions: 3, dtype });
        await store.save(path);
        using mapped = await VectorStore.load(path);
        mapped.add([1, 2, 3], { ids: ["one"] });
        assertEquals([mapped.size, mapped.id(0)], [1, "one"]);
      }
    })
  ),
);

Deno.test(
  "a store whose saving is ended leaves the old file as it was",
  withoutLeaksAsync(() =>
    withFile(async (path) => {
      using store = new VectorStore({ dimensions: 2 });
      store.add([1, 0]);
      await store.save(path);
      store.add([0, 1]);
      const controller = new AbortController();
      const onProgress = () => controller.abort(new Error("enough"));
      const saving = store.save(path, { onProgress, signal: controller.signal });
      await assertRejects(() => saving, Error, "enough");
      using old = await VectorStore.load(path);
      assertEquals(old.size, 1);
    })
  ),
);

Deno.test(
  "files that are no store, or damaged ones, are refused",
  withoutLeaksAsync(() =>
    withFile(async (path) => {
      using store = new VectorStore({ dimensions: 2, dtype: "int8" });
      store.add([[1, 0], [0, 1]], { texts: ["a", "b"] });
      await store.save(path);
      const file = parseSafetensors(Deno.readFileSync(path));
      const bytes = Deno.readFileSync(path);
      const entries = Array.from(file.tensors.values(), (tensor) => ({
        ...tensor,
        data: bytes.subarray(tensor.offset, tensor.offset + tensor.byteLength),
      }));
      const write = (
        change: (entry: typeof entries[number]) => Partial<typeof entries[number]> | undefined,
        metadata: Record<string, string> = {},
      ) => {
        const changed = entries.flatMap((entry) => {
          const part = change(entry);
          return part === undefined ? [] : [{ ...entry, ...part }];
        });
        const texts = { ...Object.fromEntries(file.metadata), ...metadata };
        Deno.writeFileSync(path, writeSafetensors(changed, Object.entries(texts)));
      };
      const refused = async (message: string) => {
        await assertRejects(() => VectorStore.load(path), Error, message);
      };
      const without = (name: string) => (entry: { name: string }) =>
        entry.name === name ? undefined : {};
      write(() => ({}), { format: "pt" });
      await refused("is no store of vectors");
      write(() => ({}), { version: "2" });
      await refused("is no store of vectors");
      write(() => ({}), { metric: "length" });
      await refused("metric is cosine or dot, not length");
      write(without("vectors"));
      await refused("has no vectors in F32, F16, I8");
      write(({ name }) => name === "vectors" ? { dtype: "U8" } : {});
      await refused("has no vectors in");
      write(({ name }) => name === "vectors" ? { shape: [4] } : {});
      await refused("has no vectors in");
      write(without("scales"));
      await refused("has no scales for 2 rows");
      write(({ name }) => name === "scales" ? { shape: [1, 2] } : {});
      await refused("has no scales for 2 rows");
      write(without("texts.offsets"));
      await refused("are no texts of 2 rows");
      const offsets = (...values: bigint[]) => (entry: { name: string }) =>
        entry.name === "texts.offsets"
          ? { data: new Uint8Array(BigInt64Array.from(values).buffer) }
          : {};
      for (const wrong of [[0n, 3n, 2n], [-1n, 1n, 2n], [0n, 1n, 2n ** 62n], [2n, 1n, 2n]]) {
        write(offsets(...wrong));
        using damaged = await VectorStore.load(path);
        await assertRejects(() => damaged.search([1, 1]), SyntaxError, "is outside of the file's");
      }
      Deno.writeTextFileSync(path, "no such file");
      await assertRejects(() => VectorStore.load(path), SyntaxError);
      await assertRejects(() => VectorStore.load(`${path}.gone`), Deno.errors.NotFound);
    })
  ),
);
