/**
 * The operations as one table, for tests of what they have in common. The file is as long
 * as the list of operations, none of which may be missing.
 */
import * as ops from "../../lib/ops/mod.ts";
import {
  argmax,
  attention,
  clamp,
  crossEntropy,
  dequantize,
  embedding,
  geglu,
  groupNorm,
  layerNorm,
  layerNormResidual,
  linear,
  logSoftmax,
  matmul,
  rmsNorm,
  rmsNormResidual,
  rope,
  sample,
  softmax,
  swiglu,
  where,
} from "../../lib/ops/mod.ts";
import type { DType, Floating } from "../../lib/core/dtype.ts";
import { unaryFunctions } from "./unary_functions.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** What most operands are. */
export type Floats = Tensor<"float32">;
/** What indices are. */
export type Ids = Tensor<"int32">;

/** What comparisons give. */
export type Bools = Tensor<"bool">;

/** One operation with operands that fit. */
export interface Case {
  name: string;
  /** The operands, made anew for each check. */
  make: () => Tensor[];
  run: (operands: Tensor[], out?: Tensor) => Tensor;
  /** The result's shape. */
  shape: number[];
  /** The result's dtype; float32 when left out. */
  dtype?: DType;
  /** Operands that `out` may be. */
  inPlace?: number[];
  /** Blocks that stay with an operand: copies of weights. */
  kept?: number;
  /**
   * The dtypes that its floating-point operands may have; float32, float64, float16 and
   * bfloat16 when left out.
   */
  dtypes?: readonly Floating[];
  /** Whether the result of halves is float32. */
  widens?: boolean;
  /** Operands that are float32 where the others are halves. */
  wide?: number[];
}

/** Random floats. */
export const f = (shape: number[]) => Tensor.randn(shape, { seed: 1 });
/** Indices. */
export const i = (values: number[]) => Tensor.from(values, "int32");

/** Booleans: one of eight bits of a number each, twice. */
export const t = (bits: number) =>
  Tensor.from([0, 1].map(() => Array.from({ length: 8 }, (_, i) => (bits >> i & 1) === 1)), "bool");

type FloatsOperation = (a: Floats, b: Floats, options: { out?: Floats }) => Floats;
const { add, sub, mul, div, pow, maximum, minimum } = ops;
const arithmetic: Record<string, FloatsOperation> = { add, sub, mul, div, pow, maximum, minimum };

type FloatsReduction = (x: Floats, options: ops.ReduceOptions<"float32">) => Floats;
const { sum, prod, mean, variance, std, max, min, norm, logSumExp } = ops;
const reductions: Record<string, FloatsReduction> = {
  sum,
  prod,
  mean,
  variance,
  std,
  max,
  min,
  norm,
  logSumExp,
};
const comparisons = [
  "equal",
  "notEqual",
  "less",
  "lessEqual",
  "greater",
  "greaterEqual",
] as const;

/** The functions of one element, which take anything. */
const unaryCases: Case[] = Object.entries(unaryFunctions).map(([name, { run }]) => ({
  name,
  make: () => [f([2, 3])],
  run: ([x], out) => run(x as Floats, { out: out as Floats }),
  shape: [2, 3],
  inPlace: [0],
}));

