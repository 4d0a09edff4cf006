/**
 * The gradients of every layer and model, of inputs and parameters, from one table: against
 * differences in float64, from inputs of any strides, and of float32 against float64.
 */
import { assert, assertEquals } from "@std/assert";
import { isFloating } from "../../lib/core/dtype.ts";
import * as models from "../../lib/models/mod.ts";
import * as nn from "../../lib/nn/mod.ts";
import type { LayerDType, Module } from "../../lib/nn/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { checkLayer, type Doubles, weighted } from "../nn/support.ts";
import { withoutLeaks } from "../support/native.ts";
import { type ModuleCase, moduleCases } from "./module_cases.ts";
import { turned } from "./gradient_check.ts";

/** A module whose parameters float32 holds, none of them all alike. */
function filledModule({ make }: ModuleCase, dtype: LayerDType): Module {
  const module = make(dtype);
  for (const tensor of Object.values(module.parameters()) as Doubles[]) {
    tensor.data.forEach((x, i) => {
      tensor.data[i] = Math.fround(x + Math.sin(5 * i + tensor.size) / 3);
    });
  }
  return module;
}

/** Runs a pass from where a module's random choices began. */
function replaying({ run }: ModuleCase, module: Module): ModuleCase["run"] {
  const parameters = new Set(Object.values(module.parameters()));
  const buffers = Object.values(module.state()).filter((tensor) => !parameters.has(tensor));
  const begun = buffers.map(({ data }) => data.slice());
  return (module, inputs) => {
    buffers.forEach(({ data }, i) => (data as Float32Array).set(begun[i] as Float32Array));
    return run(module, inputs);
  };
}

/** The gradients of inputs and parameters, by name. */
function gradientsOf(
  check: ModuleCase,
  dtype: LayerDType,
  change: (x: Tensor) => Tensor = (x) => x.clone(),
): Record<string, number[]> {
  using tensors = new DisposableStack();
  const module = tensors.use(filledModule(check, dtype));
  const leaves: Record<string, Tensor> = { ...module.parameters() };
  const inputs = check.inputs().map((made, i) => {
    const input = tensors.use(made);
    if (!isFloating(input.dtype)) return input;
    using copy = Tensor.empty(input.shape, dtype);
    (copy as Doubles).data.set(Float32Array.from((input as Doubles).data));
    const leaf = leaves[`input ${i}`] = tensors.use(change(copy));
    leaf.requiresGrad = true;
    return leaf;
  });
  using result = check.run(module, inputs) as Doubles;
  using loss = weighted(result);
  loss.backward();
  return Object.fromEntries(
    Object.entries(leaves).map(([name, { grad }]) => {
      assert(grad !== undefined, `${name} has no gradient`);
      return [name, [grad.toArray()].flat(9) as number[]];
    }),
  );
}

/**
 * Asserts that gradients are others' to a part of them; where they are small, to that part of a
 * hundredth of their tensor's largest, or of a thousandth of the largest of all.
 */
function assertAlike(
  actual: Record<string, number[]>,
  expected: Record<string, number[]>,
  tolerance: number,
): void {
  assertEquals(Object.keys(actual), Object.keys(expected));
  const largest = (values: number[]) => Math.max(...values.map(Math.abs));
  const all = largest(Object.values(expected).flat());
  for (const [name, values] of Object.entries(expected)) {
    const floor = Math.max(largest(values) / 100, all / 1000);
    values.forEach((value, i) => {
      const bound = tolerance * Math.max(Math.abs(value), floor);
      const own = actual[name][i];
      assert(Math.abs(own - value) <= bound, `${name}, element ${i}: ${own}, expected ${value}`);
    });
  }
}

for (const each of moduleCases) {
  const name = each.what === "" ? each.name : `${each.name} ${each.what}`;

  Deno.test(
    `the gradients of ${name} are the slopes of differences`,
    withoutLeaks(() => {
      using tensors = new DisposableStack();
      const module = tensors.use(filledModule(each, "float64"));
      const inputs = each.inputs().map((input) => tensors.use(input));
      const run = replaying(each, module);
      checkLayer(module, inputs, () => run(module, inputs) as Doubles);
    }),
  );

  Deno.test(
    `the gradients of ${name} do not depend on strides, and in float32 are those in float64`,
    withoutLeaks(() => {
      const expected = gradientsOf(each, "float64");
      assertAlike(gradientsOf(each, "float64", turned), expected, 1e-9);
      assertAlike(gradientsOf(each, "float32"), expected, 1e-4);
      assertAlike(gradientsOf(each, "float32", turned), expected, 1e-4);
    }),
  );
}

Deno.test("every module has a case in the table", () => {
  const named = new Set(moduleCases.map(({ name }) => name));
  const modules = Object.entries({ ...nn, ...models })
    .filter(([, value]) => typeof value === "function" && value.prototype instanceof nn.Module);
  assert(modules.length > 8);
  assertEquals(modules.map(([name]) => name).filter((name) => !named.has(name)), []);
});
