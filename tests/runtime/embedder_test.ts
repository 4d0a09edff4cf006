/**
 * Embedders over a small encoder: what follows the last layer, batches, and bad calls.
 */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import "../support/native.ts";
import { encoderReferences, encoderRows, smallEncoder } from "../support/small_encoder.ts";
import { smallTokenizer } from "../tokenizers/small_tokenizer.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import { pool } from "../../lib/memory/mod.ts";
import { Embedder, type EmbedderConfig } from "../../lib/runtime/mod.ts";
import { tokenizerFromJson } from "../../lib/tokenizers/mod.ts";

const dim = 16;
const texts = ["the mill", "", "a cafe . the mills !", "mill mill mill"];

function makeEmbedder(
  changes: Partial<EmbedderConfig> = {},
  precision: Embedder["precision"] = "exact",
): Embedder {
  const config = { pooling: "mean", normalize: true, maxTokens: 20, prompts: {} } as const;
  const tokenizer = tokenizerFromJson({ tokenizer: smallTokenizer() });
  const encoder = smallEncoder(encoderReferences.bert);
  return new Embedder("small", encoder, tokenizer, { ...config, ...changes }, precision);
}

/** The rows of a text's tokens, in float64. */
function rowsOf(embedder: Embedder, text: string): number[][] {
  using encoder = smallEncoder(encoderReferences.bert);
  const ids = embedder.tokenizer.encode(text, { maxTokens: embedder.config.maxTokens });
  const flat = encoderRows(encoder, [ids]);
  return Array.from(ids, (_, i) => Array.from(flat.subarray(i * dim, (i + 1) * dim)));
}

const poolings: Record<EmbedderConfig["pooling"], (rows: number[][]) => number[]> = {
  mean: (rows) =>
    rows[0].map((_, column) => rows.reduce((sum, row) => sum + row[column], 0) / rows.length),
  cls: (rows) => rows[0],
  last: (rows) => rows.at(-1)!,
  max: (rows) => rows[0].map((_, column) => Math.max(...rows.map((row) => row[column]))),
};

