/**
 * Small encoders whose weights are a formula of their names, so that only what PyTorch
 * makes of them is in tests/data/encoders_reference.json; encoders_reference.py beside it
 * made that in float64 with transformers 4.57.1 (Nomic's with its paper's equations).
 */
import type { DType } from "../../lib/core/dtype.ts";
import type { Shape } from "../../lib/core/shape.ts";
import {
  type Encoder,
  encoderArchitecture,
  Hyperparameters,
  type StoredTensors,
  Weights,
} from "../../lib/models/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import reference from "../data/encoders_reference.json" with { type: "json" };

/** A model, and the last layer's rows that PyTorch makes of three sequences. */
export interface EncoderReference {
  readonly config: Readonly<Record<string, unknown>>;
  readonly shapes: Readonly<Record<string, number[]>>;
  readonly hidden: readonly number[][][];
}

/** By name. */
export const encoderReferences: Readonly<Record<string, EncoderReference>> = reference;

/** The names of norms' tensors. */
export const normName = /norm|emb_ln/i;

/** Tensors of any shape whose elements are a formula of their name and place. */
export class Formula implements StoredTensors {
  readonly name = "formula";
  readonly #shapes: ReadonlyMap<string, Shape>;

  constructor(shapes: ReadonlyMap<string, Shape>) {
    this.#shapes = shapes;
  }

  shape(name: string): Shape | undefined {
    return this.#shapes.get(name);
  }

  open(name: string): Tensor<DType> {
    const shape = this.#shapes.get(name)!;
    const seed = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
    const isScale = normName.test(name) && name.endsWith("weight");
    const tensor = Tensor.empty(shape);
    const { data } = tensor;
    for (let i = 0; i < data.length; i++) {
      data[i] = (isScale ? 1 : 0) + 0.35 * Math.sin(0.7 * (i + 1) + seed);
    }
    return tensor;
  }
}

/** Builds an encoder of the formula. */
export function smallEncoder(
  { config, shapes }: Pick<EncoderReference, "config" | "shapes">,
): Encoder {
  const weights = new Weights(new Formula(new Map(Object.entries(shapes))));
  try {
    const values = new Hyperparameters("config.json", (key) => config[key]);
    return encoderArchitecture(config.model_type, "config.json")(values, weights);
  } catch (error) {
    weights[Symbol.dispose]();
    throw error;
  }
}

/** The last layer's rows of sequences that run together. */
export function encoderRows(
  encoder: Encoder,
  together: readonly ArrayLike<number>[],
): Float32Array {
  const offsets = [0];
  for (const ids of together) offsets.push(offsets.at(-1)! + ids.length);
  const ids = together.flatMap((one) => Array.from(one));
  const pass = encoder.forward({ ids, offsets });
  for (;;) {
    const { done, value } = pass.next();
    if (done) return value.data.slice();
  }
}
