/**
 * Sums by Einstein's convention against a loop in double precision over all letters, for
 * equations, sizes and strides drawn at random, and the order in which many are multiplied.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { Random } from "../../lib/core/random.ts";
import { fitEquation, parseEquation } from "../../lib/ops/einsum_equation.ts";
import { pairOrder } from "../../lib/ops/einsum_order.ts";
import { planSum } from "../../lib/ops/einsum_plan.ts";
import { einsum } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";

/** One sum: letters of the operands and the result, and how many elements each stands for. */
interface Sum {
  readonly terms: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
}

/** The definition: a loop over all letters, in double precision. */
function reference({ terms, output, sizes }: Sum, operands: readonly Tensor[]): number[] {
  const summed = [...new Set(terms.flat())].filter((name) => !output.includes(name));
  const result: number[] = [];
  forEachPlace(output, sizes, new Map(), (outer) => {
    let total = 0;
    forEachPlace(summed, sizes, outer, (place) => {
      let product = 1;
      operands.forEach((operand, k) => {
        const at = terms[k].map((name, axis) => operand.shape[axis] === 1 ? 0 : place.get(name)!);
        product *= Number(operand.get(...at));
      });
      total += product;
    });
    result.push(total);
  });
  return result;
}

function forEachPlace(
  names: readonly string[],
  sizes: ReadonlyMap<string, number>,
  fixed: ReadonlyMap<string, number>,
  visit: (place: ReadonlyMap<string, number>) => void,
): void {
  if (names.length === 0) return visit(fixed);
  for (let index = 0; index < sizes.get(names[0])!; index++) {
    forEachPlace(names.slice(1), sizes, new Map([...fixed, [names[0], index]]), visit);
  }
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random.next() * values.length)];
}

/** A tensor of a shape: dense, with its axes stored in another order, or every other element. */
function operandOf(random: Random, shape: readonly number[], dtype: "float32" | "float64"): Tensor {
  const seed = random.nextUint32();
  const kind = pick(random, ["dense", "turned", "apart"]);
  if (kind === "dense" || shape.length === 0) return Tensor.randn(shape, { seed, dtype });
  if (kind === "turned") {
    using stored = Tensor.randn(shape.toReversed(), { seed, dtype });
    return stored.transpose();
  }
  using stored = Tensor.randn([...shape, 2], { seed, dtype });
  using last = stored.slice(1, 2, { axis: -1 });
  return last.squeeze(-1);
}

function randomSum(random: Random): { sum: Sum; shapes: number[][] } {
  const letters = ["i", "j", "k", "l", "m"];
  const sizes = new Map(letters.map((name) => [name, pick(random, [1, 2, 3, 4])]));
  const count = pick(random, [1, 2, 2, 2, 3, 3, 4]);
  const terms = Array.from({ length: count }, () => {
    return Array.from({ length: pick(random, [0, 1, 2, 2, 3]) }, () => pick(random, letters));
  });
  const used = [...new Set(terms.flat())];
  const output = used.filter(() => random.next() < 0.5);
  if (random.next() < 0.5) output.reverse();
  const shapes = terms.map((term) => {
    return term.map((name) => random.next() < 0.1 ? 1 : sizes.get(name)!);
  });
  // A letter that has one element everywhere stands for one element.
  for (const name of used) {
    const own = shapes.flatMap((shape, k) => shape.filter((_, axis) => terms[k][axis] === name));
    sizes.set(name, Math.max(...own));
  }
  return { sum: { terms, output, sizes }, shapes };
}

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(
    `einsum() of ${dtype} is the sum over all letters, for 400 equations drawn at random`,
    withoutLeaks(() => {
      const random = new Random(dtype === "float32" ? 1 : 2);
      for (let round = 0; round < 400; round++) {
        const { sum, shapes } = randomSum(random);
        const equation = `${sum.terms.map((term) => term.join("")).join(",")}->${
          sum.output.join("")
        }`;
        const operands = shapes.map((shape) =>
          operandOf(random, shape, dtype) as Tensor<"float64">
        );
        const expected = reference(sum, operands);
        using y = einsum(equation, operands);
        try {
          assertEquals(y.shape, sum.output.map((name) => sum.sizes.get(name)!));
          assertClose(Array.from(y.data), expected, dtype === "float32" ? 1e-4 : 1e-12);
        } catch (error) {
          throw new Error(`${equation} of ${JSON.stringify(shapes)}`, { cause: error });
        }
        for (const operand of operands) operand.dispose();
      }
    }),
  );
}

Deno.test(
  "einsum() of halves is computed in float32 and rounded once",
  withoutLeaks(() => {
    using a = Tensor.from([[1, 2 ** -10], [3, 4]], "float16");
    using b = Tensor.from([[1, 1], [1, 1]], "float16");
    using c = Tensor.from([1, -1], "float16");
    // In float16 the first product would be 1 + 2^-10, and 2049 + 1 would be 2050.
    using y = einsum("ij,jk,k->i", [a, b, c]);
    assertEquals(y.toArray(), [0, 0]);
    using large = Tensor.from([2048, 1, 1], "float16");
    using ones = Tensor.ones([3], "float16");
    using sum = einsum("i,i->", [large, ones]);
    assertEquals([sum.dtype, sum.get()], ["float16", 2050]);
  }),
);

