/**
 * The products that `bench matmul` measures: `linear`, whose weight is packed and kept
 * as a layer holds it, and `matmul`, which is given both matrices anew.
 *
 * @module
 */

import { linear, matmul } from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { caseOf, type OperationCase } from "./operation_bench.ts";
import type { OperationFamily, Sizes } from "./operation_family.ts";

/** Squares, and layers of transformers at several numbers of rows: rows, columns, inner size. */
export const matmulFamily: OperationFamily = {
  form: "MxNxK",
  usual: [
    [64, 64, 64],
    [128, 128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [1024, 1024, 1024],
    [2048, 2048, 2048],
    [1, 3072, 768],
    [1, 768, 3072],
    [8, 768, 768],
    [32, 512, 512],
    [32, 3072, 768],
    [128, 768, 768],
    [128, 3072, 768],
    [64, 64, 1024],
  ],
  sized: (size) => [size, size, size],
  largest: ([rows, cols, inner]) => Math.max(rows * cols, rows * inner, cols * inner),
  open: (sizes) => [linearCase(sizes), matmulCase(sizes)],
};

function linearCase(sizes: Sizes): OperationCase {
  const [rows, cols, inner] = sizes;
  const x = Tensor.randn([rows, inner], { seed: 1 });
  const weight = Tensor.randn([cols, inner], { seed: 2 });
  const out = Tensor.empty([rows, cols]);
  const options = { out };
  return productCase("linear", sizes, () => linear(x, weight, options), [x, weight, out]);
}

function matmulCase(sizes: Sizes): OperationCase {
  const [rows, cols, inner] = sizes;
  const a = Tensor.randn([rows, inner], { seed: 1 });
  const b = Tensor.randn([inner, cols], { seed: 2 });
  const out = Tensor.empty([rows, cols]);
  const options = { out };
  return productCase("matmul", sizes, () => matmul(a, b, options), [a, b, out]);
}

function productCase(
  name: string,
  sizes: Sizes,
  run: () => unknown,
  tensors: readonly Tensor[],
): OperationCase {
  const [rows, cols, inner] = sizes;
  return caseOf({ name, shape: sizes.join("x"), flops: 2 * rows * cols * inner }, run, tensors);
}
