/**
 * Classifiers and cross-encoders over small models: pairs, batches, scores, and bad calls.
 */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { withoutLeaksAsync } from "../support/native.ts";
import { classifierReferences, smallClassifier } from "../support/small_classifier.ts";
import { smallTokenizer } from "../tokenizers/small_tokenizer.ts";
import { DisposedError } from "../../lib/core/errors.ts";
import { classifyRows } from "../../lib/models/mod.ts";
import { type ClassifierInput, TextClassifier } from "../../lib/runtime/mod.ts";
import { tokenizerFromJson } from "../../lib/tokenizers/mod.ts";

const texts: ClassifierInput[] = [
  "the mill",
  "",
  ["the mill", "a cafe . the mills !"],
  ["", "cafe"],
  "a cafe . the mills !",
  // Together more than the 20 tokens of the model: the longer loses its end.
  ["mill mill mill", "the the the the the the the the the the the the the the the the the the"],
];

const tokenizer = () => tokenizerFromJson({ tokenizer: smallTokenizer() });

function makeClassifier(name: string): TextClassifier {
  const { encoder, head } = smallClassifier(classifierReferences[name]);
  return new TextClassifier("small", encoder, head, tokenizer());
}

/** The scores before any function, from the model alone. */
function plainScores(name: string, ids: ArrayLike<number>, typeIds: ArrayLike<number>): number[] {
  const { encoder, head } = smallClassifier(classifierReferences[name]);
  using _ = encoder;
  const pass = encoder.forward({ ids, typeIds, offsets: [0, ids.length] });
  let step = pass.next();
  while (!step.done) step = pass.next();
  using row = step.value.slice(0, 1);
  using scores = classifyRows(head, row);
  return [...scores.data];
}

const functions: Record<string, (scores: number[]) => number[]> = {
  bert: (scores) => {
    const all = scores.map(Math.exp);
    return all.map((one) => one / all.reduce((sum, value) => sum + value, 0));
  },
  roberta: (scores) => scores.map((score) => 1 / (1 + Math.exp(-score))),
  mpnet: (scores) => scores,
  "bert, one label": (scores) => scores.map((score) => 1 / (1 + Math.exp(-score))),
};

for (const [name, finish] of Object.entries(functions)) {
  Deno.test(
    `classify() gives the labels and scores of ${name}, of texts and pairs`,
    withoutLeaksAsync(async () => {
      using classifier = makeClassifier(name);
      const found = await classifier.classify(texts);
      assertEquals(found.length, texts.length);
      texts.forEach((text, i) => {
        const { ids, typeIds } = typeof text === "string"
          ? { ids: tokenizer().encode(text, { maxTokens: 20 }), typeIds: new Uint8Array(20) }
          : tokenizer().encodePair(...text, { maxTokens: 20 });
        const scores = finish(plainScores(name, ids, typeIds.subarray(0, ids.length)));
        scores.forEach((score, j) => assertAlmostEquals(found[i].scores[j], score, 1e-6));
        const best = scores.indexOf(Math.max(...scores));
        assertEquals(found[i].label, classifier.labels[best]);
        assertEquals(found[i].score, found[i].scores[best]);
      });
    }),
  );
}

Deno.test("classify() gives a text the same bits in any batch, and keeps the order", async () => {
  using classifier = makeClassifier("bert");
  const many = Array.from({ length: 400 }, (_, i) => texts[i % texts.length]);
  const alone = await Promise.all(texts.map((text) => classifier.classify([text])));
  const reports: number[] = [];
  const found = await classifier.classify(many, {
    onProgress: ({ completed }) => void reports.push(completed),
  });
  found.forEach(({ scores }, i) => assertEquals(scores, alone[i % texts.length][0].scores));
  assertEquals([reports[0], reports.at(-1), await classifier.classify([])], [0, 400, []]);
});

Deno.test("rank() puts the best first, and of equals the first", async () => {
  using reranker = makeClassifier("bert, one label");
  const documents = ["a cafe", "the mill !", "a cafe", "mills", "the mill !"];
  const ranked = await reranker.rank("the mill", documents);
  const pairs = documents.map((text) => ["the mill", text] as const);
  const scores = (await reranker.classify(pairs)).map(({ score }) => score);
  const expected = scores.map((score, index) => ({ index, score, text: documents[index] }))
    .toSorted((a, b) => b.score - a.score);
  assertEquals(ranked, expected);
  assert(scores[0] !== scores[1]);
  assertEquals(await reranker.rank("the mill", documents, { topK: 2 }), expected.slice(0, 2));
  assertEquals(await reranker.rank("the mill", []), []);
  await assertRejects(() => reranker.rank("", documents, { topK: -1 }), RangeError, "topK");
  using other = makeClassifier("bert");
  await assertRejects(() => other.rank("", documents), RangeError, "small has 3 labels");
});

Deno.test(
  "a classifier ends with the signal's reason, and gives all memory back",
  withoutLeaksAsync(async () => {
    const classifier = makeClassifier("distilbert");
    const many = Array.from({ length: 3000 }, () => texts[2]);
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error("enough"));
    const aborted = classifier.classify(many, { signal: controller.signal, onProgress });
    await assertRejects(() => aborted, Error, "enough");
    assertEquals((await classifier.classify(["mill"])).length, 1);
    const running = classifier.classify(many);
    classifier[Symbol.dispose]();
    classifier[Symbol.dispose]();
    await assertRejects(() => running, DisposedError, "small");
    await assertRejects(() => classifier.classify(texts), DisposedError, "small");
    assert(classifier.disposed);
  }),
);
