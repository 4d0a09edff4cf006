/**
 * What the files of encoders have in common: how products and norms are stored, and
 * how their functions are named.
 */
import type { Activation } from "../ops/mod.ts";
import type { Dense, Encoder, EncoderConfig, EncoderLayer, Norm } from "./encoder.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { Weights } from "./weights.ts";

/** Makes an encoder from a file's hyperparameters and weights, which it takes over. */
export type EncoderArchitecture = (config: Hyperparameters, weights: Weights) => Encoder;

/**
 * What the names of a file's tensors begin with: models with a head for some task keep
 * the encoder's below its name.
 *
 * @param weights The file's tensors.
 * @param prefixes What there may be; nothing is tried first.
 * @returns The prefix, empty where none fits.
 */
export function findPrefix(weights: Weights, prefixes: readonly string[]): string {
  const fits = (prefix: string) => weights.has(`${prefix}embeddings.word_embeddings.weight`);
  return ["", ...prefixes].find(fits) ?? "";
}

/**
 * A product's weight, and its bias where there is one.
 *
 * @param weights The file's tensors.
 * @param name Their common name.
 * @param outputs How many elements the product makes of a row.
 * @param inputs How many it takes.
 * @returns Both, in float32.
 */
export function readDense(weights: Weights, name: string, outputs: number, inputs: number): Dense {
  const weight = weights.widened(`${name}.weight`, [outputs, inputs]);
  const bias = weights.has(`${name}.bias`) ? weights.widened(`${name}.bias`, [outputs]) : undefined;
  return { weight, bias };
}

/**
 * The products that a file stores as one, below each other.
 *
 * @param weights The file's tensors, which own the parts too.
 * @param together All of them.
 * @param count How many.
 * @returns Views of their rows.
 */
export function splitDense(weights: Weights, together: Dense, count: number): Dense[] {
  const rows = together.weight.shape[0] / count;
  return Array.from({ length: count }, (_, i) => ({
    weight: weights.own(together.weight.slice(i * rows, (i + 1) * rows)),
    bias: together.bias && weights.own(together.bias.slice(i * rows, (i + 1) * rows)),
  }));
}

/**
 * A norm's scale and shift.
 *
 * @param weights The file's tensors.
 * @param name Their common name.
 * @param dim Elements of a row.
 * @returns Both, in float32.
 */
export function readNorm(weights: Weights, name: string, dim: number): Norm {
  return {
    weight: weights.widened(`${name}.weight`, [dim]),
    bias: weights.widened(`${name}.bias`, [dim]),
  };
}

/** What a file calls the parts of a layer, below the layer's own name. */
export type LayerNames = Readonly<Record<Exclude<keyof EncoderLayer, "gate">, string>>;

/**
 * The layers of a file that stores every part of them by itself.
 *
 * @param weights The file's tensors.
 * @param stem What the names of layers begin with; their numbers follow.
 * @param names Those of the parts.
 * @param config The encoder's sizes.
 * @returns One after the other.
 */
export function readLayers(
  weights: Weights,
  stem: string,
  names: LayerNames,
  { layers, dim, feedForward }: EncoderConfig,
): EncoderLayer[] {
  return Array.from({ length: layers }, (_, layer) => {
    const name = (part: keyof LayerNames) => `${stem}.${layer}.${names[part]}`;
    return {
      query: readDense(weights, name("query"), dim, dim),
      key: readDense(weights, name("key"), dim, dim),
      value: readDense(weights, name("value"), dim, dim),
      attended: readDense(weights, name("attended"), dim, dim),
      attentionNorm: readNorm(weights, name("attentionNorm"), dim),
      up: readDense(weights, name("up"), feedForward, dim),
      down: readDense(weights, name("down"), dim, feedForward),
      outputNorm: readNorm(weights, name("outputNorm"), dim),
    };
  });
}

/**
 * A table with a row for each type of token, which some files do without.
 *
 * @param weights The file's tensors.
 * @param name The table's name.
 * @param dim Elements of a row.
 * @returns `[types, dim]`; undefined when there is no such table.
 */
export function readTable(
  weights: Weights,
  name: string,
  dim: number,
): Tensor<"float32"> | undefined {
  return weights.has(name) ? weights.widened(name, [weights.rows(name), dim]) : undefined;
}

const activations: Readonly<Record<string, Activation>> = {
  gelu: "gelu_erf",
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  relu: "relu",
  silu: "silu",
  swish: "silu",
};

/**
 * The function between the two products of a feed-forward layer.
 *
 * @param config The file's hyperparameters.
 * @param key What the file calls it.
 * @returns Its name here.
 * @throws {RangeError} When it is not supported.
 */
export function readActivation(config: Hyperparameters, key: string): Activation {
  const name = config.text(key) ?? "gelu";
  if (Object.hasOwn(activations, name)) return activations[name];
  return config.unsupported(`the activation ${name}`);
}

/**
 * Checks that heads share a row evenly.
 *
 * @param config The file's hyperparameters.
 * @param dim Elements of the residual stream.
 * @param heads How many heads share them.
 * @throws {SyntaxError} When they cannot share them evenly.
 */
export function checkHeads(config: Hyperparameters, dim: number, heads: number): void {
  if (dim % heads !== 0) config.malformed(`${heads} heads cannot share ${dim} elements evenly`);
}
