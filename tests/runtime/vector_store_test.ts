/**
 * Stores of vectors, similarity and semantic search, against plain loops in float64.
 */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { withoutLeaksAsync } from "../support/native.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import { setThreads, threads } from "../../lib/ffi/mod.ts";
import {
  Embeddings,
  type Metric,
  type SearchHit,
  semanticSearch,
  similarity,
  type VectorDType,
  VectorStore,
} from "../../lib/runtime/mod.ts";

const dtypes: VectorDType[] = ["float32", "float16", "int8"];

/** Numbers between -1 and 1 that repeat for a seed. */
function random(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    return state / 2 ** 31;
  });
}

function matrix(rows: number, dimensions: number, seed: number): Embeddings {
  return new Embeddings(random(rows * dimensions, seed), dimensions);
}

function compare(a: ArrayLike<number>, b: ArrayLike<number>, metric: Metric): number {
  let [product, left, right] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    left += a[i] ** 2;
    right += b[i] ** 2;
  }
  return metric === "dot" ? product : product / Math.sqrt(left * right);
}

function makeStore(corpus: Embeddings, dtype: VectorDType, metric: Metric): VectorStore {
  const store = new VectorStore({ dimensions: corpus.dimensions, dtype, metric });
  // In parts of growing sizes.
  let count = 0;
  for (let from = 0; from < corpus.rows; from += count) {
    count = 2 * count + 1;
    const end = Math.min(from + count, corpus.rows);
    const data = corpus.data.slice(from * corpus.dimensions, end * corpus.dimensions);
    store.add(new Embeddings(data, corpus.dimensions));
  }
  return store;
}

/** How far scores may be from those of the vectors that were added. */
const errors: Record<VectorDType, number> = { float32: 2e-6, float16: 1e-3, int8: 2e-2 };

for (const dtype of dtypes) {
  for (const metric of ["cosine", "dot"] as const) {
    Deno.test(
      `a ${dtype} store finds what a plain search by ${metric} does`,
      withoutLeaksAsync(async () => {
        const corpus = matrix(700, 23, 1);
        const queries = matrix(19, 23, 2);
        using store = makeStore(corpus, dtype, metric);
        assertEquals([store.size, store.dtype, store.metric], [700, dtype, metric]);
        const found = await store.search(queries, { topK: 25 });
        assertEquals(found.map(({ length }) => length), new Array(19).fill(25));
        for (const [q, hits] of found.entries()) {
          const query = queries.row(q);
          const scores = Array.from(corpus, (row) => compare(query, row, metric));
          const bound = errors[dtype] * (metric === "dot" ? 8 : 1);
          const best = scores.toSorted((a, b) => b - a);
          hits.forEach(({ index, score }, i) => {
            assertAlmostEquals(score, scores[index], bound);
            assertAlmostEquals(score, best[i], bound);
            assert(i === 0 || score <= hits[i - 1].score);
          });
          assertEquals(new Set(hits.map(({ index }) => index)).size, 25);
          assertEquals(await store.search(query, { topK: 25 }), hits);
        }
      }),
    );
  }

  Deno.test(
    `a ${dtype} store gives the first of equals first, with any number of threads`,
    withoutLeaksAsync(async () => {
      const before = threads();
      const corpus = new Embeddings(
        Float32Array.from({ length: 9000 * 4 }, (_, i) => (i >> 2) % 3 === i % 4 ? 1 : 0),
        4,
      );
      using store = makeStore(corpus, dtype, "cosine");
      const expected = Array.from({ length: 3500 }, (_, i) => i < 3000 ? 3 * i + 1 : -1);
      let first: SearchHit[] | undefined;
      try {
        for (const count of [1, 2, 3, 8]) {
          setThreads(count);
          const hits = await store.search([0, 1, 0, 0], { topK: 3500 });
          assertEquals(hits.slice(0, 3000).map(({ index }) => index), expected.slice(0, 3000));
          assert(hits.slice(3000).every(({ score, index }) => score === 0 && index % 3 !== 1));
          first ??= hits;
          assertEquals(hits, first);
        }
      } finally {
        setThreads(before);
      }
    }),
  );

  Deno.test(`a ${dtype} store gives its vectors back, of length 1 and rounded`, async () => {
    const corpus = matrix(9, 5, 3);
    using store = makeStore(corpus, dtype, "cosine");
    for (let i = 0; i < 9; i++) {
      const vector = store.vector(i);
      const row = corpus.row(i);
      const length = Math.hypot(...row);
      row.forEach((value, j) => assertAlmostEquals(vector[j], value / length, errors[dtype]));
    }
    using zeros = new VectorStore({ dimensions: 3, dtype });
    zeros.add([[0, 0, 0], [0, 0, 1]]);
    assertEquals([...zeros.vector(0)], [0, 0, 0]);
    const [best, other] = await zeros.search([1, 1, 1]);
    assertEquals([best.index, other.index, other.score], [1, 0, 0]);
  });

  Deno.test(
    `a ${dtype} store without some rows is one to which they were never added`,
    withoutLeaksAsync(async () => {
      const corpus = matrix(300, 8, 4);
      const ids = Array.from(corpus, (_, i) => `row ${i}`);
      using store = new VectorStore({ dimensions: 8, dtype });
      store.add(corpus, { ids, texts: ids.map((id) => `${id}!`) });
      const gone = [0, 1, 2, 150, 77, 77, 299];
      store.remove(gone);
      using other = new VectorStore({ dimensions: 8, dtype });
      const kept = [...corpus].map((_, i) => i).filter((i) => !gone.includes(i));
      other.add(kept.map((i) => corpus.row(i)), {
        ids: kept.map((i) => ids[i]),
        texts: kept.map((i) => `row ${i}!`),
      });
      assertEquals(store.size, 294);
      const query = random(8, 5);
      assertEquals(
        await store.search(query, { topK: 400 }),
        await other.search(query, { topK: 400 }),
      );
      assertEquals([store.id(0), store.text(293)], ["row 3", "row 298!"]);
      store.remove(Array.from({ length: 294 }, (_, i) => i));
      assertEquals([store.size, await store.search(query)], [0, []]);
    }),
  );
}

