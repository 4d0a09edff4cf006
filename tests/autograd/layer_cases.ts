/**
 * The part of the table of differentiable operations that layers of networks are made of.
 */
import * as ops from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { d, unary } from "./gradient_cases.ts";
import type { Doubles, GradientCase } from "./gradient_check.ts";

type Function4 = (a: Doubles, b: Doubles, c: Doubles, d: Doubles) => Tensor;

/** A case of operands of given shapes. */
function of(name: string, what: string, shapes: number[][], run: Function4): GradientCase {
  return {
    name,
    what,
    make: () => shapes.map((shape, i) => d(shape, i + 1)),
    run: (operands) => run(...operands as [Doubles, Doubles, Doubles, Doubles]),
  };
}

const product: Function4 = (a, b) => ops.matmul(a, b);

/** Attention of three queries, in four heads, to five keys, in two. */
function attends(
  what: string,
  batches: number[][],
  options?: ops.AttentionOptions<"float64">,
  mask?: number[],
): GradientCase {
  const [queries = [], keys = []] = batches;
  const shapes = [[...queries, 3, 4, 2], [...keys, 5, 2, 2], [...keys, 5, 2, 2]];
  if (mask !== undefined) shapes.push(mask);
  return of("attention", what, shapes, (q, k, v, mask) => {
    return ops.attention(q, k, v, mask === undefined ? options : { ...options, mask });
  });
}

