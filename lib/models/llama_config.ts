/**
 * The sizes and constants of a Llama model, read from a GGUF file's metadata.
 */
import type { Hyperparameters } from "./hyperparameters.ts";
import type { Weights } from "./weights.ts";

/** The sizes and constants of a Llama model. */
export interface LlamaConfig {
  /** Layers. */
  readonly layers: number;
  /** Elements of the residual stream. */
  readonly dim: number;
  /** Elements of the feed-forward layer. */
  readonly feedForward: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads. */
  readonly keyHeads: number;
  /** Elements of a head. */
  readonly headSize: number;
  /** Pairs of a head's elements that turn with the position. */
  readonly ropePairs: number;
  /** The base of the rotary wavelengths. */
  readonly ropeBase: number;
  /** What positions are multiplied by. */
  readonly ropeScale: number;
  /** Added to the mean square in norms. */
  readonly epsilon: number;
  /** Tokens that can be predicted. */
  readonly vocabularySize: number;
  /** Tokens that the model was made for. */
  readonly contextLength: number;
}

/**
 * Reads the sizes of a Llama model.
 *
 * @param file The file's metadata.
 * @param weights The file's tensors.
 * @returns The configuration.
 * @throws {SyntaxError} When a value is missing or makes no sense.
 * @throws {RangeError} When the file needs what is not supported.
 */
export function readLlamaConfig(file: Hyperparameters, weights: Weights): LlamaConfig {
  const dim = file.size("llama.embedding_length");
  const heads = file.size("llama.attention.head_count");
  const headSize = file.size("llama.attention.key_length", dim / heads);
  const ropeDims = file.size("llama.rope.dimension_count", headSize);
  const keyHeads = file.size("llama.attention.head_count_kv", heads);
  if (heads % keyHeads !== 0) {
    file.malformed(`${heads} query heads cannot share ${keyHeads} key heads evenly`);
  }
  if (ropeDims % 2 !== 0 || ropeDims > headSize) {
    file.malformed(`${ropeDims} rotary elements do not fit a head of ${headSize}`);
  }
  if (file.number("llama.expert_count", 0) > 0) file.unsupported("a mixture of experts");
  if (file.number("llama.attention.value_length", headSize) !== headSize) {
    file.unsupported("a head of values of another size than a head of keys");
  }
  return {
    layers: file.size("llama.block_count"),
    dim,
    feedForward: file.size("llama.feed_forward_length"),
    heads,
    keyHeads,
    headSize,
    ropePairs: ropeDims / 2,
    ropeBase: file.positive("llama.rope.freq_base", 10000),
    ropeScale: readRopeScale(file),
    epsilon: file.epsilon("llama.attention.layer_norm_rms_epsilon", 1e-5),
    vocabularySize: weights.rows("token_embd.weight"),
    contextLength: file.size("llama.context_length"),
  };
}

function readRopeScale(file: Hyperparameters): number {
  const type = file.text("llama.rope.scaling.type") ?? "none";
  if (type === "none") return 1;
  if (type === "linear") return 1 / file.number("llama.rope.scaling.factor", 1);
  return file.unsupported(`rotary scaling of type ${type}`);
}
