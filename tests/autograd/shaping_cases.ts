/**
 * The part of the table of differentiable operations that chooses, moves and joins elements.
 */
import * as ops from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { d, positive, unary } from "./gradient_cases.ts";
import type { Doubles, GradientCase } from "./gradient_check.ts";

/** Two operands, chosen from by a condition. */
function chosen(what: string, condition: boolean[][], a: number[], b: number[]): GradientCase {
  return {
    name: "where",
    what,
    make: () => [Tensor.from(condition, "bool"), d(a, 1), d(b, 2)],
    run: ([c, x, y]) => ops.where(c as Tensor<"bool">, x as Doubles, y as Doubles),
  };
}

/** In place, on a copy that has a history, with an operand that has none. */
function inPlace(name: string, run: (x: Doubles, y: Doubles) => Tensor): GradientCase {
  return {
    ...unary(name, (x) => {
      using y = positive([3], 2);
      return run(x.clone(), y);
    }),
    what: "by what has no gradient",
  };
}

type Indices = Tensor<"int32"> | Tensor<"int64">;

/** An operand and what it has the indices of. */
function indexed(
  name: string,
  what: string,
  shape: number[],
  places: number[] | number[][],
  run: (x: Doubles, indices: Indices) => Tensor,
): GradientCase {
  return {
    name,
    what,
    make: () => [d(shape), Tensor.from(places, "int32")],
    run: ([x, indices]) => run(x as Doubles, indices as Indices),
  };
}

type Add = (x: Doubles, indices: Indices, source: Doubles) => Tensor;

/** Additions to `x` and, in place, to a copy of it. */
function additions(
  name: "indexAdd" | "scatterAdd",
  what: string,
  x: number[],
  places: number[] | number[][],
  source: number[],
  axis: number,
): GradientCase[] {
  const of = (name: string, run: Add): GradientCase => ({
    name,
    what,
    make: () => [d(x, 1), Tensor.from(places, "int64"), d(source, 2)],
    run: ([x, indices, source]) => run(x as Doubles, indices as Indices, source as Doubles),
  });
  const inPlace = `${name}InPlace` as const;
  const overwriting: Add = (x, indices, source) => {
    const out = ops.mul(x, 2);
    return ops[name](out, indices, source, { axis, out });
  };
  return [
    { ...of(name, overwriting), what: `${what}, into its operand` },
    of(name, (x, indices, source) => ops[name](x, indices, source, { axis })),
    of(inPlace, (x, indices, source) => ops[inPlace](x.clone(), indices, source, { axis })),
  ];
}

/** Three tensors of some shapes, joined. */
function joined(name: string, what: string, shapes: number[][], axis: number): GradientCase {
  const join = name === "stack" ? ops.stack : ops.concatenate;
  return {
    name,
    what,
    make: () => shapes.map((shape, i) => d(shape, i + 1)),
    run: (operands) => join(operands as Doubles[], { axis }),
  };
}

const modes = ["constant", "edge", "reflect", "wrap"] as const;

/** Values that float32 holds, so far apart that their order stays. */
function apart(shape: number[]): Doubles {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const numbers = Float64Array.from({ length: size }, (_, i) => (i * 7 % size) / 4 - 2);
  const x = Tensor.zeros(shape, "float64");
  x.data.set(numbers);
  return x;
}

/** Moves that float32 holds, too. */
const epsilon = 2 ** -6;

/** The values of the largest or smallest, which are searched in float32. */
function top(what: string, k: number, options: ops.TopKOptions<"float32">): GradientCase {
  const run = (x: Doubles) => {
    using narrow = ops.cast(x, "float32");
    const { values, indices } = ops.topK(narrow, k, options);
    indices.dispose();
    return values;
  };
  return { ...unary("topK", run, () => apart([3, 4])), what, epsilon };
}

/** A sum by Einstein's convention, of operands of some shapes. */
function contracted(equation: string, ...shapes: number[][]): GradientCase {
  return {
    name: "einsum",
    what: `of ${equation} of ${JSON.stringify(shapes)}`,
    make: () => shapes.map((shape, i) => d(shape, i + 1)),
    run: (operands) => ops.einsum(equation, operands as Doubles[]),
  };
}

