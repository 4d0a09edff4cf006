/**
 * The part of the table of gradients that losses, and what leads to them, are in.
 */
import { crossEntropy } from "../../lib/ops/mod.ts";
import * as nn from "../../lib/nn/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { d } from "./gradient_cases.ts";
import type { Doubles, GradientCase } from "./gradient_check.ts";

/** A case of two operands. */
function pair(
  name: string,
  what: string,
  shapes: [number[], number[]],
  run: (a: Doubles, b: Doubles) => Tensor,
): GradientCase {
  return {
    name,
    what,
    make: () => shapes.map((shape, i) => d(shape, i + 1)),
    run: ([a, b]) => run(a as Doubles, b as Doubles),
  };
}

/** Losses of `./nn`, and poolings. */
export const lossCases: GradientCase[] = [
  pair("meanSquaredError", "", [[2, 3], [2, 3]], (a, b) => nn.meanSquaredError(a, b)),
  pair("meanSquaredError", "of each", [[2, 3], [2, 3]], (a, b) => {
    return nn.meanSquaredError(a, b, { reduction: "none" });
  }),
  pair("binaryCrossEntropy", "", [[2, 3], [2, 3]], (a, b) => nn.binaryCrossEntropy(a, b)),
  pair("multipleNegativesRanking", "", [[3, 4], [3, 4]], (a, b) => {
    return nn.multipleNegativesRanking(a, b, { scale: 3 });
  }),
  pair("multipleNegativesRanking", "in both directions", [[3, 4], [3, 4]], (a, b) => {
    return nn.multipleNegativesRanking(a, b, { scale: 3, symmetric: true });
  }),
  pair("multipleNegativesRanking", "with negatives", [[2, 4], [5, 4]], (a, b) => {
    return nn.multipleNegativesRanking(a, b, { scale: 3, symmetric: true });
  }),
  {
    name: "normalizeRows",
    make: () => [d([2, 2, 3])],
    run: ([x]) => nn.normalizeRows(x as Doubles),
  },
  {
    name: "meanPooling",
    make: () => [d([2, 3, 2])],
    run: ([x]) => {
      using mask = Tensor.from([[1, 1, 0], [1, 1, 1]], "int32");
      return nn.meanPooling(x as Doubles, mask);
    },
  },
  {
    name: "meanPooling",
    what: "on the way to crossEntropy",
    make: () => [d([2, 3, 2])],
    run: ([x]) => {
      using mask = Tensor.from([[true, false, true], [true, true, true]], "bool");
      using pooled = nn.meanPooling(x as Doubles, mask);
      using targets = Tensor.from([1, 0], "int32");
      return crossEntropy(pooled, targets);
    },
  },
];

/** Functions of `./nn` that make tensors of nothing but a shape and a seed. */
export const firstWeights: readonly string[] = [
  ...["constant", "zeros", "ones", "normal", "uniform", "truncatedNormal", "orthogonal"],
  ...["kaimingNormal", "kaimingUniform", "xavierNormal", "xavierUniform", "sinusoidalPositions"],
];