Deno.test("a hit has an id and a text where the store has them", async () => {
  using store = new VectorStore({ dimensions: 2 });
  assertEquals(await store.search([1, 0]), []);
  store.add([1, 0], { texts: ["east"] });
  store.add([[0, 1]], { texts: ["north"] });
  assertEquals(await store.search([0, 3], { topK: 1 }), [{ index: 1, score: 1, text: "north" }]);
  assertEquals([store.text(0), store.id(0)], ["east", undefined]);
});

Deno.test("a search goes on with the rows that it began with", async () => {
  using store = new VectorStore({ dimensions: 512 });
  // More than is searched between two turns of the event loop.
  const many = new Embeddings(random(20_000 * 512, 6), 512);
  store.add(many);
  const queries = matrix(400, 512, 7);
  const running = store.search(queries, { topK: 3 });
  store.add(queries);
  const found = await running;
  assert(found.flat().every(({ index }) => index < 20_000));
  const after = await store.search(queries, { topK: 1 });
  assertEquals(after.map(([{ index }]) => index), Array.from(queries, (_, i) => 20_000 + i));
  const controller = new AbortController();
  const aborted = store.search(queries, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error("enough")));
  await assertRejects(() => aborted, Error, "enough");
  const lost = store.search(queries);
  store.remove([7]);
  await assertRejects(() => lost, Error, "rows were removed");
  const ended = store.search(queries);
  store[Symbol.dispose]();
  await assertRejects(() => ended, DisposedError);
});