const mask = [[true, false, true], [false, false, true]];

/** Operations that give each element from one of their operands. */
export const shapingCases: GradientCase[] = [
  chosen("", mask, [2, 3], [2, 3]),
  chosen("with a row and a column", mask, [3], [2, 1]),
  chosen("with a scalar", mask, [], [2, 3]),
  chosen("with a broadcast condition", [[true], [false]], [2, 3], [1, 3]),
  unary("dropout", (x) => ops.dropout(x, 0.4, { seed: 5 }), () => d([3, 4])),
  unary("clamp", (x) => ops.clamp(x, -0.5, 0.5), () => d([3, 4])),
  { ...unary("clamp", (x) => ops.clamp(x, -Infinity, 0.5)), what: "from above alone" },
  inPlace("mulInPlace", (x, y) => ops.mulInPlace(x, y)),
  inPlace("divInPlace", (x, y) => ops.divInPlace(x, y)),
  {
    name: "divInPlace",
    make: () => [d([2, 3]), positive([3], 2)],
    run: ([x, y]) => ops.divInPlace(x.clone() as Doubles, y as Doubles),
  },
  { ...unary("mulInPlace", (x) => ops.mulInPlace(x.clone(), 3)), what: "by a number" },
  ...[0, 1, -1].map((axis) =>
    joined("concatenate", `along axis ${axis}`, [[2, 3], [2, 3], [2, 3]], axis)
  ),
  joined("concatenate", "of different sizes", [[2, 1, 2], [2, 0, 2], [2, 3, 2]], 1),
  ...[0, 1, -1].map((axis) => joined("stack", `along axis ${axis}`, [[2, 3], [2, 3]], axis)),
  joined("stack", "of scalars", [[], [], []], 0),
  {
    name: "concatenate",
    what: "of one tensor twice",
    make: () => [d([2, 2])],
    run: ([x]) => ops.concatenate([x, x] as Doubles[], { axis: 1 }),
  },
  {
    name: "split",
    make: () => [d([2, 5])],
    run: ([x]) => ops.split(x, [2, 0, 3], { axis: 1 }),
  },
  unary("flip", (x) => ops.flip(x)),
  { ...unary("flip", (x) => ops.flip(x, { axis: [-1] })), what: "of columns" },
  unary("roll", (x) => ops.roll(x, 1), () => d([4, 3])),
  { ...unary("roll", (x) => ops.roll(x, [-1, 5], { axis: [0, 1] })), what: "of two axes" },
  unary("tile", (x) => ops.tile(x, [2, 3])),
  { ...unary("tile", (x) => ops.tile(x, [2, 1, 3])), what: "into a new axis" },
  { ...unary("tile", (x) => ops.tile(x, [3]), () => d([2, 1])), what: "of columns" },
  { ...unary("tile", (x) => ops.tile(x, [0, 2])), what: "to nothing" },
  { ...unary("tile", (x) => ops.tile(x, [])), what: "once" },
  unary("repeat", (x) => ops.repeat(x, 3)),
  { ...unary("repeat", (x) => ops.repeat(x, 2, { axis: 1 })), what: "of columns" },
  { ...unary("repeat", (x) => ops.repeat(x, 1)), what: "once" },
  ...modes.flatMap((mode): GradientCase[] => [
    { ...unary("pad", (x) => ops.pad(x, 1, { mode })), what: `of ${mode}` },
    {
      ...unary("pad", (x) => ops.pad(x, [[0, 0], [7, 5]], { mode })),
      what: `of ${mode}, wider than the tensor`,
    },
    { ...unary("pad", (x) => ops.pad(x, [3, 0], { mode, value: 2 })), what: `of ${mode} before` },
  ]),
  unary("tril", (x) => ops.tril(x), () => d([2, 3, 4])),
  { ...unary("tril", (x) => ops.tril(x, { diagonal: -1 })), what: "below the diagonal" },
  unary("triu", (x) => ops.triu(x), () => d([2, 3, 4])),
  { ...unary("triu", (x) => ops.triu(x, { diagonal: 1 })), what: "above the diagonal" },
  indexed("gather", "with repeats", [3, 2], [2, 0, -1, 2], (x, i) => ops.gather(x, i)),
  indexed("gather", "of columns", [2, 3, 2], [[1, 0], [1, -3]], (x, i) => {
    return ops.gather(x, i, { axis: 1 });
  }),
  indexed("takeAlongAxis", "with repeats", [3, 2], [[2, 0], [0, 0], [-1, 1], [2, 1]], (x, i) => {
    return ops.takeAlongAxis(x, i);
  }),
  indexed("takeAlongAxis", "of broadcast indices", [2, 3], [[2, 0, 2, 1]], (x, i) => {
    return ops.takeAlongAxis(x, i, { axis: 1 });
  }),
  indexed("takeAlongAxis", "of a broadcast operand", [1, 3], [[2, 0], [1, 1]], (x, i) => {
    return ops.takeAlongAxis(x, i, { axis: 1 });
  }),
  ...additions("indexAdd", "with repeats", [3, 2], [2, 0, -1, 2], [4, 2], 0),
  ...additions("indexAdd", "of columns", [2, 3], [[1, 0], [1, 1]], [2, 2, 2], 1),
  ...additions("scatterAdd", "with repeats", [3, 2], [[2, 0], [2, 2], [-1, 1]], [3, 2], 0),
  ...additions("scatterAdd", "of broadcast indices", [2, 3], [[2, 0, 2, 1]], [2, 4], 1),
  ...additions("scatterAdd", "of a broadcast source", [2, 3], [[2, 0], [1, 1]], [2, 1], 1),
  ...additions("scatterAdd", "of one index for all", [2, 3], [[2], [1]], [2, 4], 1),
  top("", 2, {}),
  top("of the smallest in columns", 2, { axis: 0, largest: false }),
  top("of all", 4, {}),
  unary("sort", (x) => ops.sort(x), () => d([3, 4])),
  {
    ...unary("sort", (x) => ops.sort(x, { axis: 0, descending: true }), () => d([3, 4])),
    what: "of columns, descending",
  },
  {
    ...unary("sort", (x) => {
      using copy = x.clone();
      const out = ops.mul(copy, 2);
      return ops.sort(out, { out });
    }),
    what: "in place",
  },
  {
    ...unary("dequantize", (x) => {
      using narrow = ops.cast(x, "float16");
      return ops.dequantize(narrow);
    }, () => apart([2, 4])),
    epsilon,
  },
  contracted("ij,jk->ik", [2, 3], [3, 2]),
  contracted("ij,jk->ki", [2, 3], [3, 2]),
  contracted("bij,bkj->bik", [2, 2, 3], [2, 3, 3]),
  contracted("ij,jk,kl->il", [2, 3], [3, 2], [2, 3]),
  contracted("i,i", [3], [3]),
  contracted("i,j->ij", [3], [2]),
  contracted(",i->i", [], [3]),
  contracted("ij->ji", [2, 3]),
  contracted("ijk->j", [2, 3, 2]),
  contracted("ij,k->", [2, 3], [2]),
  contracted("ii", [3, 3]),
  contracted("ii->i", [3, 3]),
  contracted("iji,j->ij", [2, 3, 2], [3]),
  contracted("iii,i->i", [2, 2, 2], [2]),
  contracted("ijij->ji", [2, 3, 2, 3]),
  contracted("iij,k->k", [2, 2, 3], [2]),
  contracted("ij,ij->i", [2, 3], [1, 3]),
  contracted("ij,ij->", [2, 1], [1, 3]),
  contracted("ii,i->i", [1, 3], [3]),
  contracted("...ij,...jk->...ik", [2, 2, 3], [3, 2]),
  contracted("...i,...i->...", [2, 1, 3], [4, 3]),
  contracted("i...->...", [2, 3, 2]),
];
