/**
 * The kernel of attention's gradient, of float32 and without a mask, against the gradient that
 * is composed of other operations: in float64, and with a mask that leaves every key.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { addInPlace, attention, type AttentionOptions, cast, mul, sum } from "../../lib/ops/mod.ts";
import type { Floating } from "../../lib/core/dtype.ts";
import { scope } from "../../lib/memory/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

type Real = Tensor<Floating>;
type Options = AttentionOptions<Floating>;
type Attend = (q: Real, k: Real, v: Real) => Real;

/** The gradients of a weighted sum of what attends, and of copies of the operands. */
function gradientsOf(operands: Real[], weights: Real, attend: Attend): number[][] {
  return scope(() => {
    const leaves = operands.map((x) => x.clone());
    for (const x of leaves) x.requiresGrad = true;
    const [q, k, v] = leaves;
    sum(mul(attend(q, k, v), weights)).backward();
    const found = leaves.map((x) => [x.grad!.toArray()].flat(9) as number[]);
    for (const x of leaves) x.zeroGrad();
    return found;
  });
}

/** The same in float64. */
function expectedOf(operands: Real[], weights: Real, attend: Attend): number[][] {
  return scope(() => {
    const wide = operands.map((x) => cast(x, "float64"));
    return gradientsOf(wide, cast(weights, "float64"), attend);
  });
}

interface Shapes {
  readonly what: string;
  readonly q: number[];
  readonly k: number[];
  readonly options?: Options;
}

const shapes: Shapes[] = [
  { what: "of whole blocks", q: [2, 64, 4, 32], k: [2, 64, 4, 32], options: { causal: true } },
  { what: "of grouped heads", q: [2, 130, 6, 24], k: [2, 130, 2, 24], options: { causal: true } },
  { what: "to all keys", q: [70, 2, 16], k: [150, 1, 16] },
  { what: "behind a context", q: [70, 2, 16], k: [150, 1, 16], options: { causal: true } },
  {
    what: "in a window",
    q: [150, 2, 16],
    k: [150, 1, 16],
    options: { causal: true, window: 33 },
  },
  { what: "around its own", q: [150, 2, 16], k: [150, 1, 16], options: { window: 70 } },
  { what: "of fewer keys", q: [40, 2, 8], k: [90, 2, 8], options: { keyTokens: 70, scale: 0.5 } },
  { what: "of one batch of keys", q: [3, 20, 2, 8], k: [1, 20, 1, 8], options: { causal: true } },
  { what: "of one batch of queries", q: [1, 20, 2, 8], k: [3, 20, 1, 8] },
];

for (const { what, q, k, options } of shapes) {
  Deno.test(
    `the gradient of attention() ${what} in float32 is near the composed one in float64`,
    withoutLeaks(() => {
      scope(() => {
        const operands = [q, k, k].map((shape, i) => Tensor.randn(shape, { seed: i + 1 }));
        const batch = q.length > k.length || q[0] > k[0] || q.length === 3
          ? q
          : [k[0], ...q.slice(1)];
        const weights = Tensor.randn(batch, { seed: 9 });
        const attend: Attend = (q, k, v) => attention(q, k, v, options);
        const expected = expectedOf(operands, weights, attend);
        gradientsOf(operands, weights, attend).forEach((found, i) => {
          assertClose(found, expected[i], 2e-5);
        });
      });
    }),
  );
}

Deno.test(
  "the gradient of attention() reads operands and gradients of any strides",
  withoutLeaks(() => {
    scope(() => {
      const operands = [1, 2, 3].map((seed) => Tensor.randn([2, 3, 40, 8], { seed }));
      const weights = Tensor.randn([2, 3, 40, 8], { seed: 4 });
      const attend: Attend = (q, k, v) => {
        const [a, b, c] = [q, k, v].map((x) => x.transpose(0, 2, 1, 3));
        return attention(a, b, c, { causal: true }).transpose(0, 2, 1, 3);
      };
      const expected = expectedOf(operands, weights, attend);
      gradientsOf(operands, weights, attend).forEach((found, i) => {
        assertClose(found, expected[i], 2e-5);
      });
    });
  }),
);

Deno.test(
  "the gradient of attention() of segments and of padded sequences is near the one in float64",
  withoutLeaks(() => {
    scope(() => {
      const operands = [1, 2, 3].map((seed) => Tensor.randn([90, 2, 8], { seed }));
      const weights = Tensor.randn([90, 2, 8], { seed: 4 });
      const segments = Tensor.from([0, 1, 1, 70, 90], "int32");
      const packed: Attend = (q, k, v) => attention(q, k, v, { segments, causal: true });
      const expected = expectedOf(operands, weights, packed);
      gradientsOf(operands, weights, packed).forEach((found, i) => {
        assertClose(found, expected[i], 2e-5);
      });
      const keyTokens = Tensor.from([30, 0, 17], "int32");
      const padded: Attend = (q, k, v) => {
        const [a, b, c] = [q, k, v].map((x) => x.reshape([3, 30, 2, 8]));
        return attention(a, b, c, { keyTokens }).reshape([90, 2, 8]);
      };
      const other = expectedOf(operands, weights, padded);
      gradientsOf(operands, weights, padded).forEach((found, i) => {
        assertClose(found, other[i], 2e-5);
      });
    });
  }),
);

for (const at of ["q", "k", "v"] as const) {
  Deno.test(
    `a NaN in ${at} reaches the gradients of attention() that the composed ones have it in`,
    withoutLeaks(() => {
      scope(() => {
        const operands = [1, 2, 3].map((seed) => Tensor.randn([12, 1, 4], { seed }));
        operands["qkv".indexOf(at)].slice(5, 6).copyFrom(Tensor.full([1, 1, 4], NaN));
        const weights = Tensor.randn([12, 1, 4], { seed: 4 });
        const mask = Tensor.full([12, 12], true, "bool");
        const isNaNs = (options: Options) =>
          gradientsOf(operands, weights, (q, k, v) => attention(q, k, v, options))
            .map((gradient) => gradient.map(Number.isNaN));
        assertEquals(isNaNs({ causal: true }), isNaNs({ causal: true, mask }));
      });
    }),
  );
}

Deno.test(
  "the gradient of attention() refuses a result that was written since",
  withoutLeaks(() => {
    scope(() => {
      const q = Tensor.ones([2, 1, 4]);
      q.requiresGrad = true;
      const y = attention(q, q, q);
      const loss = sum(y);
      addInPlace(y.detach(), Tensor.ones([]));
      assertThrows(() => loss.backward(), Error, "attention needs the result");
    });
  }),
);
