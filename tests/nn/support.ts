/**
 * What tests of layers share: a loss that weighs every element, and gradients of a layer's
 * inputs and parameters against differences.
 */
import { assert } from "@std/assert";
import { isFloating } from "../../lib/core/dtype.ts";
import { noGrad } from "../../lib/autograd/mod.ts";
import { mul, sum } from "../../lib/ops/mod.ts";
import type { Module } from "../../lib/nn/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** A tensor of real numbers, in double precision. */
export type Doubles = Tensor<"float64">;

/** A tensor whose element i is `of(i)`. */
export function filled(shape: readonly number[], of: (i: number) => number): Doubles {
  const size = shape.reduce((a, b) => a * b, 1);
  using flat = Tensor.from(Float64Array.from({ length: size }, (_, i) => of(i)), "float64");
  return flat.reshape(shape);
}

/** The sum of a result's elements, each with another weight. */
export function weighted(y: Doubles): Doubles {
  using weights = filled(y.shape, (i) => Math.cos(3 * i + 1) + 0.1);
  using products = mul(y, weights);
  return sum(products);
}

/** All elements in one list. */
export function flat(tensor: Tensor): number[] {
  return [tensor.toArray()].flat(9) as number[];
}

/**
 * Checks the gradients of a layer's inputs and parameters, element by element.
 *
 * @param layer In float64.
 * @param inputs Tensors of float64, or of integers.
 * @param run The pass.
 */
export function checkLayer(layer: Module, inputs: Tensor[], run: () => Doubles): void {
  const leaves: Record<string, Doubles> = { ...layer.parameters() as Record<string, Doubles> };
  inputs.forEach((input, i) => {
    if (!isFloating(input.dtype)) return;
    input.requiresGrad = true;
    leaves[`input ${i}`] = input as Doubles;
  });
  {
    using y = run();
    using loss = weighted(y);
    loss.backward();
  }
  const value = () =>
    noGrad(() => {
      using y = run();
      using loss = weighted(y);
      return loss.get();
    });
  for (const [name, leaf] of Object.entries(leaves)) {
    assert(leaf.grad !== undefined, `${name} has no gradient`);
    const gradient = flat(leaf.grad);
    const { data } = leaf;
    for (let i = 0; i < data.length; i++) {
      const before = data[i];
      data[i] = before + 1e-6;
      const above = value();
      data[i] = before - 1e-6;
      const below = value();
      data[i] = before;
      const slope = (above - below) / 2e-6;
      assert(
        Math.abs(gradient[i] - slope) <= 1e-5 + 1e-3 * Math.abs(slope),
        `${name}, element ${i}: ${gradient[i]}, expected ${slope}`,
      );
    }
    leaf.zeroGrad();
  }
}
