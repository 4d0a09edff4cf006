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
import { caseOf, type OperationCase } from "./operation_bench.ts";
import type { OperationFamily, Sizes } from "./operation_family.ts";

/** Rows and columns. */
const rowShapes = {
  form: "MxN",
  sized: (size: number): Sizes => [128, size],
  largest: ([rows, cols]: Sizes) => rows * cols,
};

/** Normalisations, from the second cache to beyond it. */
export const normFamily: OperationFamily = {
  ...rowShapes,
  usual: [[32, 512], [128, 768], [512, 768], [2048, 1024]],
  open: normCases,
};

/** Softmax of the scores of one head, of twelve, and of rows of four thousand keys. */
export const softmaxFamily: OperationFamily = {
  ...rowShapes,
  usual: [[128, 128], [1536, 128], [512, 4096]],
  open: softmaxCases,
};

function normCases(shape: Sizes): OperationCase[] {
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
}

function softmaxCases(shape: Sizes): OperationCase[] {
  const none = () => ({});
  return [
    rowCase("softmax", shape, 8, none, (x, out) => {
      const options = { out };
      return () => softmax(x, options);
    }),
    rowCase("logSoftmax", shape, 8, none, (x, out) => {
      const options = { out };
      return () => logSoftmax(x, options);
    }),
  ];
}

type Floats = Tensor<"float32">;

function rowCase<T extends Record<string, Floats>>(
  name: string,
  [rows, cols]: Sizes,
  bytesAnElement: number,
  make: () => T,
  prepare: (x: Floats, out: Floats, others: T) => () => unknown,
): OperationCase {
  const x = Tensor.randn([rows, cols], { seed: 1 });
  const out = Tensor.empty([rows, cols]);
  const others = make();
  const run = prepare(x, out, others);
  const elements = rows * cols;
  return caseOf(
    { name, shape: `${rows}x${cols}`, items: elements, bytes: elements * bytesAnElement },
    run,
    [x, out, ...Object.values(others)],
  );
}
