/**
 * What `bench gelu` measures: both forms of GELU, the gated one, and the exponential
 * that they rest on, into a tensor that is there.
 *
 * @module
 */

import { exp, geglu, gelu, type GeluOptions } from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import { caseOf, type OperationCase } from "./operation_bench.ts";
import type { OperationFamily } from "./operation_family.ts";

/** Functions of elements: in the first cache, the second, and the third. */
export const geluFamily: OperationFamily = {
  form: "N",
  usual: [[4096], [65_536], [1_048_576]],
  sized: (size) => [size],
  largest: ([length]) => length,
  open: ([length]) => geluCases(length),
};

function geluCases(length: number): OperationCase[] {
  const one = (
    name: string,
    operands: number,
    approximate: GeluOptions["approximate"],
    run: (x: Floats, up: Floats, options: GeluOptions) => unknown,
  ) => {
    const [x, up] = [1, 2].map((seed) => Tensor.randn([length], { seed }));
    const options = { out: Tensor.empty([length]), approximate };
    const what = { name, shape: `${length}`, items: length, bytes: 4 * length * (operands + 1) };
    return caseOf(what, () => run(x, up, options), [x, up, options.out]);
  };
  return [
    one("gelu", 1, "none", (x, _, options) => gelu(x, options)),
    one("gelu, tanh", 1, "tanh", (x, _, options) => gelu(x, options)),
    one("geglu", 2, "none", geglu),
    one("geglu, tanh", 2, "tanh", geglu),
    one("exp", 1, "none", (x, _, { out }) => exp(x, { out })),
  ];
}

type Floats = Tensor<"float32">;