/** Operations of layers. */
export const layerCases: GradientCase[] = [
  of("matmul", "", [[2, 3], [3, 4]], product),
  of("matmul", "of a vector and a matrix", [[3], [3, 4]], product),
  of("matmul", "of a matrix and a vector", [[2, 3], [3]], product),
  of("matmul", "of vectors", [[3], [3]], product),
  of("matmul", "of a vector and a batch", [[3], [2, 3, 2]], product),
  of("matmul", "of a batch and a vector", [[2, 2, 3], [3]], product),
  of("matmul", "of a batch and a matrix", [[2, 2, 3], [3, 2]], product),
  of("matmul", "of a matrix and a batch", [[2, 3], [2, 3, 2]], product),
  of("matmul", "of batches that are broadcast", [[2, 1, 2, 3], [3, 3, 1]], product),
  of("matmul", "with a factor", [[2, 3], [3, 2]], (a, b) => ops.matmul(a, b, { alpha: 3 })),
  of("matmul", "added to what is there", [[2, 3], [3, 2], [2, 2]], (a, b, c) => {
    return ops.matmul(a, b, { beta: 0.5, out: c.clone() });
  }),
  ...(["none", "relu", "gelu_tanh", "gelu_erf", "silu"] as const).map((activation) =>
    of(
      "linear",
      `with bias, residual and ${activation}`,
      [[2, 2, 3], [4, 3], [4], [2, 2, 4]],
      (x, weight, bias, residual) => ops.linear(x, weight, { bias, residual, activation }),
    )
  ),
  of("linear", "", [[2, 3], [4, 3]], (x, weight) => ops.linear(x, weight)),
  of("linear", "of a vector", [[3], [4, 3]], (x, weight) => ops.linear(x, weight)),
  of("linear", "onto the residual", [[2, 3], [4, 3], [2, 4]], (x, weight, c) => {
    const out = c.clone();
    return ops.linear(x, weight, { residual: out, out, activation: "silu" });
  }),
  {
    name: "embedding",
    make: () => [d([4, 3]), Tensor.from([2, 0, 2], "int32")],
    run: ([table, ids]) => ops.embedding(table as Doubles, ids as Tensor<"int32">),
  },
  ...([
    {},
    { reduction: "sum" },
    { reduction: "none" },
    { labelSmoothing: 0.2 },
    { labelSmoothing: 0.2, reduction: "none", ignoreIndex: 1 },
  ] as const).map((options): GradientCase => ({
    name: "crossEntropy",
    what: `with ${JSON.stringify(options)}`,
    make: () => [
      d([2, 2, 3]),
      Tensor.from(
        [[1, -100], [2, 1]].map((row) => {
          return "ignoreIndex" in options ? row.map(Math.abs).map((i) => i % 3) : row;
        }),
        "int32",
      ),
    ],
    run: ([x, targets]) => ops.crossEntropy(x as Doubles, targets as Tensor<"int32">, options),
  })),
  unary("gelu", (x) => ops.gelu(x)),
  { ...unary("gelu", (x) => ops.gelu(x, { approximate: "tanh" })), what: "by tanh" },
  of("geglu", "", [[2, 3], [2, 3]], (a, b) => ops.geglu(a, b)),
  of("geglu", "by tanh", [[2, 3], [2, 3]], (a, b) => ops.geglu(a, b, { approximate: "tanh" })),
  of("swiglu", "", [[2, 3], [2, 3]], (a, b) => ops.swiglu(a, b)),
  unary("softmax", (x) => ops.softmax(x)),
  { ...unary("softmax", (x) => ops.softmax(x, { axis: 0 })), what: "of columns" },
  { ...unary("softmax", (x) => ops.softmax(x), () => d([])), what: "of a number" },
  of("softmax", "with scale, mask and causal", [[2, 3, 4], [3, 4]], (x, mask) => {
    return ops.softmax(x, { mask, scale: 0.5, causal: true });
  }),
  of("softmax", "with a mask of rows", [[2, 2, 4], [2, 1, 4]], (x, mask) => {
    return ops.softmax(x, { mask });
  }),
  of("softmax", "with a mask of bool", [[2, 4]], (x) => {
    using mask = Tensor.from([true, false, true, true], "bool");
    return ops.softmax(x, { mask, scale: 2 });
  }),
  unary("logSoftmax", (x) => ops.logSoftmax(x)),
  { ...unary("logSoftmax", (x) => ops.logSoftmax(x, { axis: 0 })), what: "of columns" },
  of("layerNorm", "", [[2, 2, 4]], (x) => ops.layerNorm(x)),
  of("layerNorm", "with weight and bias", [[3, 4], [4], [4]], (x, weight, bias) => {
    return ops.layerNorm(x, { weight, bias, epsilon: 0.1 });
  }),
  of("layerNorm", "of a vector", [[4], [4], [4]], (x, weight, bias) => {
    return ops.layerNorm(x, { weight, bias });
  }),
  of("rmsNorm", "", [[2, 2, 4]], (x) => ops.rmsNorm(x)),
  of("rmsNorm", "with a weight", [[3, 4], [4]], (x, weight) => {
    return ops.rmsNorm(x, weight, { epsilon: 0.1 });
  }),
  of("layerNormResidual", "", [[3, 4], [3, 4], [4], [4]], (x, residual, weight, bias) => {
    return ops.layerNormResidual(x, residual, { weight, bias });
  }),
  of("rmsNormResidual", "", [[3, 4], [3, 4], [4]], (x, residual, weight) => {
    return ops.rmsNormResidual(x, residual, { weight });
  }),
  {
    ...of("layerNormResidual", "with the sum", [[3, 4], [3, 4]], product),
    run: ([x, residual]) => {
      const sum = Tensor.zeros([3, 4], x.dtype as "float64");
      return [ops.layerNormResidual(x as Doubles, residual as Doubles, { sum }), sum];
    },
  },
  {
    ...of("rmsNormResidual", "with the sum onto the residual", [[3, 4], [3, 4]], product),
    run: ([x, residual]) => {
      const sum = residual.clone() as Doubles;
      return [ops.rmsNormResidual(x as Doubles, sum, { sum }), sum];
    },
  },
  of("groupNorm", "", [[2, 4, 3]], (x) => ops.groupNorm(x, 2)),
  of("groupNorm", "with weight and bias", [[2, 4, 2, 2], [4], [4]], (x, weight, bias) => {
    return ops.groupNorm(x, 2, { weight, bias, epsilon: 0.1 });
  }),
  of("groupNorm", "of vectors", [[3, 4], [4], [4]], (x, weight, bias) => {
    return ops.groupNorm(x, 2, { weight, bias, epsilon: 1 });
  }),
  ...(["interleaved", "halves"] as const).map((layout): GradientCase => ({
    name: "rope",
    what: layout,
    make: () => [d([3, 2, 6])],
    run: ([x]) => {
      const table = ops.ropeTable(3, 2, { start: 1, dtype: x.dtype as "float64" });
      const y = ops.rope(x as Doubles, table, { layout });
      table.cosines.dispose();
      table.sines.dispose();
      return y;
    },
  })),
  attends("", []),
  attends("causal", [], { causal: true }),
  attends("with fewer keys in use", [], { keyTokens: 3, scale: 0.7 }),
  attends("causal in a window", [], { causal: true, window: 2 }),
  attends("in a window", [], { window: 3 }),
  attends("in a window of an even number", [], { window: 2 }),
  attends("of a batch", [[2], [2]]),
  attends("of a batch with one sequence of keys", [[2], []], { causal: true }),
  attends("of a batch with one sequence of queries", [[1], [2]]),
  attends("with an added mask", [[2], [2]], {}, [3, 5]),
  attends("with an added mask of heads", [[2], [2]], { causal: true }, [4, 1, 5]),
  attends("with an added mask of a batch", [[2], [2]], {}, [2, 1, 3, 5]),
  attends("with an added mask of keys", [], {}, [5]),
  {
    ...attends("with a mask of bool that leaves a query nothing", []),
    run: ([q, k, v]) => {
      using mask = Tensor.from([
        [true, false, true, true, false],
        [false, false, false, false, false],
        [true, true, true, true, true],
      ], "bool");
      return ops.attention(q as Doubles, k as Doubles, v as Doubles, { mask });
    },
  },
  {
    ...attends("with padded sequences", [[3], [3]]),
    run: ([q, k, v]) => {
      using keyTokens = Tensor.from([5, 2, 0], "int32");
      return ops.attention(q as Doubles, k as Doubles, v as Doubles, { keyTokens });
    },
  },
  of("attention", "of segments", [[5, 2, 3], [5, 1, 3], [5, 1, 3]], (q, k, v) => {
    using segments = Tensor.from([0, 2, 2, 5], "int32");
    return ops.attention(q, k, v, { segments, causal: true });
  }),
];
