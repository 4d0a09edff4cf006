/**
 * Sums by Einstein's convention against figures of NumPy.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { einsum } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { f } from "./cases.ts";
import { figures } from "./einsum_figures.ts";

/** Operand k of a figure. */
function operand(shape: readonly number[], k: number): Tensor<"float32"> {
  const size = shape.reduce((product, extent) => product * extent, 1);
  using flat = Tensor.from(Float32Array.from({ length: size }, (_, n) => (7 * n + 5 * k) % 11 - 5));
  return flat.reshape(shape);
}

for (const [equation, shapes, shape, elements] of figures) {
  Deno.test(
    `einsum("${equation}") of ${JSON.stringify(shapes)} gives NumPy's figures`,
    withoutLeaks(() => {
      const operands = shapes.map(operand);
      using y = einsum(equation, operands);
      // A sum of nothing below 0 may be -0.
      assertEquals([y.shape, [...y.data].map((value) => value + 0)], [shape, elements]);
      using out = Tensor.empty(shape);
      einsum(equation, operands, { out });
      assertEquals(out.data, y.data);
      // The same elements in views that are turned.
      const turned = operands.map((tensor) => {
        using other = tensor.transpose();
        using copy = other.clone();
        return copy.transpose();
      });
      using again = einsum(equation, turned);
      assertEquals([...again.data].map((value) => value + 0), elements);
      for (const tensor of [...operands, ...turned]) tensor.dispose();
    }),
  );
}

Deno.test(
  "einsum() names the subscript and both sizes that do not fit, and refuses what is no equation",
  withoutLeaks(() => {
    using a = f([2, 3]);
    using b = f([4, 3]);
    const refused: [() => unknown, string][] = [
      [() => einsum("ij,jk->ik", [a, b]), "subscript j stands for both 3 and 4 elements"],
      [() => einsum("ii", [a]), "subscript i stands for both 2 and 3"],
      [() => einsum("...,...", [a, b]), "an axis of the ellipsis stands for both 2 and 4"],
      [() => einsum("ijk", [a]), 'einsum: "ijk" of "ijk" does not fit an operand [2, 3]'],
    ];
    for (const [call, words] of refused) assertThrows(call, RangeError, words);
    const malformed: [() => unknown, string][] = [
      [() => einsum("ij->ik", [a]), 'einsum: "ij->ik" has k in the result alone'],
      [() => einsum("ij->ii", [a]), "names an axis of the result twice"],
      [() => einsum("i1", [a]), 'has "1"'],
      [() => einsum("ij->j->i", [a]), "more than one ->"],
      [() => einsum("ij,jk", [a]), "is for 2 operands, not 1"],
      [() => einsum("......", [a]), "has two ellipses"],
      [() => einsum("...j->j", [a]), "lacks the ellipsis in the result"],
    ];
    for (const [call, words] of malformed) assertThrows(call, SyntaxError, words);
    using words = Tensor.from([1], "int32");
    const any = words as Tensor as Tensor<"float32">;
    assertThrows(() => einsum("i", [any]), TypeError, "einsum: operand 0 is int32");
    assertThrows(() => einsum("ij,i", [a, any]), TypeError, "einsum: operand 1 is int32");
    assertThrows(() => einsum("ij", [a], { out: a }), RangeError, "out must not be operand 0");
  }),
);
