/**
 * What `bench train` measures: a step of training, which is the loss of a batch, its gradients
 * and AdamW, of decoders without biases whose tokens and head share one matrix:
 *
 *     gpt     LayerNorm, learned positions, GELU, 4 · dim channels in between
 *     llama   RMSNorm, heads that turn, SwiGLU, half as many heads of keys and values
 *
 * @module
 */

import { Random } from "../../core/random.ts";
import { Decoder, type DecoderOptions } from "../../models/mod.ts";
import { AdamW } from "../../optim/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { UsageError } from "../errors.ts";
import { caseOf, type OperationCase } from "./operation_bench.ts";
import type { OperationFamily, Sizes } from "./operation_family.ts";

/** Characters of a text. */
const VOCABULARY = 65;

/** Kinds of decoders. */
export type TrainedKind = "gpt" | "llama";

/** Steps of training: layers, channels, heads, tokens of a sequence, sequences. */
export const trainFamily: OperationFamily = {
  form: "LxDxHxTxB",
  // Decoders of 0.8 and of 10.6 million weights, as characters are learned with.
  usual: [[4, 128, 4, 64, 12], [6, 384, 6, 256, 8]],
  sized: (size) => [4, size, Math.max(1, Math.floor(size / 32)), 64, 12],
  largest: ([, dim, heads, tokens, batch]) =>
    Math.max(4 * dim * Math.max(dim, tokens * batch), batch * heads * tokens ** 2),
  open: (sizes) => [trainCase("gpt", sizes), trainCase("llama", sizes)],
};

/**
 * The options of a decoder that is trained.
 *
 * @param kind which one
 * @param sizes layers, channels, heads, tokens
 */
export function trainedDecoder(
  kind: TrainedKind,
  [layers, dim, heads, tokens]: Sizes,
): Required<
  Omit<DecoderOptions, "bias" | "dropout" | "dtype" | "rotary" | "seed" | "tied" | "weight">
> {
  const sizes = { vocabularySize: VOCABULARY, dim, layers, heads, contextLength: tokens };
  const gpt = {
    ...{ positions: "learned", normalization: "layer", activation: "gelu" } as const,
    ...{ keyValueHeads: heads, hidden: 4 * dim, epsilon: 1e-5 },
  };
  if (kind === "gpt") return { ...sizes, ...gpt };
  return {
    ...{ ...sizes, positions: "rotary", normalization: "rms", activation: "swiglu" },
    keyValueHeads: heads % 2 === 0 ? heads / 2 : heads,
    // A gate is a third matrix: two thirds of the size keep the number of weights.
    hidden: 32 * Math.ceil(dim / 12),
    epsilon: 1e-5,
  };
}

function trainCase(kind: TrainedKind, sizes: Sizes): OperationCase {
  const [layers, dim, heads, tokens, batch] = sizes;
  if (dim % (2 * heads) !== 0) {
    throw new UsageError(
      `--shape ${sizes.join("x")}: ${dim} channels are not ${heads} equal heads of an even size`,
    );
  }
  using made = new DisposableStack();
  const model = made.use(new Decoder({ ...trainedDecoder(kind, sizes), seed: 1 }));
  const parameters = model.parameters();
  const optimizer = made.use(new AdamW(parameters));
  const random = new Random(2);
  const [ids, targets] = [0, 1].map(() => {
    const numbers = Int32Array.from(
      { length: batch * tokens },
      () => random.nextUint32() % VOCABULARY,
    );
    using flat = Tensor.from(numbers, "int32");
    return made.use(flat.reshape([batch, tokens]));
  });
  const run = () => {
    using loss = model.loss(ids, targets);
    loss.backward();
    optimizer.step();
  };
  const weights = Object.values(parameters).reduce((sum, { size }) => sum + size, 0);
  const items = batch * tokens;
  // Forwards and twice as much backwards: two for each weight, and the products of attention.
  const flops = items * (6 * weights + 12 * layers * dim * tokens);
  return caseOf({ name: kind, shape: sizes.join("x"), items, flops }, run, [made.move()]);
}