/** The multiplications of an order, as a reader of the equation counts them. */
function costOf(equation: string, shapes: readonly number[][]): number {
  const { inputs, output, sizes } = fitEquation(parseEquation(equation), shapes);
  const factors = inputs.map((names) => new Set(names));
  let cost = 0;
  for (const [left, right] of pairOrder(inputs, output, sizes)) {
    const all = factors[left].union(factors[right]);
    cost += [...all].reduce((size, name) => size * sizes.get(name)!, 1);
    factors[left] = factors[right] = new Set();
    const needed = new Set([...output, ...factors.flatMap((names) => [...names])]);
    factors.push(all.intersection(needed));
  }
  return cost;
}

Deno.test("einsum() multiplies many operands in the order that costs least", () => {
  // A chain of matrices whose best order is ((A B) (C D)): the textbook's example has
  // sizes 30, 35, 15, 5, 10, 20, 25 and 15,125 multiplications.
  const chain = [30, 35, 15, 5, 10, 20, 25];
  const shapes = chain.slice(1).map((size, index) => [chain[index], size]);
  assertEquals(costOf("ab,bc,cd,de,ef,fg->ag", shapes), 15_125);
  // From left to right the first product would have 10^10 elements.
  using long = Tensor.ones([100_000]);
  using y = einsum("i,j,j,i->", [long, long, long, long]);
  assertEquals(y.get(), 1e10);
  // Nine operands are not searched for the best order; a matrix is still read once only.
  const many = [[1000, 1000], ...Array.from({ length: 8 }, () => [1000])];
  assertEquals(costOf("ij,j,j,j,j,i,i,i,i->", many), 1_007_000);
});

Deno.test(
  "einsum() keeps apart operands of equal shapes and other strides, also after many equations",
  withoutLeaks(() => {
    using a = Tensor.from([[1, 2], [3, 4]]);
    using turned = a.transpose();
    const expected = [[5, 11], [11, 25]];
    for (let round = 0; round < 3; round++) {
      using y = einsum("ij,kj->ik", [a, a]);
      assertEquals(y.toArray(), expected);
      using z = einsum("ij,jk->ik", [a, turned]);
      assertEquals(z.toArray(), expected);
      using other = einsum("ij,kj->ik", [a, turned]);
      assertEquals(other.toArray(), [[7, 10], [15, 22]]);
      for (let size = 1; size < 12; size++) {
        using b = Tensor.ones([size, 2]);
        using w = einsum("ij,kj->ik", [b, a]);
        assertEquals(w.toArray(), Array.from({ length: size }, () => [3, 7]));
      }
      for (let blanks = 0; blanks < 100; blanks++) {
        using w = einsum(" ".repeat(blanks) + "ii", [a]);
        assertEquals(w.get(), 5);
      }
    }
  }),
);

Deno.test("A plan of one product of matrices moves nothing", () => {
  const kindsOf = (equation: string, shapes: number[][]) => {
    const fitted = fitEquation(parseEquation(equation), shapes);
    return planSum(fitted, shapes, shapes.map(() => undefined)).steps.map(({ kind }) => kind);
  };
  const heads = [[2, 3, 4, 5], [2, 6, 4, 5]];
  assertEquals(kindsOf("ij,jk->ik", [[2, 3], [3, 4]]), ["matmul"]);
  assertEquals(kindsOf("ij,kj->ki", [[2, 3], [4, 3]]), ["matmul"]);
  assertEquals(kindsOf("bqhd,bkhd->bhqk", heads), ["matmul"]);
  assertEquals(kindsOf("...qd,...kd->...qk", heads.map((shape) => shape.with(1, 3))), ["matmul"]);
  assertEquals(kindsOf("bqhd,hde->bqe", [[2, 3, 4, 5], [4, 5, 6]]), ["matmul"]);
  assertEquals(kindsOf("ijk,i->kj", [[2, 3, 4], [2]]), ["copy", "matmul"]);
  assertEquals(kindsOf("i,j->ji", [[2], [3]]), ["multiply"]);
  assertEquals(kindsOf("ij,ij->j", [[2, 3], [2, 3]]), ["multiply", "sum"]);
  assertEquals(kindsOf("iji->j", [[2, 3, 2]]), ["sum"]);
  assertEquals(kindsOf("iji->ij", [[2, 3, 2]]), ["copy"]);
});

Deno.test(
  "einsum() gives back what it made on the way when there is no memory for the rest",
  withoutLeaks(() => {
    using a = Tensor.ones([2, 3]);
    using out = Tensor.ones([3]);
    assertThrows(() => einsum("ij,k->ik", [a, a] as Tensor<"float32">[]), RangeError, "does not");
    assertThrows(() => einsum("ij->i", [a], { out }), RangeError, "out is [3], expected [2]");
    assertEquals(out.toArray(), [1, 1, 1]);
  }),
);
