/**
 * The part of the table of gradients that methods of tensors are in: views, and copies.
 */
import { mul } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { d, unary } from "./gradient_cases.ts";
import type { Doubles, GradientCase } from "./gradient_check.ts";

type Way = (x: Doubles) => Tensor;

/** A method on a tensor of a shape; the result is squared, so that the gradient depends on it. */
function of(name: string, what: string, shape: number[], way: Way): GradientCase {
  const run: Way = (x) => {
    using view = way(x) as Doubles;
    return mul(view, view);
  };
  return { ...unary(`Tensor.${name}`, run, () => d(shape)), what };
}

/** A view of a turned view. */
function turnedFirst(way: Way): Way {
  return (x) => {
    using turned = x.transpose() as Doubles;
    return way(turned);
  };
}

/** Every method that makes a tensor with the history of its own. */
export const viewCases: GradientCase[] = [
  of("reshape", "", [2, 3], (x) => x.reshape([3, 2])),
  of("reshape", "of a scalar", [], (x) => x.reshape([1, 1])),
  of("reshape", "that copies", [2, 3], turnedFirst((x) => x.reshape([6]))),
  of("slice", "", [4, 3], (x) => x.slice(1, 3)),
  of("slice", "of columns", [2, 5], (x) => x.slice(1, -1, { axis: 1 })),
  of("slice", "of nothing", [2, 3], (x) => x.slice(1, 1)),
  of("transpose", "", [2, 3], (x) => x.transpose()),
  of("transpose", "of three axes", [2, 3, 2], (x) => x.transpose(1, 2, 0)),
  of("unsqueeze", "", [2, 3], (x) => x.unsqueeze(1)),
  of("squeeze", "", [2, 1, 3, 1], (x) => x.squeeze()),
  of("squeeze", "of one axis", [1, 3, 1], (x) => x.squeeze(-1)),
  of("broadcastTo", "", [3], (x) => x.broadcastTo([2, 3])),
  of("broadcastTo", "between", [2, 1, 2], (x) => x.broadcastTo([2, 2, 3, 2])),
  of("broadcastTo", "of a scalar", [], (x) => x.broadcastTo([2, 2])),
  of("diagonal", "", [3, 3], (x) => x.diagonal()),
  of("diagonal", "beside the main one", [3, 4], (x) => x.diagonal(1)),
  of("diagonal", "of two of three axes", [2, 3, 2], (x) => x.diagonal(0, 0, 2)),
  of("contiguous", "", [2, 3], (x) => x.contiguous()),
  of("contiguous", "that copies", [2, 3], turnedFirst((x) => x.contiguous())),
  of("clone", "", [2, 3], (x) => x.clone()),
  of("clone", "of a view", [2, 3], turnedFirst((x) => x.clone())),
  of("move", "", [2, 3], (x) => mul(x, 3).move()),
  of("copyFrom", "", [2, 3], (x) => Tensor.zeros([2, 3], x.dtype).copyFrom(x)),
  of(
    "copyFrom",
    "of another shape",
    [2, 3],
    turnedFirst((x) => {
      return Tensor.zeros([6], x.dtype).copyFrom(x);
    }),
  ),
];

/** Methods that make no tensor, or one that has no history on purpose. */
export const withoutHistory: readonly string[] = [
  ...["get", "toArray", "zeroGrad", "backward", "detach", "share", "dispose"],
];
