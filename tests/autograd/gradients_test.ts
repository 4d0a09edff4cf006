/**
 * The gradient of every operation, from one table: against differences in float64, from
 * operands of any strides, and of float32 against float64.
 */
import { assertEquals } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import * as ops from "../../lib/ops/mod.ts";
import { cases as elementwiseCases, refused, withoutGradient } from "./gradient_cases.ts";
import { checkFloat32, checkGradients, turned } from "./gradient_check.ts";
import { layerCases } from "./layer_cases.ts";
import { lossCases } from "./loss_cases.ts";
import { reductionCases } from "./reduction_cases.ts";
import { shapingCases } from "./shaping_cases.ts";

const cases = [
  ...[...elementwiseCases, ...layerCases, ...lossCases],
  ...[...reductionCases, ...shapingCases],
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
  Deno.test(
    `the gradient of ${name} in float32 is that in float64`,
    withoutLeaks(() => checkFloat32(each)),
  );
}

Deno.test("every operation has a gradient in the table, or is named as having none or none yet", () => {
  const named = new Set([...cases.map(({ name }) => name), ...refused, ...withoutGradient]);
  const functions = Object.entries(ops).filter(([, value]) => typeof value === "function");
  assertEquals(functions.map(([name]) => name).filter((name) => !named.has(name)), []);
});
