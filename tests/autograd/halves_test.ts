/**
 * Gradients of halves: those of layers' operations, from the same table, against float64. The
 * operations compute in float32 and round, so gradients come back through casts.
 */
import { assert, assertEquals } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { isFloating } from "../../lib/core/dtype.ts";
import { scope } from "../../lib/memory/mod.ts";
import { cast, mul, sum } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import type { GradientCase } from "./gradient_check.ts";
import { layerCases } from "./layer_cases.ts";

/** What is special about cases whose operation takes no halves. */
const exact = ["added to what is there", "interleaved", "halves"];

/** The gradients of a case whose operands have the values that halves can have. */
function gradientsIn(dtype: "float16" | "float64", { make, run }: GradientCase): number[][] {
  return scope(() => {
    const operands = make().map((x) => isFloating(x.dtype) ? cast(cast(x, "float16"), dtype) : x);
    const leaves = operands.filter((x) => isFloating(x.dtype));
    for (const leaf of leaves) leaf.requiresGrad = true;
    for (const y of [run(operands)].flat()) {
      if (!isFloating(y.dtype)) continue;
      const weights = Float64Array.from({ length: y.size }, (_, i) => Math.cos(3 * i + 1) + 0.1);
      const shaped = Tensor.from(weights, "float64").reshape(y.shape);
      sum(mul(cast(y, "float64"), shaped)).backward({ retain: true });
    }
    return leaves.map((leaf) => {
      assert(leaf.grad !== undefined);
      assertEquals(leaf.grad.dtype, dtype);
      return [leaf.grad.toArray()].flat(9) as number[];
    });
  });
}

for (const each of layerCases.filter(({ what = "" }) => !exact.includes(what))) {
  Deno.test(
    `the gradient of ${each.name}() ${each.what ?? ""} of halves is near that of float64`,
    withoutLeaks(() => {
      const halves = gradientsIn("float16", each);
      gradientsIn("float64", each).forEach((gradient, which) => {
        const size = Math.max(...gradient.map(Math.abs), 1e-3);
        gradient.forEach((value, i) => {
          const found = halves[which][i];
          assert(
            Math.abs(found - value) <= 0.02 * (size + Math.abs(value)),
            `operand ${which}, element ${i}: ${found}, expected ${value}`,
          );
        });
      });
    }),
  );
}
