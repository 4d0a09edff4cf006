/**
 * The gradients of sums by Einstein's convention, for equations and sizes drawn at random; of
 * halves; and of a sum's own sum, whose gradient shows one element everywhere.
 */
import { assertEquals } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { Random } from "../../lib/core/random.ts";
import { einsum, sum } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { d } from "./gradient_cases.ts";
import { checkGradients, type Doubles, turned } from "./gradient_check.ts";

const letters = ["a", "b", "c", "d"];
const sizes: Readonly<Record<string, number>> = { a: 2, b: 3, c: 2, d: 1 };

/** An equation, and shapes that fit: letters may repeat, and axes be of one element. */
function draw(random: Random): [equation: string, shapes: number[][]] {
  const below = (count: number) => Math.floor(random.next() * count);
  const terms = Array.from({ length: 1 + below(3) }, () => {
    return Array.from({ length: below(4) }, () => letters[below(letters.length)]);
  });
  const all = [...new Set(terms.flat())];
  const output = all.filter(() => below(2) === 0).sort(() => below(2) - 0.5);
  const shapes = terms.map((term) => term.map((name) => below(5) === 0 ? 1 : sizes[name]));
  return [`${terms.map((term) => term.join("")).join(",")}->${output.join("")}`, shapes];
}

Deno.test(
  "the gradients of sums drawn at random are the slopes of differences",
  withoutLeaks(() => {
    const random = new Random(7);
    for (let i = 0; i < 150; i++) {
      const [equation, shapes] = draw(random);
      const sumOf = {
        name: equation,
        what: JSON.stringify(shapes),
        make: () => shapes.map((shape, k) => d(shape, 3 * i + k)),
        run: (operands: Tensor[]) => einsum(equation, operands as Doubles[]),
      };
      checkGradients(sumOf);
      checkGradients(sumOf, turned);
    }
  }),
);

Deno.test(
  "the gradient of a sum's own sum repeats one element",
  withoutLeaks(() => {
    using a = Tensor.from([[1, 2], [3, 4]], "float64");
    using b = Tensor.from([[5, 6], [7, 8]], "float64");
    a.requiresGrad = b.requiresGrad = true;
    using product = einsum("ij,jk->ik", [a, b]);
    using total = sum(product);
    total.backward();
    assertEquals(a.grad?.toArray(), [[11, 15], [11, 15]]);
    assertEquals(b.grad?.toArray(), [[4, 4], [6, 6]]);
  }),
);

Deno.test(
  "halves and more operands than have names get their gradients",
  withoutLeaks(() => {
    const operands = Array.from({ length: 6 }, (_, i) => Tensor.full([1], 1 + i / 2, "bfloat16"));
    for (const operand of operands) operand.requiresGrad = true;
    using product = einsum("i,i,i,i,i,i->i", operands);
    using total = sum(product);
    total.backward();
    // 1 · 1.5 · 2 · 2.5 · 3 · 3.5 = 78.75, each gradient without its own factor.
    const expected = [79, 52.5, 39.5, 31.5, 26.25, 22.5];
    assertEquals(operands.map(({ grad }) => grad?.toArray()), expected.map((value) => [value]));
    for (const operand of operands) operand.dispose();
  }),
);
