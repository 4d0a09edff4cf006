/**
 * The part of the table of differentiable operations that makes fewer elements of many, or
 * walks along an axis.
 */
import * as ops from "../../lib/ops/mod.ts";
import type { ReduceOptions } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { d, positive, unary } from "./gradient_cases.ts";
import type { Doubles, GradientCase } from "./gradient_check.ts";

type Reduce = (x: Doubles, options: ReduceOptions<"float64">) => Tensor;

/** Over all axes, over one, and over two with one between. */
function reduction(
  name: string,
  run: Reduce,
  make: (shape: number[]) => Doubles = (shape) => d(shape, 5),
): GradientCase[] {
  const of = (what: string, shape: number[], options: ReduceOptions<"float64">): GradientCase => ({
    name,
    what,
    make: () => [make(shape)],
    run: ([x]) => run(x as Doubles, options),
  });
  return [
    of("", [2, 3], {}),
    of("of columns", [3, 4], { axis: 0 }),
    of("of rows, kept", [3, 4], { axis: -1, keepDims: true }),
    of("of two axes", [2, 3, 2], { axis: [0, -1] }),
    of("of one element each", [3, 1], { axis: 1 }),
  ];
}

/** Given values. */
const values = (rows: number[][]): Doubles => Tensor.from(rows, "float64");

/** Rows without, with one and with two elements that are 0. */
const zeros = (): Doubles => values([[2, -3, 0.5, 1], [2, 0, -1, 3], [0, 2, 0, 5], [1, 2, 3, 0]]);

const orders = [0.5, 1, 1.5, 2, 3, Infinity, -Infinity];

/** Reductions and running sums. */
export const reductionCases: GradientCase[] = [
  ...reduction("max", (x, options) => ops.max(x, options)),
  ...reduction("min", (x, options) => ops.min(x, options)),
  ...reduction("prod", (x, options) => ops.prod(x, options)),
  { ...unary("prod", (x) => ops.prod(x, { axis: 1 }), zeros), what: "beside zeros" },
  // The deviation of one element has no slope.
  ...reduction("variance", (x, options) => ops.variance(x, options)),
  { ...unary("variance", (x) => ops.variance(x, { ddof: 1, axis: 1 })), what: "with ddof" },
  ...reduction("std", (x, options) => ops.std(x, options)).slice(0, -1),
  { ...unary("std", (x) => ops.std(x, { ddof: 1, axis: 1 })), what: "with ddof" },
  ...reduction("norm", (x, options) => ops.norm(x, options)),
  ...orders.map((ord): GradientCase => ({
    ...unary("norm", (x) => ops.norm(x, { ord, axis: 1 }), () => d([3, 4], 7)),
    what: `of order ${ord}`,
  })),
  { ...unary("norm", (x) => ops.norm(x, { ord: 0 }), () => positive([3])), what: "of order 0" },
  ...reduction("logSumExp", (x, options) => ops.logSumExp(x, options)),
  unary("cumsum", (x) => ops.cumsum(x), () => d([3, 4])),
  { ...unary("cumsum", (x) => ops.cumsum(x, { axis: 0 }), () => d([3, 4])), what: "of columns" },
  { ...unary("cumsum", (x) => ops.cumsum(x), () => d([])), what: "of a scalar" },
  { ...unary("cumsum", (x) => ops.cumsum(x, { axis: 1 }), () => d([2, 3, 2])), what: "between" },
  unary("cumprod", (x) => ops.cumprod(x), () => d([3, 4])),
  { ...unary("cumprod", (x) => ops.cumprod(x, { axis: 0 }), () => d([3, 4])), what: "of columns" },
  { ...unary("cumprod", (x) => ops.cumprod(x), () => positive([])), what: "of a scalar" },
  { ...unary("cumprod", (x) => ops.cumprod(x, { axis: -1 }), zeros), what: "beside zeros" },
  {
    ...unary("cumprod", (x) => ops.cumprod(x, { axis: 0 }), () => values([[0], [0], [2], [0]])),
    what: "of zeros in a row",
  },
];
