/**
 * The differentiable operations as one table. `gradients_test.ts` fails when an exported
 * operation is neither here nor among those that have no gradient. The file is as long as
 * the list of operations.
 */
import * as ops from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import type { Doubles, GradientCase } from "./gradient_check.ts";

/** Random numbers around `mean`. */
export const d = (shape: number[], seed = 1, mean = 0): Doubles =>
  Tensor.randn(shape, { seed, mean, dtype: "float64" });

/** Numbers away from 0, where functions may have a pole or a kink. */
export function positive(shape: number[], seed = 1): Doubles {
  const x = d(shape, seed);
  for (let i = 0; i < x.size; i++) x.data[i] = 0.5 + Math.abs(x.data[i]);
  return x;
}

/** An operation on one operand. */
type Function1 = (x: Doubles) => Tensor;
type Function2 = (a: Doubles, b: Doubles) => Tensor;

/** A case of one operand. */
export function unary(
  name: string,
  run: Function1,
  make: () => Doubles = () => d([2, 3]),
): GradientCase {
  return { name, make: () => [make()], run: ([x]) => run(x as Doubles) };
}

/** Of the same shape, with each operand broadcast, and with a number. */
function binary(name: string, run: Function2, numberRun?: Function1): GradientCase[] {
  const of = (what: string, a: number[], b: number[]): GradientCase => ({
    name,
    what,
    make: () => [positive(a, 1), positive(b, 2)],
    run: ([x, y]) => run(x as Doubles, y as Doubles),
  });
  const cases = [
    of("", [2, 3], [2, 3]),
    of("with a row", [2, 3], [3]),
    of("with a column", [3], [2, 1]),
    of("with a scalar", [], [2, 2]),
  ];
  if (numberRun === undefined) return cases;
  return [...cases, { ...unary(name, numberRun, () => positive([2, 3])), what: "with a number" }];
}

/** In place, on a copy that has a history. */
function inPlace(name: string, run: (x: Doubles, y: Doubles) => Tensor): GradientCase {
  return {
    name,
    make: () => [positive([2, 3], 1), positive([3], 2)],
    run: ([x, y]) => run(x.clone() as Doubles, y as Doubles),
  };
}

const { add, sub, mul, div, pow, maximum, minimum } = ops;

/** Every operation that has a gradient, often in several cases. */
export const cases: GradientCase[] = [
  ...binary("add", (a, b) => add(a, b), (a) => add(a, 3)),
  ...binary("sub", (a, b) => sub(a, b), (a) => sub(a, 3)),
  ...binary("mul", (a, b) => mul(a, b), (a) => mul(a, 3)),
  ...binary("div", (a, b) => div(a, b), (a) => div(a, 3)),
  ...binary("pow", (a, b) => pow(a, b), (a) => pow(a, 3)),
  ...binary("maximum", (a, b) => maximum(a, b), (a) => maximum(a, 1)),
  ...binary("minimum", (a, b) => minimum(a, b), (a) => minimum(a, 1)),
  inPlace("addInPlace", (x, y) => ops.addInPlace(x, y)),
  inPlace("subInPlace", (x, y) => ops.subInPlace(x, y)),
  inPlace("addScaledInPlace", (x, y) => ops.addScaledInPlace(x, y, 3)),
  unary("scaleInPlace", (x) => ops.scaleInPlace(x.clone(), 3)),
  unary("exp", (x) => ops.exp(x)),
  unary("expm1", (x) => ops.expm1(x)),
  unary("exp2", (x) => ops.exp2(x)),
  unary("log", (x) => ops.log(x), () => positive([2, 3])),
  unary("log1p", (x) => ops.log1p(x), () => positive([2, 3])),
  unary("log2", (x) => ops.log2(x), () => positive([2, 3])),
  unary("log10", (x) => ops.log10(x), () => positive([2, 3])),
  unary("sin", (x) => ops.sin(x)),
  unary("cos", (x) => ops.cos(x)),
  unary("tan", (x) => ops.tan(x), () => d([2, 2], 3)),
  unary("atan", (x) => ops.atan(x)),
  unary("tanh", (x) => ops.tanh(x)),
  unary("erf", (x) => ops.erf(x)),
  unary("sqrt", (x) => ops.sqrt(x), () => positive([2, 3])),
  unary("rsqrt", (x) => ops.rsqrt(x), () => positive([2, 3])),
  unary("square", (x) => ops.square(x)),
  unary("reciprocal", (x) => ops.reciprocal(x), () => positive([2, 3])),
  unary("abs", (x) => ops.abs(x)),
  unary("negative", (x) => ops.negative(x)),
  unary("relu", (x) => ops.relu(x)),
  unary("sigmoid", (x) => ops.sigmoid(x)),
  unary("silu", (x) => ops.silu(x)),
  unary("cast", (x) => ops.cast(x, "float64")),
  unary("sum", (x) => ops.sum(x)),
  { ...unary("sum", (x) => ops.sum(x, { axis: 1 })), what: "of rows" },
  { ...unary("sum", (x) => ops.sum(x, { axis: 0, keepDims: true })), what: "of columns, kept" },
  unary("mean", (x) => ops.mean(x)),
  {
    ...unary("mean", (x) => ops.mean(x, { axis: [0, -1] }), () => d([2, 2, 3])),
    what: "of two axes",
  },
];

/** In float32, with the history of `x`. */
function narrow(run: (x: Tensor<"float32">) => Tensor): Function1 {
  return (x) => {
    using single = ops.cast(x, "float32");
    return run(single);
  };
}

/** Of truths. */
function ofTruths(run: (x: Tensor<"bool">) => Tensor): Function1 {
  return (x) => {
    using truths = ops.greater(x, 0);
    return run(truths);
  };
}

/** Calls of operations whose result is a step, an index, or overwritten: gradients end there. */
export const withoutGradient: Readonly<Record<string, Function1>> = {
  equal: (x) => ops.equal(x, x),
  notEqual: (x) => ops.notEqual(x, 1),
  less: (x) => ops.less(x, 1),
  lessEqual: (x) => ops.lessEqual(x, x),
  greater: (x) => ops.greater(x, 1),
  greaterEqual: (x) => ops.greaterEqual(x, x),
  sign: (x) => ops.sign(x),
  floor: (x) => ops.floor(x),
  ceil: (x) => ops.ceil(x),
  round: (x) => ops.round(x),
  fill: (x) => ops.fill(x.clone(), 1),
  argmax: (x) => ops.argmax(x),
  argmin: (x) => ops.argmin(x, { axis: 0 }),
  argsort: (x) => ops.argsort(x),
  all: (x) => ops.all(x),
  any: (x) => ops.any(x),
  countNonZero: (x) => ops.countNonZero(x),
  logicalAnd: ofTruths((x) => ops.logicalAnd(x, x)),
  logicalNot: ofTruths((x) => ops.logicalNot(x)),
  logicalOr: ofTruths((x) => ops.logicalOr(x, x)),
  oneHot: (x) => {
    using indices = ops.argsort(x);
    return ops.oneHot(indices, 40);
  },
  quantize: narrow((x) => ops.quantize(x, "q8_0")),
  sample: narrow((x) => {
    using row = x.slice(0, 1);
    using logits = row.squeeze(0);
    return ops.sample(logits, 0.5);
  }),
};

/** Operations that refuse what requires a gradient: the factors of frequencies are given. */
export const refused: readonly string[] = ["ropeTable"];
