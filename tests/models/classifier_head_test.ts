/**
 * Classifiers' heads against PyTorch in float64; see tests/support/small_classifier.ts.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import "../support/native.ts";
import {
  classifierReferences,
  classifierSequences,
  smallClassifier,
} from "../support/small_classifier.ts";
import { pool } from "../../lib/memory/mod.ts";
import { classifyRows, type Encoder, type ScoreFunction } from "../../lib/models/mod.ts";
import type { Tensor } from "../../lib/tensor/mod.ts";

/** The rows of the first tokens of sequences that run together. */
function firstRows(
  encoder: Encoder,
  sequences: readonly { ids: number[]; typeIds: number[] }[],
  use: (row: Tensor<"float32">, i: number) => void,
): void {
  const offsets = [0];
  for (const { ids } of sequences) offsets.push(offsets.at(-1)! + ids.length);
  const [ids, typeIds] = [
    sequences.flatMap(({ ids }) => ids),
    sequences.flatMap(({ typeIds }) => typeIds),
  ];
  const pass = encoder.forward({ ids, typeIds, offsets });
  let step = pass.next();
  while (!step.done) step = pass.next();
  for (let i = 0; i < sequences.length; i++) {
    using row = step.value.slice(offsets[i], offsets[i] + 1);
    use(row, i);
  }
}

for (const [name, entry] of Object.entries(classifierReferences)) {
  Deno.test(`the head of ${name} gives the scores of PyTorch's`, () => {
    const { encoder, head } = smallClassifier(entry);
    using _ = encoder;
    firstRows(encoder, classifierSequences, (row, i) => {
      using scores = classifyRows(head, row);
      const worst = Math.max(
        ...entry.logits[i].map((value, label) => Math.abs(value - scores.data[label])),
      );
      assertEquals(scores.size, entry.logits[i].length);
      assert(worst < 2e-6, `${i}: ${worst}`);
    });
  });

  Deno.test(`the head of ${name} leaves nothing behind, whole or not`, () => {
    const { liveBytes } = pool.stats();
    smallClassifier(entry).encoder[Symbol.dispose]();
    for (const missing of Object.keys(entry.shapes).filter((key) => /pooler|classif/.test(key))) {
      const { [missing]: _, ...shapes } = entry.shapes;
      if (missing.endsWith(".bias")) {
        smallClassifier({ ...entry, shapes }).encoder[Symbol.dispose]();
      } else assertThrows(() => smallClassifier({ ...entry, shapes }), SyntaxError, "classifier");
    }
    assertEquals(pool.stats().liveBytes, liveBytes);
  });
}

Deno.test("types of tokens change what BERT gives, and nothing in models without them", () => {
  for (const [name, entry] of Object.entries(classifierReferences)) {
    const { encoder } = smallClassifier(entry);
    using _ = encoder;
    const [, , pair] = classifierSequences;
    const rows: number[][] = [];
    for (const typeIds of [pair.typeIds, pair.typeIds.map(() => 0)]) {
      firstRows(encoder, [{ ids: pair.ids, typeIds }], (row) => rows.push([...row.data]));
    }
    assertEquals(rows[0].join() !== rows[1].join(), name.startsWith("bert"), name);
  }
});

Deno.test("labels and what becomes of scores are what the model's file says", () => {
  const read = (name: string, changes: Record<string, unknown> = {}) => {
    const entry = classifierReferences[name];
    const { encoder, head } = smallClassifier({
      shapes: entry.shapes,
      config: { ...entry.config, ...changes },
    });
    encoder[Symbol.dispose]();
    return head;
  };
  assertEquals(read("bert").labels, ["bad", "so so", "good"]);
  assertEquals(read("bert", { id2label: undefined }).labels, ["LABEL_0", "LABEL_1", "LABEL_2"]);
  assertEquals(read("bert", { id2label: { 1: "b", 2: 7 } }).labels, ["LABEL_0", "b", "LABEL_2"]);
  const identity = "torch.nn.modules.linear.Identity";
  const single = "bert, one label";
  const expected: [ScoreFunction, string, Record<string, unknown>?][] = [
    ["softmax", "bert"],
    ["softmax", "distilbert", { problem_type: "single_label_classification" }],
    ["sigmoid", "roberta"],
    ["none", "mpnet"],
    ["sigmoid", single],
    ["none", single, { problem_type: "regression" }],
    ["none", single, { sentence_transformers: { activation_fn: identity } }],
    ["none", single, { sbert_ce_default_activation_function: identity }],
    ["sigmoid", single, { sentence_transformers: { activation_fn: "torch.nn.Sigmoid" } }],
    ["softmax", "bert", { sentence_transformers: { activation_fn: identity } }],
  ];
  for (const [scores, name, changes] of expected) assertEquals(read(name, changes).scores, scores);
});
