/**
 * What `bench block` measures: the forward pass of a pre-norm transformer block
 * (Xiong et al., 2020), with tensors for all that it makes:
 *
 *     x + proj(attention(qkv(norm(x))))     and then     x + down(gelu(up(norm(x))))
 *
 * @module
 */

import { attention, layerNorm, linear } from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { UsageError } from "../errors.ts";
import { caseOf, type OperationCase } from "./operation_bench.ts";
import type { OperationFamily, Sizes } from "./operation_family.ts";

/** Blocks of transformers: tokens, channels, heads. */
export const blockFamily: OperationFamily = {
  form: "TxDxH",
  usual: [[128, 768, 12], [64, 256, 8], [32, 512, 8]],
  sized: (size) => [size, 768, 12],
  largest: ([tokens, dim]) => 4 * Math.max(tokens * dim, dim * dim),
  open: (sizes) => [blockCase("block", sizes, false), blockCase("block, causal", sizes, true)],
};

type Floats = Tensor<"float32">;

function blockCase(name: string, sizes: Sizes, causal: boolean): OperationCase {
  const [tokens, dim, heads] = sizes;
  if (dim % heads !== 0) {
    throw new UsageError(
      `--shape ${sizes.join("x")}: ${dim} channels are not ${heads} equal heads`,
    );
  }
  using tensors = new DisposableStack();
  let seed = 0;
  const { run } = prepareBlock(sizes, causal, {
    keep: (tensor) => tensors.use(tensor),
    random: (shape, deviation) => Tensor.randn(shape, { seed: ++seed, deviation }),
  });
  const flops = 24 * tokens * dim * dim + 4 * tokens * tokens * dim;
  return caseOf({ name, shape: sizes.join("x"), flops }, run, [tensors.move()]);
}

/** Where the tensors of a block come from and go. */
export interface BlockTensors {
  /** Makes a tensor of random numbers around 0. */
  readonly random: (shape: number[], deviation: number) => Floats;
  /** Takes a tensor that is to be disposed of with the block. */
  readonly keep: (tensor: Floats) => Floats;
}

/**
 * Makes the weights and results of a block. Random are, in this order: x, weight and bias of
 * both norms, weight and bias of qkv, proj, up and down.
 *
 * @param sizes tokens, channels, heads
 * @param causal whether a token sees only those before it
 * @param tensors makes and keeps them
 * @returns what runs the block once, and its result
 */
export function prepareBlock(
  [tokens, dim, heads]: Sizes,
  causal: boolean,
  tensors: BlockTensors,
): { run: () => void; out: Floats } {
  const { keep } = tensors;
  const random = (shape: number[], deviation: number) => keep(tensors.random(shape, deviation));
  const layer = (outputs: number, inputs: number) => {
    const weight = random([outputs, inputs], 1 / Math.sqrt(inputs));
    return { weight, bias: random([outputs], 0.1), out: keep(Tensor.empty([tokens, outputs])) };
  };
  const norm = (out: Floats) => ({
    weight: random([dim], 1),
    bias: random([dim], 0.1),
    out,
  });

  const x = random([tokens, dim], 1);
  const normed = keep(Tensor.empty([tokens, dim]));
  const [norm1, norm2] = [norm(normed), norm(normed)];
  const [qkv, proj] = [layer(3 * dim, dim), layer(dim, dim)];
  const up = { ...layer(4 * dim, dim), activation: "gelu_tanh" as const };
  const down = layer(dim, 4 * dim);
  const headShape = [tokens, heads, dim / heads];
  const [q, k, v] = [0, 1, 2].map((part) => {
    using columns = qkv.out.slice(part * dim, (part + 1) * dim, { axis: 1 });
    return keep(columns.reshape(headShape));
  });
  const mixed = keep(Tensor.empty([tokens, dim]));
  const attend = { causal, out: keep(mixed.reshape(headShape)) };
  const withX = { ...proj, residual: x };
  const withSum = { ...down, residual: proj.out };

  const run = () => {
    layerNorm(x, norm1);
    linear(normed, qkv.weight, qkv);
    attention(q, k, v, attend);
    linear(mixed, proj.weight, withX);
    layerNorm(proj.out, norm2);
    linear(normed, up.weight, up);
    linear(up.out, down.weight, withSum);
  };
  return { run, out: down.out };
}
