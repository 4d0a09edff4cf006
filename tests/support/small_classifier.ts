/**
 * Small classifiers whose weights are a formula of their names, as in small_encoder.ts; only
 * what PyTorch makes of them is in tests/data/classifiers_reference.json; encoders_reference.py
 * beside it made that in float64 with transformers 4.57.1, its `…ForSequenceClassification`.
 */
import {
  type ClassifierHead,
  type Encoder,
  encoderArchitecture,
  Hyperparameters,
  readClassifierHead,
  Weights,
} from "../../lib/models/mod.ts";
import reference from "../data/classifiers_reference.json" with { type: "json" };
import { Formula } from "./small_encoder.ts";

/** A model, and the scores that PyTorch makes of each of `classifierSequences`. */
export interface ClassifierReference {
  readonly config: Readonly<Record<string, unknown>>;
  readonly shapes: Readonly<Record<string, number[]>>;
  readonly logits: readonly number[][];
}

/** By name. */
export const classifierReferences: Readonly<Record<string, ClassifierReference>> = reference;

/** Tokens, and the type of each for the models that have types. */
export const classifierSequences: readonly { ids: number[]; typeIds: number[] }[] = [
  { ids: [3, 5, 9, 12], typeIds: [0, 0, 0, 0] },
  { ids: [7], typeIds: [0] },
  { ids: [2, 5, 3, 30, 11, 3], typeIds: [0, 0, 0, 1, 1, 1] },
  {
    ids: [2, 4, 6, 8, 10, 12, 14, 3, 21, 22, 23, 24, 25, 26, 3],
    typeIds: [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1],
  },
];

/** Builds a classifier of the formula; the encoder owns the weights of both. */
export function smallClassifier(
  { config, shapes }: Pick<ClassifierReference, "config" | "shapes">,
): { encoder: Encoder; head: ClassifierHead } {
  const weights = new Weights(new Formula(new Map(Object.entries(shapes))));
  try {
    const values = new Hyperparameters("config.json", (key) => config[key]);
    const encoder = encoderArchitecture(config.model_type, "config.json")(values, weights);
    return { encoder, head: readClassifierHead(values, weights, encoder.config.dim) };
  } catch (error) {
    weights[Symbol.dispose]();
    throw error;
  }
}
