/**
 * What `bench gelu` measures: both forms of GELU, the gated one, and the exponential
 * that they rest on, into a tensor that is there.
 *
 * @module
 */

import { exp, geglu, gelu } from "../../ops/mod.ts";
import { Tensor } from "../../tensor/mod.ts";
import type { OperationCase } from "./operation_bench.ts";

/** Makes the cases for numbers of elements. */
export function geluCases(lengths: readonly number[]): OperationCase[] {
  return lengths.flatMap((length) => {
    const [x, up, out] = [randomOf(length), randomOf(length), Tensor.empty([length])];
    const exact = { out };
    const tanh = { out, approximate: "tanh" as const };
    const one = (name: string, run: () => unknown, operands = 1): OperationCase => ({
      name,
      shape: `${length}`,
      items: length,
      bytes: 4 * length * (operands + 1),
      loop: (operations) => {
        for (let i = 0; i < operations; i++) run();
      },
      [Symbol.dispose]: () => {
        for (const tensor of [x, up, out]) tensor.dispose();
      },
    });
    return [
      one("gelu", () => gelu(x, exact)),
      one("gelu, tanh", () => gelu(x, tanh)),
      one("geglu", () => geglu(x, up, exact), 2),
      one("geglu, tanh", () => geglu(x, up, tanh), 2),
      one("exp", () => exp(x, exact)),
    ];
  });
}

function randomOf(length: number): Tensor<"float32"> {
  return Tensor.randn([length], { seed: length });
}
