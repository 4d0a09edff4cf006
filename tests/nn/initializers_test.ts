/**
 * First values: their scale, their bounds, and that a seed decides them.
 */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import * as nn from "../../lib/nn/mod.ts";
import { flat } from "./support.ts";

/** Mean, deviation, smallest and largest of a weight of 300 outputs and 200 inputs. */
function figuresOf(initializer: nn.Initializer): [number, number, number, number] {
  using weight = initializer([300, 200], 7, "float32");
  const all = weight.data;
  const mean = all.reduce((a, b) => a + b) / all.length;
  const square = all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length;
  return [mean, Math.sqrt(square), Math.min(...all), Math.max(...all)];
}

Deno.test(
  "initialisers have the deviations of their definitions, and uniform ones the bounds",
  withoutLeaks(() => {
    const deviations: [nn.Initializer, number, boolean][] = [
      [nn.xavierUniform(), Math.sqrt(2 / 500), true],
      [nn.xavierNormal(2), 2 * Math.sqrt(2 / 500), false],
      [nn.kaimingUniform(), Math.sqrt(2 / 200), true],
      [nn.kaimingUniform({ slope: Math.sqrt(5) }), Math.sqrt(1 / 600), true],
      [nn.kaimingNormal({ keeps: "outputs" }), Math.sqrt(2 / 300), false],
      [nn.normal(0.02), 0.02, false],
      [nn.uniform(-1, 1), Math.sqrt(1 / 3), true],
      // Of a normal distribution that is cut at two deviations.
      [nn.truncatedNormal(), 0.8796256610342398, false],
    ];
    for (const [initializer, deviation, isUniform] of deviations) {
      const [mean, own, low, high] = figuresOf(initializer);
      assert(Math.abs(mean) < 0.02 * deviation, `mean ${mean}`);
      assert(Math.abs(own / deviation - 1) < 0.02, `deviation ${own}, expected ${deviation}`);
      if (isUniform) {
        assertClose(
          [low, high],
          [-1, 1].map((s) => s * deviation * Math.sqrt(3)),
          1e-3,
        );
      }
    }
    const [, , low, high] = figuresOf(nn.truncatedNormal({ mean: 1, low: 0.5, high: 1.25 }));
    assert(low >= 0.5 && low < 0.51 && high <= 1.25 && high > 1.24);
    assertThrows(() => figuresOf(nn.truncatedNormal({ low: 30, high: 31 })), RangeError, "hardly");
  }),
);

Deno.test(
  "a seed decides the bits of every initialiser",
  withoutLeaks(() => {
    const { xavierUniform, kaimingNormal, truncatedNormal, orthogonal, uniform } = nn;
    for (const make of [xavierUniform(), kaimingNormal(), truncatedNormal(), orthogonal()]) {
      using a = make([4, 6], 3, "float32");
      using b = make([4, 6], 3, "float32");
      using c = make([4, 6], 4, "float32");
      assertEquals(a.toArray(), b.toArray());
      assertNotEquals(a.toArray(), c.toArray());
    }
    using constants = nn.constant(3)([2], 0, "float64");
    assertEquals(constants.toArray(), [3, 3]);
    using empty = uniform(0, 1)([0, 3], 0, "float32");
    assertEquals(empty.shape, [0, 3]);
  }),
);

Deno.test(
  "orthogonal() makes orthonormal rows, or columns, times the gain",
  withoutLeaks(() => {
    for (const shape of [[4, 6], [6, 4], [5, 5], [3, 2, 4]]) {
      using weight = nn.orthogonal(2)(shape, 1, "float64");
      const [rows, cols] = [shape[0], weight.size / shape[0]];
      const all = flat(weight);
      const at = (vector: number, k: number) =>
        rows <= cols ? all[vector * cols + k] : all[k * cols + vector];
      const [count, length] = [Math.min(rows, cols), Math.max(rows, cols)];
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < count; j++) {
          let sum = 0;
          for (let k = 0; k < length; k++) sum += at(i, k) * at(j, k);
          assertClose([sum], [i === j ? 4 : 0], 1e-12);
        }
      }
    }
    assertThrows(() => nn.orthogonal()([3], 0, "float32"), RangeError, "orthogonal: a weight has");
  }),
);
