/**
 * What is left out, and how often; that a seed decides it, for every dtype and shape alike.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { dropout, sum } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

Deno.test(
  "dropout() leaves out the share that it says, and scales the rest",
  withoutLeaks(() => {
    using x = Tensor.ones([100, 300]);
    for (const rate of [0.1, 0.5, 0.9]) {
      using y = dropout(x, rate, { seed: 7 });
      const kept = y.data.filter((value) => value !== 0);
      assert(kept.every((value) => value === Math.fround(1 / (1 - rate))));
      // Five standard deviations of a count of that many choices.
      const bound = 5 * Math.sqrt(x.size * rate * (1 - rate));
      assert(Math.abs(kept.length - x.size * (1 - rate)) < bound, `${kept.length} of ${x.size}`);
    }
  }),
);

Deno.test(
  "dropout() of rate 0 leaves all as it is, and of rate 1 nothing, not even what is not finite",
  withoutLeaks(() => {
    using x = Tensor.from([1, -2, NaN, Infinity]);
    using all = dropout(x, 0);
    using none = dropout(x, 1);
    assertEquals(all.toArray(), [1, -2, NaN, Infinity]);
    assertEquals(none.toArray(), [0, 0, 0, 0]);
  }),
);

Deno.test(
  "the choices of dropout() follow from the seed and the index alone",
  withoutLeaks(() => {
    using x = Tensor.ones([6, 50]);
    using flat = x.reshape([300]);
    using wide = Tensor.ones([300], "float64");
    using first = dropout(x, 0.5, { seed: 1 });
    using again = dropout(flat, 0.5, { seed: 1 });
    using doubles = dropout(wide, 0.5, { seed: 1 });
    using other = dropout(x, 0.5, { seed: 2 });
    using drawn = dropout(x, 0.5);
    using redrawn = dropout(x, 0.5);
    assertEquals([...again.data], [...first.data]);
    assertEquals([...doubles.data], [...first.data]);
    assertNotEquals([...other.data], [...first.data]);
    assertNotEquals([...drawn.data], [...redrawn.data]);
  }),
);

Deno.test(
  "the gradient of dropout() passes where an element stayed, also of what is changed in place",
  withoutLeaks(() => {
    using x = Tensor.ones([50]);
    x.requiresGrad = true;
    using copy = x.clone();
    using y = dropout(copy, 0.5, { seed: 1, out: copy });
    using total = sum(y);
    total.backward();
    assertEquals([...x.grad!.data], [...y.data]);
  }),
);
