/**
 * The gradient of every operation, from one table: against differences in float64, from
 * operands of any strides, and of float32 against float64.
 */
import { assert, assertEquals } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import * as ops from "../../lib/ops/mod.ts";
import * as nn from "../../lib/nn/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { cases as elementwiseCases, d, refused, withoutGradient } from "./gradient_cases.ts";
import { checkFloat32, checkGradients, stretched, turned } from "./gradient_check.ts";
import { layerCases } from "./layer_cases.ts";
import { firstWeights, lossCases } from "./loss_cases.ts";
import { reductionCases } from "./reduction_cases.ts";
import { shapingCases } from "./shaping_cases.ts";
import { viewCases, withoutHistory } from "./view_cases.ts";

const cases = [
  ...[...elementwiseCases, ...layerCases, ...lossCases],
  ...[...reductionCases, ...shapingCases, ...viewCases],
];

for (const each of cases) {
  const name = each.what ? `${each.name}() ${each.what}` : `${each.name}()`;
  Deno.test(
    `the gradient of ${name} is the slope of differences, for operands of any strides`,
    withoutLeaks(() => {
      checkGradients(each);
      checkGradients(each, turned);
    }),
  );
  const alike = stretched(each);
  if (alike !== undefined) {
    Deno.test(
      `the gradient of ${name} is the slope of differences, for operands that are broadcast`,
      withoutLeaks(() => checkGradients(alike)),
    );
  }
  Deno.test(
    `the gradient of ${name} in float32 is that in float64, for operands of any strides`,
    withoutLeaks(() => {
      checkFloat32(each);
      checkFloat32(each, turned);
    }),
  );
}

for (const [name, run] of Object.entries(withoutGradient)) {
  Deno.test(
    `gradients end at ${name}()`,
    withoutLeaks(() => {
      using x = d([2, 32]);
      x.requiresGrad = true;
      using y = run(x);
      assertEquals(y.requiresGrad, false);
    }),
  );
}

Deno.test("every operation has a gradient in the table, or is named as having none or none yet", () => {
  const functions = Object.entries(ops).filter(([, value]) => typeof value === "function");
  const others = [...refused, ...Object.keys(withoutGradient)];
  const named = new Set([...cases.map(({ name }) => name), ...others]);
  assertEquals(functions.map(([name]) => name).filter((name) => !named.has(name)), []);
  assertEquals(others.filter((name) => !(name in ops)), []);
  assertEquals(cases.filter(({ name }) => others.includes(name)), []);
});

Deno.test("every method of tensors has a gradient in the table, or is named as having none", () => {
  const named = new Set([...viewCases.map(({ name }) => name.replace("Tensor.", ""))]);
  const { constructor: _, ...members } = Object.getOwnPropertyDescriptors(Tensor.prototype);
  const methods = Object.entries(members).filter(([, { value }]) => typeof value === "function");
  assert(methods.length > 10);
  const missing = methods.filter(([name]) => !named.has(name) && !withoutHistory.includes(name));
  assertEquals(missing.map(([name]) => name), []);
});

Deno.test("every function of ./nn has a gradient in the table, or makes first weights", () => {
  const named = new Set(cases.map(({ name }) => name));
  const functions = Object.entries(nn).filter(([, value]) => {
    return typeof value === "function" && !/^class /.test(`${value}`);
  });
  const missing = functions.filter(([name]) => !named.has(name) && !firstWeights.includes(name));
  assertEquals(missing.map(([name]) => name), []);
});
