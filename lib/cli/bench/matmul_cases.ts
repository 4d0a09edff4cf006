/**
 * The products that `bench matmul` measures: `linear`, whose weight is packed and kept
 * as a layer holds it, and `matmul`, which is given both matrices anew.
 *
 * @module
 */

import { linear, matmul } from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { UsageError } from "../errors.ts";
import type { OperationCase } from "./operation_bench.ts";

/** Rows, columns and inner size of a product. */
export type ProductShape = readonly [rows: number, cols: number, inner: number];

/** Squares, and layers of transformers at several numbers of rows. */
export const PRODUCT_SHAPES: readonly ProductShape[] = [
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
];

/** Reads `MxNxK`. */
export function parseProductShape(text: string): ProductShape {
  const sizes = text.split("x").map(Number);
  if (sizes.length !== 3 || !sizes.every((size) => Number.isInteger(size) && size > 0)) {
    throw new UsageError(`--shape is MxNxK, three whole numbers from 1, not ${text}`);
  }
  const [rows, cols, inner] = sizes;
  if (Math.max(rows * cols, rows * inner, cols * inner) > 2 ** 28) {
    throw new UsageError(`--shape ${text}: a matrix has at most 2^28 elements`);
  }
  return [rows, cols, inner];
}

/** The cases of some shapes, to be disposed of. */
export function openMatmulCases(shapes: readonly ProductShape[]): OperationCase[] {
  return shapes.flatMap((shape) => [linearCase(shape), matmulCase(shape)]);
}

function linearCase([rows, cols, inner]: ProductShape): OperationCase {
  const x = Tensor.randn([rows, inner], { seed: 1 });
  const weight = Tensor.randn([cols, inner], { seed: 2 });
  const out = Tensor.empty([rows, cols]);
  const options = { out };
  const loop = (operations: number) => {
    for (let i = 0; i < operations; i++) linear(x, weight, options);
  };
  return caseOf("linear", [rows, cols, inner], loop, [x, weight, out]);
}

function matmulCase([rows, cols, inner]: ProductShape): OperationCase {
  const a = Tensor.randn([rows, inner], { seed: 1 });
  const b = Tensor.randn([inner, cols], { seed: 2 });
  const out = Tensor.empty([rows, cols]);
  const options = { out };
  const loop = (operations: number) => {
    for (let i = 0; i < operations; i++) matmul(a, b, options);
  };
  return caseOf("matmul", [rows, cols, inner], loop, [a, b, out]);
}

function caseOf(
  name: string,
  [rows, cols, inner]: ProductShape,
  loop: (operations: number) => void,
  tensors: readonly Tensor[],
): OperationCase {
  return {
    name,
    shape: `${rows}x${cols}x${inner}`,
    flops: 2 * rows * cols * inner,
    loop,
    [Symbol.dispose]() {
      for (const tensor of tensors) tensor.dispose();
    },
  };
}
