/**
 * MPNet (Song et al., 2020): BERT whose scores get a bias that depends on how far
 * apart two tokens are, in buckets as T5 has them (Raffel et al., 2020).
 */
import { Tensor } from "../tensor/mod.ts";
import { readBertConfig, readPositions } from "./bert.ts";
import { Encoder } from "./encoder.ts";
import {
  type EncoderArchitecture,
  findPrefix,
  type LayerNames,
  readLayers,
  readNorm,
} from "./encoder_weights.ts";

/** The first position of a token: 0 is that of none, 1 that of padding. */
const firstPosition = 2;
/** Beyond this distance all are in one bucket. */
const farthest = 128;

const layerNames: LayerNames = {
  query: "attention.attn.q",
  key: "attention.attn.k",
  value: "attention.attn.v",
  attended: "attention.attn.o",
  attentionNorm: "attention.LayerNorm",
  up: "intermediate.dense",
  down: "output.dense",
  outputNorm: "output.LayerNorm",
};

/** Makes MPNet. */
export const mpnet: EncoderArchitecture = (file, weights) => {
  const config = readBertConfig(file, firstPosition);
  const { dim, heads, vocabularySize, contextLength } = config;
  const prefix = findPrefix(weights, ["mpnet."]);
  const embeddings = `${prefix}embeddings`;
  const positions = `${embeddings}.position_embeddings.weight`;
  const buckets = file.size("relative_attention_num_buckets", 32);
  const table = weights.widened(
    `${prefix}encoder.relative_attention_bias.weight`,
    [buckets, heads],
  );
  const read = {
    tokens: weights.tensor(`${embeddings}.word_embeddings.weight`, [vocabularySize, dim]),
    positions: readPositions(weights, positions, firstPosition, config),
    types: undefined,
    embeddingNorm: readNorm(weights, `${embeddings}.LayerNorm`, dim),
    layers: readLayers(weights, `${prefix}encoder.layer`, layerNames, config),
    scoreBias: weights.own(spreadBias(table, contextLength)),
  };
  return new Encoder(config, read, weights);
};

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
