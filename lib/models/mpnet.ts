/**
 * MPNet (Song et al., 2020): BERT whose scores get a bias that depends on how far
 * apart two tokens are, in buckets as T5 has them (Raffel et al., 2020).
 */
import { Tensor } from "../tensor/mod.ts";
import { Encoder, type EncoderConfig, type EncoderLayer } from "./encoder.ts";
import {
  checkHeads,
  type EncoderArchitecture,
  findPrefix,
  readActivation,
  readDense,
  readNorm,
} from "./encoder_weights.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { Weights } from "./weights.ts";

/** The first position of a token: 0 is that of none, 1 that of padding. */
const firstPosition = 2;
/** Beyond this distance all are in one bucket. */
const farthest = 128;

/** Makes MPNet. */
export const mpnet: EncoderArchitecture = (file, weights) => {
  const config = readConfig(file);
  const { dim, heads, layers, vocabularySize, contextLength } = config;
  const prefix = findPrefix(weights, ["mpnet."]);
  const embeddings = `${prefix}embeddings`;
  const positions = weights.widened(
    `${embeddings}.position_embeddings.weight`,
    [contextLength + firstPosition, dim],
  );
  const buckets = file.size("relative_attention_num_buckets", 32);
  const table = weights.widened(
    `${prefix}encoder.relative_attention_bias.weight`,
    [buckets, heads],
  );
  const read = {
    tokens: weights.tensor(`${embeddings}.word_embeddings.weight`, [vocabularySize, dim]),
    positions: weights.own(positions.slice(firstPosition)),
    everywhere: undefined,
    embeddingNorm: readNorm(weights, `${embeddings}.LayerNorm`, dim),
    layers: Array.from(
      { length: layers },
      (_, i) => readLayer(weights, `${prefix}encoder.layer.${i}`, config),
    ),
    scoreBias: weights.own(spreadBias(table, contextLength)),
  };
  return new Encoder(config, read, weights);
};

function readConfig(file: Hyperparameters): EncoderConfig {
  const dim = file.size("hidden_size");
  const heads = file.size("num_attention_heads");
  checkHeads(file, dim, heads);
  const contextLength = file.size("max_position_embeddings") - firstPosition;
  if (contextLength < 1) file.malformed("max_position_embeddings leaves no position for a token");
  return {
    layers: file.size("num_hidden_layers"),
    dim,
    feedForward: file.size("intermediate_size"),
    heads,
    epsilon: file.number("layer_norm_eps", 1e-12),
    vocabularySize: file.size("vocab_size"),
    contextLength,
    activation: readActivation(file, "hidden_act"),
  };
}

/** `[heads, length, length]`: the bias of each pair of places, from `[buckets, heads]`. */
function spreadBias(table: Tensor<"float32">, length: number): Tensor<"float32"> {
  const [buckets, heads] = table.shape;
  const of = Int32Array.from(
    { length: 2 * length - 1 },
    (_, i) => bucketOf(i - (length - 1), buckets),
  );
  const bias = Tensor.empty([heads, length, length]);
  const { data } = bias;
  const rows = table.toArray() as number[][];
  for (let head = 0; head < heads; head++) {
    const byDistance = Float32Array.from(of, (bucket) => rows[bucket][head]);
    for (let query = 0; query < length; query++) {
      const first = length - 1 - query;
      data.set(byDistance.subarray(first, first + length), (head * length + query) * length);
    }
  }
  return bias;
}

/**
 * The bucket of a key that is some places behind its query.
 *
 * @param distance How many; negative before it.
 * @param buckets How many buckets there are, half of them for each side.
 * @returns From 0 to buckets - 1.
 */
export function bucketOf(distance: number, buckets: number): number {
  const half = buckets / 2;
  const side = distance > 0 ? half : 0;
  const apart = Math.abs(distance);
  const exact = half / 2;
  if (apart < exact) return side + apart;
  // In float32, as the models were trained: at powers of two a bucket hangs on the last bit.
  const logarithm = Math.fround(Math.log(Math.fround(apart / exact)));
  const share = Math.fround(logarithm / Math.log(farthest / exact));
  return side + Math.min(half - 1, exact + Math.trunc(Math.fround(share * (half - exact))));
}

function readLayer(weights: Weights, name: string, config: EncoderConfig): EncoderLayer {
  const { dim, feedForward } = config;
  return {
    query: readDense(weights, `${name}.attention.attn.q`, dim, dim),
    key: readDense(weights, `${name}.attention.attn.k`, dim, dim),
    value: readDense(weights, `${name}.attention.attn.v`, dim, dim),
    attended: readDense(weights, `${name}.attention.attn.o`, dim, dim),
    attentionNorm: readNorm(weights, `${name}.attention.LayerNorm`, dim),
    up: readDense(weights, `${name}.intermediate.dense`, feedForward, dim),
    down: readDense(weights, `${name}.output.dense`, dim, feedForward),
    outputNorm: readNorm(weights, `${name}.output.LayerNorm`, dim),
  };
}
