/**
 * What `bench attention` measures: self-attention over a sequence, without a mask and
 * causal, and one query over as many keys, as a model's next token asks it.
 *
 * @module
 */

import { attention } from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { caseOf, type OperationCase } from "./operation_bench.ts";
import type { OperationFamily, Sizes } from "./operation_family.ts";

/** Attention: tokens, heads, elements of a head. */
export const attentionFamily: OperationFamily = {
  form: "TxHxD",
  usual: [[128, 12, 64], [1024, 12, 64], [512, 32, 128]],
  sized: (size) => [size, 12, 64],
  largest: ([tokens, heads, headSize]) => tokens * heads * headSize,
  open: (sizes) => [
    attentionCase("attention", sizes, false),
    attentionCase("attention, causal", sizes, true),
    decodeCase(sizes),
  ],
};

/** The operations that scores and weighted sums take without a mask, with one also. */
function attentionCase(name: string, sizes: Sizes, causal: boolean): OperationCase {
  const [tokens, heads, headSize] = sizes;
  const [q, k, v] = [1, 2, 3].map((seed) => Tensor.randn([tokens, heads, headSize], { seed }));
  const options = { causal, out: Tensor.empty([tokens, heads, headSize]) };
  const about = { name, shape: sizes.join("x"), flops: 4 * tokens * tokens * heads * headSize };
  return caseOf(about, () => attention(q, k, v, options), [q, k, v, options.out]);
}

/** One query; keys and values are read once. */
function decodeCase(sizes: Sizes): OperationCase {
  const [tokens, heads, headSize] = sizes;
  const q = Tensor.randn([1, heads, headSize], { seed: 1 });
  const [k, v] = [2, 3].map((seed) => Tensor.randn([tokens, heads, headSize], { seed }));
  const options = { out: Tensor.empty([1, heads, headSize]) };
  const elements = tokens * heads * headSize;
  const about = {
    name: "attention, one query",
    shape: sizes.join("x"),
    flops: 4 * elements,
    bytes: 8 * elements,
  };
  return caseOf(about, () => attention(q, k, v, options), [q, k, v, options.out]);
}
