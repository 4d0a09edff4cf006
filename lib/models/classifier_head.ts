/**
 * What a classifier has behind its encoder: a product and a function of the first token's
 * row, then a product with one result a label. BERT (Devlin et al., 2019), RoBERTa and MPNet,
 * and DistilBERT name these differently, and DistilBERT's function is another.
 */
import { linear, relu, tanh } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { Dense } from "./encoder.ts";
import { readDense } from "./encoder_weights.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { Weights } from "./weights.ts";

/** What is made of the scores of labels: how likely each is, alone or among all, or nothing. */
export type ScoreFunction = "softmax" | "sigmoid" | "none";

/** A classifier's head. */
export interface ClassifierHead {
  /** `[dim, dim]`. */
  readonly first: Dense;
  /** Between the two products. */
  readonly activation: "tanh" | "relu";
  /** `[labels, dim]`. */
  readonly last: Dense;
  /** The names of labels, in the order of scores. */
  readonly labels: readonly string[];
  /** What becomes of the scores. */
  readonly scores: ScoreFunction;
}

/** The names of the two products, and what is between them. */
const layouts: readonly [first: string, activation: "tanh" | "relu", last: string][] = [
  ["classifier.dense", "tanh", "classifier.out_proj"],
  ["pre_classifier", "relu", "classifier"],
  ["bert.pooler.dense", "tanh", "classifier"],
];

/**
 * Finds a classifier's head among a model's weights.
 *
 * @param file The file's hyperparameters: `id2label` and `problem_type`.
 * @param weights The file's tensors, which own the head's.
 * @param dim Elements of the encoder's rows.
 * @returns The head.
 * @throws {SyntaxError} When the model has none.
 */
export function readClassifierHead(
  file: Hyperparameters,
  weights: Weights,
  dim: number,
): ClassifierHead {
  const layout = layouts.find(([first, , last]) =>
    weights.has(`${first}.weight`) && weights.has(`${last}.weight`)
  );
  if (layout === undefined) {
    return file.malformed(
      "the model beside it has no classifier's weights; Embedder loads models without them",
    );
  }
  const [first, activation, last] = layout;
  const count = weights.rows(`${last}.weight`);
  return {
    first: readDense(weights, first, dim, dim),
    activation,
    last: readDense(weights, last, count, dim),
    labels: readLabels(file, count),
    scores: readScoreFunction(file, count),
  };
}

function readLabels(file: Hyperparameters, count: number): string[] {
  const names = file.object("id2label");
  return Array.from({ length: count }, (_, i) => {
    const name = Object.hasOwn(names, i) ? names[i] : undefined;
    return typeof name === "string" ? name : `LABEL_${i}`;
  });
}

/** As the text classification pipeline of transformers chooses it. */
function readScoreFunction(file: Hyperparameters, count: number): ScoreFunction {
  const problem = file.text("problem_type");
  if (problem === "regression") return "none";
  if (problem === "multi_label_classification") return "sigmoid";
  if (count > 1) return "softmax";
  // sentence-transformers notes in this place what a cross-encoder's score goes through.
  const noted = file.object("sentence_transformers").activation_fn ??
    file.text("sbert_ce_default_activation_function");
  return typeof noted === "string" && noted.endsWith("Identity") ? "none" : "sigmoid";
}

/**
 * The scores of labels, before `ClassifierHead.scores`.
 *
 * @param head The head.
 * @param rows `[sequences, dim]`: the rows of the sequences' first tokens.
 * @returns `[sequences, labels]`, the caller's to dispose of.
 */
export function classifyRows(head: ClassifierHead, rows: Tensor<"float32">): Tensor<"float32"> {
  const { first, activation, last } = head;
  using hidden = linear(rows, first.weight, { bias: first.bias });
  if (activation === "tanh") tanh(hidden, { out: hidden });
  else relu(hidden, { out: hidden });
  return linear(hidden, last.weight, { bias: last.bias });
}
