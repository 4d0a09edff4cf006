/**
 * Sentence encoders from the files of BERT and those that share its names, and the names under
 * which what was trained goes back.
 */
import { type MLPActivation, zeros } from "../nn/mod.ts";
import { concatenate } from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { bertPrefix, positionBehindPadding, readBertConfig, readPositions } from "./bert.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import { SentenceEncoder, type SentenceEncoderOptions } from "./sentence_encoder.ts";
import { type StoredTensors, Weights } from "./weights.ts";

/** What becomes of an encoder's rows, and how it is trained. */
export type SentenceEncoderUse = Pick<
  SentenceEncoderOptions,
  "pooling" | "normalize" | "dropout" | "seed"
>;

/** Tensors of a file whose names are known. */
export interface ListedTensors extends StoredTensors {
  /** All names. */
  readonly names: readonly string[];
}

/** How many positions stand for no token, by the name that `config.json` gives. */
const firstPositions: ReadonlyMap<string, (file: Hyperparameters) => number> = new Map([
  ["bert", () => 0],
  ["roberta", positionBehindPadding],
  ["xlm-roberta", positionBehindPadding],
  ["camembert", positionBehindPadding],
]);

function firstPositionOf(file: Hyperparameters): number {
  const type = file.text("model_type");
  const find = firstPositions.get(type ?? "");
  if (find !== undefined) return find(file);
  return file.unsupported(
    `training the architecture ${JSON.stringify(type ?? "(none)")}, other than ` +
      [...firstPositions.keys()].join(", "),
  );
}

/** The layers of a block, as the module and the files call them. */
const blockNames: Readonly<Record<string, string>> = {
  "attention.query": "attention.self.query",
  "attention.key": "attention.self.key",
  "attention.value": "attention.self.value",
  "attention.output": "attention.output.dense",
  "attentionNorm": "attention.output.LayerNorm",
  "mlp.up": "intermediate.dense",
  "mlp.down": "output.dense",
  "mlpNorm": "output.LayerNorm",
};

/** The other layers. */
const outerNames: Readonly<Record<string, string>> = {
  "tokens": "embeddings.word_embeddings",
  "positions": "embeddings.position_embeddings",
  "types": "embeddings.token_type_embeddings",
  "norm": "embeddings.LayerNorm",
};

/** The functions of feed-forward layers that can be trained, by their names in `linear`. */
const activations: Readonly<Record<string, MLPActivation>> = {
  gelu_erf: "gelu",
  gelu_tanh: "gelu_tanh",
  relu: "relu",
  silu: "silu",
};

const POSITIONS = "positions.weight";

/**
 * What BERT's files call a layer of a sentence encoder, without what all names may begin with.
 *
 * @param path The layer's path, such as `blocks.0.attention.query`.
 * @returns Its name, such as `encoder.layer.0.attention.self.query`; undefined where it is no
 * layer of theirs.
 */
export function bertLayerName(path: string): string | undefined {
  const [, index, part] = /^blocks\.(\d+)\.(.+)$/.exec(path) ?? [];
  if (index === undefined) return outerNames[path];
  return blockNames[part] && `encoder.layer.${index}.${blockNames[part]}`;
}

/** What the files call a parameter. */
function storedName(name: string): string | undefined {
  const at = name.lastIndexOf(".");
  const layer = bertLayerName(name.slice(0, at));
  return layer && layer + name.slice(at);
}

/**
 * Makes a sentence encoder of a model's files, in float32.
 *
 * @param file The values of `config.json`.
 * @param stored The tensors, which are copied.
 * @param use What becomes of the rows.
 * @returns The encoder, the caller's to dispose of.
 * @throws {SyntaxError} When a file contradicts itself.
 * @throws {RangeError} When the architecture is none that can be trained.
 */
export function readSentenceEncoder(
  file: Hyperparameters,
  stored: StoredTensors,
  use: SentenceEncoderUse = {},
): SentenceEncoder {
  using weights = new Weights(stored);
  const first = firstPositionOf(file);
  const config = readBertConfig(file, first);
  const { vocabularySize, dim, layers, heads, feedForward, contextLength, epsilon } = config;
  const prefix = bertPrefix(weights);
  const encoder = new SentenceEncoder({
    ...{ vocabularySize, dim, layers, heads, hidden: feedForward, contextLength, epsilon },
    activation: activations[config.activation],
    types: weights.rows(prefix + storedName("types.weight")),
    weight: zeros,
    ...use,
  });
  const read = (own: string, { shape }: Tensor): Tensor => {
    const name = prefix + storedName(own);
    if (own === POSITIONS) return readPositions(weights, name, first, config);
    // Some files have products without biases.
    const isLeftOut = own.endsWith(".bias") && !/norm\.bias$/i.test(own) && !weights.has(name);
    return isLeftOut ? weights.own(Tensor.zeros(shape)) : weights.widened(name, shape);
  };
  try {
    for (const [own, tensor] of Object.entries(encoder.parameters())) {
      encoder.load({ [own]: read(own, tensor) }, { strict: false });
    }
    return encoder;
  } catch (error) {
    encoder.dispose();
    throw error;
  }
}

/**
 * What the files of a trained encoder hold: its own tensors in place of those that it was read
 * from, and all others as they are.
 *
 * @param encoder The encoder, without adapters.
 * @param file The values of `config.json`.
 * @param stored The tensors that it was read from.
 * @param weights What owns the tensors that are made for this.
 * @returns Borrowed tensors by name.
 * @throws {Error} When there are adapters that the weights do not hold.
 */
export function sentenceEncoderTensors(
  encoder: SentenceEncoder,
  file: Hyperparameters,
  stored: ListedTensors,
  weights: Weights,
): Map<string, Tensor> {
  const prefix = bertPrefix(weights);
  const tensors = new Map<string, Tensor>();
  for (const [own, tensor] of Object.entries(encoder.state())) {
    if (own.includes(".adapter.")) {
      throw new Error(`SentenceEncoder: ${own} has no place in a file; merge the adapters before`);
    }
    const name = storedName(own);
    if (name === undefined) continue;
    const isPositions = own === POSITIONS;
    tensors.set(prefix + name, isPositions ? allPositions(encoder, file, weights) : tensor);
  }
  for (const name of stored.names) {
    if (!tensors.has(name)) tensors.set(name, weights.own(stored.open(name)));
  }
  return tensors;
}

/** The table of positions, with those that stand for no token. */
function allPositions(encoder: SentenceEncoder, file: Hyperparameters, weights: Weights): Tensor {
  const { weight } = encoder.positions;
  const first = firstPositionOf(file);
  if (first === 0) return weight;
  const [count, dim] = weight.shape;
  const before = weights.widened(bertPrefix(weights) + storedName(POSITIONS), [first + count, dim]);
  using none = before.slice(0, first);
  using own = weight.detach();
  return weights.own(concatenate([none, own]));
}
