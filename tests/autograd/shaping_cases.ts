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

const mask = [[true, false, true], [false, false, true]];

/** Operations that give each element from one of their operands. */
export const shapingCases: GradientCase[] = [
  chosen("", mask, [2, 3], [2, 3]),
  chosen("with a row and a column", mask, [3], [2, 1]),
  chosen("with a scalar", mask, [], [2, 3]),
  chosen("with a broadcast condition", [[true], [false]], [2, 3], [1, 3]),
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
];