function normalized(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

function assertNear(got: ArrayLike<number>, expected: readonly number[]): void {
  assertEquals(got.length, expected.length);
  expected.forEach((value, i) => assertAlmostEquals(got[i], value, 1e-6));
}

for (const [pooling, combine] of Object.entries(poolings)) {
  Deno.test(`embed() with pooling by ${pooling} gives vectors of length 1, or as they are`, async () => {
    using embedder = makeEmbedder({ pooling: pooling as EmbedderConfig["pooling"] });
    const vectors = await embedder.embed(texts);
    const plain = await embedder.embed(texts, { normalize: false });
    assertEquals([vectors.rows, vectors.dimensions], [texts.length, dim]);
    texts.forEach((text, i) => {
      const expected = combine(rowsOf(embedder, text));
      assertNear(vectors.row(i), normalized(expected));
      assertNear(plain.row(i), expected);
    });
  });
}

Deno.test("embed() gives a text the same bits in any batch, and keeps the order of texts", async () => {
  using embedder = makeEmbedder();
  const many = Array.from({ length: 700 }, (_, i) => texts[i % texts.length]);
  const vectors = await embedder.embed(many);
  const alone = await Promise.all(texts.map((text) => embedder.embed([text])));
  [...vectors].forEach((vector, i) => assertEquals(vector, alone[i % texts.length].data));
});

Deno.test("an embedder in fast precision gives nearly the same, with the same bits in any batch", async () => {
  using exact = makeEmbedder();
  using fast = makeEmbedder({}, "fast");
  const expected = await exact.embed(texts);
  const vectors = await fast.embed(texts);
  for (const [i, text] of texts.entries()) {
    const likeness = vectors.row(i).reduce((sum, v, j) => sum + v * expected.row(i)[j], 0);
    assert(likeness > 0.999, `${text}: ${likeness}`);
    assertEquals((await fast.embed([text])).data, vectors.row(i).slice());
  }
  const load = () => Embedder.load("minilm", { precision: "some" as "fast" });
  await assertRejects(load, TypeError, "not some");
});

Deno.test("embedStream() gives what embed() gives, and takes few texts ahead", async () => {
  using embedder = makeEmbedder();
  let taken = 0;
  async function* source() {
    for (let i = 0; i < 1000; i++) {
      taken++;
      yield await Promise.resolve(texts[i % texts.length]);
    }
  }
  const expected = await embedder.embed(texts);
  let given = 0;
  for await (const vector of embedder.embedStream(source())) {
    assertEquals(vector, expected.row(given % texts.length));
    given++;
    assert(taken - given <= 256, `${taken} taken, ${given} given`);
  }
  assertEquals(given, 1000);
});

Deno.test("embed() cuts vectors before it makes them of length 1", async () => {
  using embedder = makeEmbedder();
  const whole = await embedder.embed(texts, { normalize: false });
  const cut = await embedder.embed(texts, { dimensions: 5 });
  assertEquals(cut.dimensions, 5);
  texts.forEach((_, i) => {
    assertNear(cut.row(i), normalized(Array.from(whole.row(i).subarray(0, 5))));
  });
  for (const dimensions of [0, 17, 2.5, NaN]) {
    await assertRejects(() => embedder.embed(texts, { dimensions }), RangeError, "from 1 to 16");
  }
});

Deno.test("embed() puts prompts before texts, by name or as they are", async () => {
  using embedder = makeEmbedder({ prompts: { query: "the mill " }, defaultPrompt: "query" });
  const expected = await embedder.embed(["the mill cafe"], { prompt: "" });
  for (const prompt of [undefined, "query", "the mill "]) {
    assertEquals((await embedder.embed(["cafe"], { prompt })).data, expected.data);
  }
  const named = await embedder.embed(["cafe"], { prompt: "toString" });
  assert(named.data.every(Number.isFinite));
});

Deno.test("embed() ends with the signal's reason, and the next call works", async () => {
  using embedder = makeEmbedder();
  const controller = new AbortController();
  const many = Array.from({ length: 5000 }, () => texts[2]);
  const onProgress = () => controller.abort(new Error("enough"));
  const aborted = embedder.embed(many, { signal: controller.signal, onProgress });
  await assertRejects(() => aborted, Error, "enough");
  assertEquals((await embedder.embed(texts)).rows, texts.length);
});

Deno.test("embed() tells how many texts are done", async () => {
  using embedder = makeEmbedder();
  const reports: number[] = [];
  await embedder.embed(texts, {
    onProgress: ({ completed, total, unit }) => {
      assertEquals([total, unit], [texts.length, "texts"]);
      reports.push(completed);
    },
  });
  assertEquals([reports[0], reports.at(-1)], [0, texts.length]);
  assertEquals((await embedder.embed([])).rows, 0);
});

Deno.test("an embedder gives all memory back, and refuses to be used after that", async () => {
  const { liveBytes } = pool.stats();
  const embedder = makeEmbedder();
  await embedder.embed(texts);
  const running = embedder.embed(Array.from({ length: 2000 }, () => texts[2]));
  embedder[Symbol.dispose]();
  embedder[Symbol.dispose]();
  await assertRejects(() => running, DisposedError, "small");
  await assertRejects(() => embedder.embed(texts), DisposedError, "small");
  assertEquals([embedder.disposed, pool.stats().liveBytes], [true, liveBytes]);
});

Deno.test("embedStream() stops at once when its signal is aborted, also between two vectors", async () => {
  using embedder = makeEmbedder();
  const controller = new AbortController();
  const { signal } = controller;
  let taken = 0;
  let ended = false;
  function* endless() {
    try {
      for (;;) yield texts[taken++ % texts.length];
    } finally {
      ended = true;
    }
  }
  let given = 0;
  const use = async () => {
    for await (const _ of embedder.embedStream(endless(), { signal })) {
      if (++given === 1000) controller.abort(new Error("enough"));
    }
  };
  await assertRejects(use, Error, "enough");
  assertEquals([given, taken, ended], [1000, 1024, true]);
});

Deno.test("embedStream() lets timers run, however short its batches are", async () => {
  using embedder = makeEmbedder();
  const controller = new AbortController();
  function* endless() {
    for (;;) yield "mill";
  }
  setTimeout(() => controller.abort(new Error("enough")), 20);
  const stream = embedder.embedStream(endless(), { signal: controller.signal });
  await assertRejects(() => Array.fromAsync(stream, () => 0), Error, "enough");
});
