/**
 * What `bench reduce` measures: rows, columns and all of a matrix made one, into a tensor
 * that is there.
 *
 * @module
 */

import { argmax, logSumExp, max, mean, norm, sum, variance } from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { caseOf, type OperationCase } from "./operation_bench.ts";
import type { OperationFamily, Sizes } from "./operation_family.ts";

/** Reductions, in the third cache and beyond it. */
export const reduceFamily: OperationFamily = {
  form: "MxN",
  usual: [[1024, 1024], [8192, 1024]],
  sized: (size) => [128, size],
  largest: ([rows, cols]) => rows * cols,
  open: reduceCases,
};

const reductions = { sum, mean, variance, max, norm, logSumExp };

function reduceCases([rows, cols]: Sizes): OperationCase[] {
  const axes: [name: string, axis: number | undefined, shape: number[]][] = [
    ["rows", 1, [rows]],
    ["columns", 0, [cols]],
    ["all", undefined, []],
  ];
  const elements = rows * cols;
  return axes.flatMap(([what, axis, shape]) => {
    const one = (name: string, out: Tensor, run: (x: Tensor<"float32">) => unknown) => {
      const x = Tensor.randn([rows, cols], { seed: 1 });
      const sizes = { shape: `${rows}x${cols}`, items: elements, bytes: 4 * elements };
      return caseOf({ name: `${name}, ${what}`, ...sizes }, () => run(x), [x, out]);
    };
    const cases = Object.entries(reductions).map(([name, reduce]) => {
      const out = Tensor.empty(shape);
      const options = { axis, out };
      return one(name, out, (x) => reduce(x, options));
    });
    if (axis === undefined) return cases;
    const out = Tensor.empty(shape, "int32");
    const options = { axis, out };
    return [...cases, one("argmax", out, (x) => argmax(x, options))];
  });
}
