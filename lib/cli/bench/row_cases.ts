/**
 * What `bench layernorm` and `bench softmax` measure: operations on rows, at the sizes of
 * transformers and of their attention.
 *
 * @module
 */

import {
  layerNorm,
  layerNormResidual,
  logSoftmax,
  rmsNorm,
  rmsNormResidual,
  softmax,
} from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { UsageError } from "../errors.ts";
import type { OperationCase } from "./operation_bench.ts";

/** Rows and columns. */
export type RowShape = readonly [rows: number, cols: number];

/** From the second cache to beyond it. */
export const NORM_SHAPES: readonly RowShape[] = [[32, 512], [128, 768], [512, 768], [2048, 1024]];
/** Scores of one head, of twelve, and rows of four thousand keys. */
export const SOFTMAX_SHAPES: readonly RowShape[] = [[128, 128], [1536, 128], [512, 4096]];

/** Reads `MxN`. */
export function parseRowShape(text: string): RowShape {
  const sizes = text.split("x").map(Number);
  if (sizes.length !== 2 || !sizes.every((size) => Number.isInteger(size) && size > 0)) {
    throw new UsageError(`--shape is MxN, two whole numbers from 1, not ${text}`);
  }
  const [rows, cols] = sizes;
  if (rows * cols > 2 ** 28) {
    throw new UsageError(`--shape ${text}: a tensor has at most 2^28 elements`);
  }
  return [rows, cols];
}

/** The normalisations, to be disposed of. */
export function normCases(shapes: readonly RowShape[]): OperationCase[] {
  return shapes.flatMap((shape) => {
    const make = () => {
      const [rows, cols] = shape;
      const weight = Tensor.ones([cols]);
      const bias = Tensor.zeros([cols]);
      const residual = Tensor.randn([rows, cols], { seed: 2 });
      return { weight, bias, residual };
    };
    return [
      rowCase("layerNorm", shape, 8, make, (x, out, { weight, bias }) => {
        const options = { weight, bias, out };
        return () => layerNorm(x, options);
      }),
      rowCase("layerNormResidual", shape, 16, make, (x, out, { weight, bias, residual }) => {
        const options = { weight, bias, out, sum: x };
        return () => layerNormResidual(residual, x, options);
      }),
      rowCase("rmsNorm", shape, 8, make, (x, out, { weight }) => {
        const options = { out };
        return () => rmsNorm(x, weight, options);
      }),
      rowCase("rmsNormResidual", shape, 16, make, (x, out, { weight, residual }) => {
        const options = { weight, out, sum: x };
        return () => rmsNormResidual(residual, x, options);
      }),
    ];
  });
}

/** Softmax and its logarithm, to be disposed of. */
export function softmaxCases(shapes: readonly RowShape[]): OperationCase[] {
  const none = () => ({});
  return shapes.flatMap((shape) => [
    rowCase("softmax", shape, 8, none, (x, out) => {
      const options = { out };
      return () => softmax(x, options);
    }),
    rowCase("logSoftmax", shape, 8, none, (x, out) => {
      const options = { out };
      return () => logSoftmax(x, options);
    }),
  ]);
}

type Floats = Tensor<"float32">;

function rowCase<T extends Record<string, Floats>>(
  name: string,
  [rows, cols]: RowShape,
  bytesAnElement: number,
  make: () => T,
  prepare: (x: Floats, out: Floats, others: T) => () => unknown,
): OperationCase {
  const x = Tensor.randn([rows, cols], { seed: 1 });
  const out = Tensor.empty([rows, cols]);
  const others = make();
  const run = prepare(x, out, others);
  return {
    name,
    shape: `${rows}x${cols}`,
    items: rows * cols,
    bytes: rows * cols * bytesAnElement,
    loop(operations) {
      for (let i = 0; i < operations; i++) run();
    },
    [Symbol.dispose]() {
      for (const tensor of [x, out, ...Object.values(others)]) tensor.dispose();
    },
  };
}