Deno.test(
  "a store refuses what does not fit, and stays as it was",
  withoutLeaksAsync(async () => {
    for (const dimensions of [0, -1, 1.5, NaN, 2 ** 21]) {
      assertThrows(() => new VectorStore({ dimensions }), RangeError, "dimensions");
    }
    const wrong = { dimensions: 2, dtype: "int4" as VectorDType };
    assertThrows(() => new VectorStore(wrong), RangeError, "dtype is float32 or float16 or int8");
    using store = new VectorStore({ dimensions: 2 });
    store.add([[1, 2], [3, 4]], { ids: ["a", "b"] });
    const refusals: [() => unknown, typeof TypeError | typeof RangeError, string][] = [
      [() => store.add([1, 2, 3]), RangeError, "3 dimensions, the store 2"],
      [() => store.add([[1, 2], [1]]), RangeError, "has 1 elements"],
      [() => store.add([[1, NaN]], { ids: ["c"] }), RangeError, "NaN or infinite"],
      [() => store.add([[1, Infinity]], { ids: ["c"] }), RangeError, "NaN or infinite"],
      [() => store.add(5 as never), TypeError, "no vector"],
      [() => store.add([[1, 2]]), TypeError, "ids are for all rows or for none"],
      [() => store.add([[1, 2]], { ids: [] }), TypeError, "1 vectors with 0 ids"],
      [() => store.add([[1, 2]], { ids: [3 as never] }), TypeError, "ids are strings"],
      [() => store.add([[1, 2]], { ids: ["c"], texts: [""] }), TypeError, "texts are for all"],
      [() => store.remove([2]), RangeError, "2 is not one of 2 rows"],
      [() => store.vector(-1), RangeError, "-1 is not one of"],
      [() => store.text(0.5), RangeError, "0.5 is not one of"],
    ];
    for (const [call, kind, message] of refusals) assertThrows(call, kind, message);
    const late = new Float32Array(2 * 5000).fill(1);
    late[9999] = -Infinity;
    assertThrows(
      () => store.add(new Embeddings(late, 2), { ids: Array.from({ length: 5000 }, () => "x") }),
      RangeError,
      "NaN or infinite",
    );
    for (const topK of [0, -1, 1.5, NaN]) {
      await assertRejects(() => store.search([1, 2], { topK }), RangeError, "topK");
    }
    await assertRejects(() => store.search([1, 2, 3]), RangeError, "3 dimensions");
    await assertRejects(() => store.search([1, NaN]), RangeError, "NaN");
    await assertRejects(() => store.search([]), RangeError, "empty");
    assertEquals([store.size, store.id(1)], [2, "b"]);
    store[Symbol.dispose]();
    store[Symbol.dispose]();
    assertThrows(() => store.add([[1, 2]], { ids: ["c"] }), DisposedError);
    await assertRejects(() => store.search([1, 2]), DisposedError);
    await assertRejects(() => store.save("nowhere"), DisposedError);
  }),
);

Deno.test(
  "similarity() compares all with all",
  withoutLeaksAsync(async () => {
    const [a, b] = [matrix(7, 13, 8), matrix(5, 13, 9)];
    for (const metric of ["cosine", "dot"] as const) {
      const scores = similarity(a, b, { metric });
      assertEquals(scores.length, 7);
      scores.forEach((row, i) => {
        assertEquals(row.length, 5);
        row.forEach((score, j) =>
          assertAlmostEquals(score, compare(a.row(i), b.row(j), metric), 1e-5)
        );
      });
    }
    assertEquals(similarity([0, 2], [[0, 1]]).map((row) => [...row]), [[1]]);
    assertThrows(() => similarity([1, 2], [1, 2, 3]), RangeError, "a has 2 dimensions, b 3");
    assertThrows(() => similarity([], [1]), RangeError, "a is empty");
    assertThrows(() => similarity([NaN], [1]), RangeError, "NaN");
    await Promise.resolve();
  }),
);

Deno.test(
  "semanticSearch() searches vectors and stores alike",
  withoutLeaksAsync(async () => {
    const corpus = matrix(50, 6, 10);
    const queries = matrix(3, 6, 11);
    using store = makeStore(corpus, "float32", "cosine");
    const many = await semanticSearch(queries, corpus, { topK: 4 });
    assertEquals(many, await semanticSearch([...queries], store, { topK: 4 }));
    assertEquals(await semanticSearch(queries.row(2), [...corpus], { topK: 4 }), many[2]);
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(() => semanticSearch(queries, corpus, { signal }), Error, "enough");
  }),
);