/** Every operation whose result is one tensor. */
export const cases: Case[] = [
  ...unaryCases,
  ...Object.entries(arithmetic).map(([name, operation]): Case => ({
    name,
    make: () => [f([2, 3]), f([2, 3])],
    run: ([a, b], out) => operation(a as Floats, b as Floats, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0, 1],
  })),
  ...comparisons.map((name): Case => ({
    name,
    make: () => [f([2, 3]), f([2, 3])],
    run: ([a, b], out) => ops[name](a as Floats, b as Floats, { out: out as Bools }),
    shape: [2, 3],
    dtype: "bool",
  })),
  ...(["logicalAnd", "logicalOr"] as const).map((name): Case => ({
    name,
    make: () => [t(0b11001010), t(0b10101100)],
    run: ([a, b], out) => ops[name](a as Bools, b as Bools, { out: out as Bools }),
    shape: [2, 8],
    dtype: "bool",
    inPlace: [0, 1],
  })),
  {
    name: "logicalNot",
    make: () => [t(0b11001010)],
    run: ([x], out) => ops.logicalNot(x as Bools, { out: out as Bools }),
    shape: [2, 8],
    dtype: "bool",
    inPlace: [0],
  },
  {
    name: "where",
    make: () => [t(0b11001010), f([2, 8]), f([2, 8])],
    run: ([c, a, b], out) => where(c as Bools, a as Floats, b as Floats, { out: out as Floats }),
    shape: [2, 8],
    inPlace: [1, 2],
  },
  {
    name: "cast",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.cast(x, "float64", { out: out as Tensor<"float64"> }),
    shape: [2, 3],
    dtype: "float64",
  },
  {
    name: "clamp",
    make: () => [f([2, 3])],
    run: ([x], out) => clamp(x as Floats, -0.5, 0.5, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  },
  {
    name: "dropout",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.dropout(x as Floats, 0.5, { seed: 3, out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  },
  {
    name: "rmsNorm",
    make: () => [f([2, 3]), f([3])],
    run: ([x, w], out) => rmsNorm(x as Floats, w as Floats, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  },
  {
    name: "rmsNormResidual",
    make: () => [f([2, 3]), f([2, 3]), f([3])],
    run: ([x, residual, weight], out) =>
      rmsNormResidual(x as Floats, residual as Floats, {
        weight: weight as Floats,
        out: out as Floats,
      }),
    shape: [2, 3],
    inPlace: [0, 1],
  },
  {
    name: "layerNorm",
    make: () => [f([2, 2, 3]), f([3]), f([3])],
    run: ([x, weight, bias], out) =>
      layerNorm(x as Floats, {
        weight: weight as Floats,
        bias: bias as Floats,
        out: out as Floats,
      }),
    shape: [2, 2, 3],
    inPlace: [0],
  },
  {
    name: "layerNormResidual",
    make: () => [f([2, 3]), f([2, 3]), f([3]), f([3])],
    run: ([x, residual, weight, bias], out) =>
      layerNormResidual(x as Floats, residual as Floats, {
        weight: weight as Floats,
        bias: bias as Floats,
        out: out as Floats,
      }),
    shape: [2, 3],
    inPlace: [0, 1],
  },
  {
    name: "groupNorm",
    make: () => [f([2, 4, 3, 2]), f([4]), f([4])],
    run: ([x, weight, bias], out) =>
      groupNorm(x as Floats, 2, {
        weight: weight as Floats,
        bias: bias as Floats,
        out: out as Floats,
      }),
    shape: [2, 4, 3, 2],
    inPlace: [0],
  },
  {
    name: "linear",
    make: () => [f([2, 3]), f([4, 3])],
    run: ([x, w], out) => linear(x as Floats, w, { out: out as Floats }),
    shape: [2, 4],
    kept: 1,
  },
  {
    name: "linear",
    make: () => [f([2, 3]), f([4, 3]), f([4]), f([2, 4])],
    run: ([x, w, bias, residual], out) =>
      linear(x as Floats, w, {
        bias: bias as Floats,
        residual: residual as Floats,
        activation: "silu",
        out: out as Floats,
      }),
    shape: [2, 4],
    inPlace: [3],
    kept: 1,
  },
  {
    name: "matmul",
    make: () => [f([2, 3]), f([2, 3, 4])],
    run: ([a, b], out) => matmul(a as Floats, b as Floats, { out: out as Floats }),
    shape: [2, 2, 4],
  },
  {
    name: "embedding",
    make: () => [f([5, 3]), i([4, 0])],
    run: ([table, ids], out) => embedding(table, ids as Ids, { out: out as Floats }),
    shape: [2, 3],
    widens: true,
  },
  {
    name: "gather",
    make: () => [f([2, 5]), i([4, -5, 1])],
    run: ([x, ids], out) => ops.gather(x as Floats, ids as Ids, { axis: 1, out: out as Floats }),
    shape: [2, 3],
  },
  {
    name: "einsum",
    make: () => [f([2, 3]), f([3, 4])],
    run: ([a, b], out) =>
      ops.einsum("ij,jk->ki", [a as Floats, b as Floats], { out: out as Floats }),
    shape: [4, 2],
  },
  {
    name: "takeAlongAxis",
    make: () => [f([5]), i([1, 0, -1, 1])],
    run: ([x, ids], out) => ops.takeAlongAxis(x as Floats, ids as Ids, { out: out as Floats }),
    shape: [4],
  },
  {
    name: "indexAdd",
    make: () => [f([4, 3]), i([3, 0, 3]), f([3, 3])],
    run: ([x, ids, source], out) =>
      ops.indexAdd(x as Floats, ids as Ids, source as Floats, { out: out as Floats }),
    shape: [4, 3],
    inPlace: [0],
  },
  {
    name: "scatterAdd",
    make: () => [f([3]), i([2, 0, 2, -1]), f([4])],
    run: ([x, ids, source], out) =>
      ops.scatterAdd(x as Floats, ids as Ids, source as Floats, { out: out as Floats }),
    shape: [3],
    inPlace: [0],
  },
  {
    name: "oneHot",
    make: () => [i([2, 0])],
    run: ([ids], out) => ops.oneHot(ids as Ids, 3, { out: out as Floats }),
    shape: [2, 3],
    dtype: "float32",
  },
  {
    name: "concatenate",
    make: () => [f([2, 3]), f([2, 1])],
    run: ([a, b], out) =>
      ops.concatenate([a as Floats, b as Floats], { axis: -1, out: out as Floats }),
    shape: [2, 4],
  },
  {
    name: "stack",
    make: () => [f([2, 3]), f([2, 3])],
    run: ([a, b], out) => ops.stack([a as Floats, b as Floats], { axis: 1, out: out as Floats }),
    shape: [2, 2, 3],
  },
  {
    name: "pad",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.pad(x as Floats, [1, 2], { mode: "reflect", out: out as Floats }),
    shape: [5, 6],
  },
  {
    name: "flip",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.flip(x as Floats, { out: out as Floats }),
    shape: [2, 3],
  },
  {
    name: "roll",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.roll(x as Floats, [1, -1], { axis: [0, 1], out: out as Floats }),
    shape: [2, 3],
  },
  {
    name: "tile",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.tile(x as Floats, [2, 1, 2], { out: out as Floats }),
    shape: [2, 2, 6],
  },
  {
    name: "repeat",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.repeat(x as Floats, 2, { axis: 1, out: out as Floats }),
    shape: [2, 6],
  },
  {
    name: "tril",
    make: () => [f([2, 3, 3])],
    run: ([x], out) => ops.tril(x as Floats, { out: out as Floats }),
    shape: [2, 3, 3],
    inPlace: [0],
  },
  {
    name: "triu",
    make: () => [f([3, 3])],
    run: ([x], out) => ops.triu(x as Floats, { diagonal: 1, out: out as Floats }),
    shape: [3, 3],
    inPlace: [0],
  },
  {
    name: "dequantize",
    make: () => [f([2, 3])],
    run: ([x], out) => dequantize(x, { out: out as Floats }),
    shape: [2, 3],
    dtype: "float32",
    dtypes: ["float32", "float16", "bfloat16"],
  },
  {
    name: "quantize",
    make: () => [f([2, 64])],
    run: ([x], out) => ops.quantize(x, "q4_1", { out: out as Tensor<"q4_1"> }),
    shape: [2, 64],
    dtype: "q4_1",
  },
  {
    name: "rope",
    make: () => [f([2, 3, 8]), f([2, 4]), f([2, 4])],
    run: ([x, cosines, sines], out) =>
      rope(x as Floats, { cosines: cosines as Floats, sines: sines as Floats }, {
        out: out as Floats,
      }),
    shape: [2, 3, 8],
    inPlace: [0],
    wide: [1, 2],
  },
  {
    name: "attention",
    make: () => [f([2, 4, 8]), f([3, 2, 8]), f([3, 2, 8])],
    run: ([q, k, v], out) =>
      attention(q as Floats, k as Floats, v as Floats, { out: out as Floats, causal: true }),
    shape: [2, 4, 8],
  },
  {
    name: "attention",
    make: () => [f([2, 3, 4, 8]), f([2, 5, 2, 8]), f([2, 5, 2, 8]), f([4, 1, 5]), i([5, 2])],
    run: ([q, k, v, mask, keyTokens], out) =>
      attention(q as Floats, k as Floats, v as Floats, {
        mask: mask as Floats,
        keyTokens: keyTokens as Ids,
        out: out as Floats,
      }),
    shape: [2, 3, 4, 8],
  },
  {
    name: "geglu",
    make: () => [f([2, 3]), f([2, 3])],
    run: ([gate, up], out) => geglu(gate as Floats, up as Floats, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0, 1],
  },
  {
    name: "swiglu",
    make: () => [f([2, 3]), f([2, 3])],
    run: ([gate, up], out) => swiglu(gate as Floats, up as Floats, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0, 1],
  },
  {
    name: "softmax",
    make: () => [f([2, 3])],
    run: ([x], out) => softmax(x as Floats, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  },
  {
    name: "softmax",
    make: () => [f([2, 3]), i([1, 0, 1])],
    run: ([x, mask], out) =>
      softmax(x as Floats, { mask: mask as Ids, scale: 2, causal: true, out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  },
  {
    name: "logSoftmax",
    make: () => [f([2, 3])],
    run: ([x], out) => logSoftmax(x as Floats, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  },
  {
    name: "logSoftmax",
    make: () => [f([2, 3])],
    run: ([x], out) => logSoftmax(x as Floats, { axis: 0, out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  },
  ...Object.entries(reductions).map(([name, run]): Case => ({
    name,
    make: () => [f([2, 3, 4])],
    run: ([x], out) => run(x as Floats, { axis: [0, 2], out: out as Floats }),
    shape: [3],
  })),
  ...[ops.any, ops.all].map((run): Case => ({
    name: run.name,
    make: () => [f([2, 3])],
    run: ([x], out) => run(x, { axis: 0, out: out as Bools }),
    shape: [3],
    dtype: "bool",
  })),
  {
    name: "countNonZero",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.countNonZero(x, { keepDims: true, out: out as Tensor<"int64"> }),
    shape: [1, 1],
    dtype: "int64",
  },
  {
    name: "argmin",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.argmin(x, { axis: 0, out: out as Ids }),
    shape: [3],
    dtype: "int32",
  },
  {
    name: "argmax",
    make: () => [f([2, 3])],
    run: ([x], out) => argmax(x as Floats, { out: out as Ids }),
    shape: [2],
    dtype: "int32",
  },
  {
    name: "crossEntropy",
    make: () => [f([2, 3]), i([0, 2])],
    run: ([x, t], out) =>
      crossEntropy(x as Floats, t as Ids, { reduction: "none", out: out as Floats }),
    shape: [2],
  },
  {
    name: "crossEntropy",
    make: () => [f([2, 3]), i([0, 2])],
    run: ([x, t], out) => crossEntropy(x as Floats, t as Ids, { out: out as Floats }),
    shape: [],
  },
  ...[ops.cumsum, ops.cumprod].map((run): Case => ({
    name: run.name,
    make: () => [f([2, 3])],
    run: ([x], out) => run(x as Floats, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  })),
  {
    name: "sort",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.sort(x as Floats, { out: out as Floats }),
    shape: [2, 3],
    inPlace: [0],
  },
  {
    name: "argsort",
    make: () => [f([2, 3])],
    run: ([x], out) => ops.argsort(x as Floats, { axis: 0, out: out as Ids }),
    shape: [2, 3],
    dtype: "int32",
  },
  {
    name: "sample",
    make: () => [f([3]), i([1, 1, 2])],
    run: ([x, history], out) =>
      sample(x as Floats, 0.5, {
        temperature: 1,
        repeatPenalty: 2,
        history: history as Ids,
        out: out as Ids,
      }),
    shape: [1],
    dtype: "int32",
    dtypes: ["float32"],
  },
];

/** Disposes of tensors. */
export function dispose(tensors: Tensor[]): void {
  for (const tensor of tensors) tensor.dispose();
}
