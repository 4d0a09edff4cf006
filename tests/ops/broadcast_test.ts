/**
 * Operations on two elements: NumPy's broadcasting, numbers as operands, views, in
 * place, and dtypes. Values are from the definitions, in JavaScript's own numbers.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import * as ops from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { f, type Floats } from "./cases.ts";
import { placesOf } from "./places.ts";

/** Shapes and what np.broadcast_shapes makes of them; undefined where it raises ValueError. */
const shapes: [a: number[], b: number[], expected: number[] | undefined][] = [
  [[], [], []],
  [[2], [], [2]],
  [[], [2, 3], [2, 3]],
  [[3], [2, 3], [2, 3]],
  [[2, 1], [3], [2, 3]],
  [[2, 1], [1, 3], [2, 3]],
  [[4, 1, 3], [5, 1], [4, 5, 3]],
  [[1, 1, 1], [7], [1, 1, 7]],
  [[8, 1, 6, 1], [7, 1, 5], [8, 7, 6, 5]],
  [[0], [1], [0]],
  [[2, 0], [2, 1], [2, 0]],
  [[3, 1], [3, 70], [3, 70]],
  [[2, 3], [2], undefined],
  [[2, 3], [3, 2], undefined],
  [[0], [2], undefined],
  [[2, 3], [2, 3, 1, 2], undefined],
];

/** The element of a tensor that broadcasting shows at a place of the result. */
function elementAt(x: Floats, indices: number[]): number {
  const own = indices.slice(indices.length - x.shape.length);
  return x.get(...own.map((index, axis) => x.shape[axis] === 1 ? 0 : index));
}

for (const [left, right, expected] of shapes) {
  const outcome = expected === undefined ? "do not fit" : `make [${expected}]`;
  Deno.test(
    `add() and where(): [${left}] and [${right}] ${outcome}`,
    withoutLeaks(() => {
      using a = f(left);
      using b = Tensor.randn(right, { seed: 2 });
      using mask = ops.greater(b, 0);
      if (expected === undefined) {
        const words = `: [${left.join(", ")}] and [${right.join(", ")}] cannot be broadcast`;
        assertThrows(() => ops.add(a, b), RangeError, `add${words}`);
        assertThrows(() => ops.less(a, b), RangeError, `less${words}`);
        return;
      }
      using sum = ops.add(a, b);
      using chosen = ops.where(mask, a, b);
      assertEquals([sum.shape, chosen.shape], [expected, expected]);
      for (const place of placesOf(expected)) {
        const [x, y] = [elementAt(a, place), elementAt(b, place)];
        assertEquals(sum.get(...place), Math.fround(x + y));
        assertEquals(chosen.get(...place), y > 0 ? x : y);
      }
      using turned = sum.transpose();
      using doubled = ops.add(turned, turned);
      assertEquals(doubled.toArray(), scaled(turned.toArray(), 2));
    }),
  );
}

type Numbers = number | readonly Numbers[];

function scaled(values: Numbers, factor: number): Numbers {
  return typeof values === "number" ? values * factor : values.map((row) => scaled(row, factor));
}

const definitions: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  pow: Math.pow,
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterEqual: (a, b) => Number(a >= b),
};

const values = [-3, -1, -0.5, 0, 0.5, 1, 2, 5, 100, Infinity, -Infinity, NaN];

for (const [name, definition] of Object.entries(definitions)) {
  const operation = ops[name as "add"];
  Deno.test(
    `${name}() gives the values of its definition, for tensors and numbers`,
    withoutLeaks(() => {
      using column = Tensor.from(values.map((value) => [value]));
      using row = Tensor.from(values);
      using table = operation(column, row);
      const expected = values.map((a) => values.map((b) => Math.fround(definition(a, b))));
      // IEEE 754 has 1 for pow(1, NaN) and pow(-1, ±Infinity), which JavaScript has not.
      if (name === "pow") {
        expected[values.indexOf(1)].fill(1);
        for (const b of [Infinity, -Infinity]) {
          expected[values.indexOf(-1)][values.indexOf(b)] = 1;
        }
      }
      assertEquals(table.toArray(), expected);
      for (const [index, value] of values.entries()) {
        using one = operation(row, value);
        assertEquals(one.toArray(), expected.map((line) => line[index]));
      }
    }),
  );
}

Deno.test(
  "float64, int32 and int64 have arithmetic of their own",
  withoutLeaks(() => {
    using doubles = Tensor.from([0.1, 2 ** -1074], "float64");
    using sum = ops.add(doubles, 0.2);
    assertEquals(sum.data, new Float64Array([0.1 + 0.2, 0.2]));
    using quotient = ops.div(doubles, doubles);
    assertEquals(quotient.toArray(), [1, 1]);
    using words = Tensor.from([2 ** 31 - 1, -7], "int32");
    using wrapped = ops.add(words, 1);
    assertEquals(wrapped.toArray(), [-(2 ** 31), -6]);
    using wide = Tensor.from([2n ** 53n + 1n, -5n], "int64");
    using product = ops.mul(wide, 3);
    assertEquals(product.toArray(), [3n * (2n ** 53n + 1n), -15n]);
    using small = Tensor.from([200, 100], "uint8");
    using isLarge = ops.greater(small, 150);
    assertEquals([isLarge.dtype, isLarge.toArray()], ["bool", [1, 0]]);
    assertThrows(() => ops.add(words, 0.5), RangeError, "the second operand 0.5");
    assertThrows(() => ops.add(words, 2 ** 31), RangeError, "2147483648");
    assertThrows(() => ops.less(small, 256), RangeError, "256");
  }),
);

Deno.test(
  "operations refuse dtypes that they do not take, or that differ",
  withoutLeaks(() => {
    using words = Tensor.from([1, 2], "int32");
    using floats = Tensor.from([1, 2]);
    using mask = Tensor.from([true, false], "bool");
    const any = (x: Tensor) => x as Floats;
    const flags = (x: Tensor) => x as Tensor<"bool">;
    const refused: [() => unknown, string][] = [
      [() => ops.add(floats, any(words)), "add: the second operand is int32, expected float32"],
      [() => ops.div(any(words), any(words)), "div: the first operand is int32, expected float32"],
      [() => ops.pow(any(words), 2), "pow: the first operand is int32, expected float32"],
      [
        () => ops.add(words, floats as Tensor as typeof words),
        "second operand is float32, expected int32",
      ],
      [() => ops.add(any(mask), any(mask)), "add: the first operand is bool"],
      [() => ops.logicalAnd(flags(floats), mask), "logicalAnd: the first operand is float32"],
      [() => ops.logicalOr(mask, flags(floats)), "logicalOr: the second operand is float32"],
      [() => ops.where(flags(floats), floats, floats), "where: the condition is float32"],
      [() => ops.where(mask, floats, any(words)), "where: the second operand is int32"],
      [() => ops.addInPlace(floats, any(words)), "addInPlace: the second operand is int32"],
      [() => ops.scaleInPlace(floats, any(floats) as unknown as number), "the factor is a number"],
      [() => ops.scaleInPlace(floats, "2" as unknown as number), "not string"],
      [() => ops.fill(floats, 1n), "fill: the value is a number, not bigint"],
      [() => ops.add(floats, "1" as unknown as number), "expected a tensor"],
    ];
    for (const [call, words] of refused) assertThrows(call, TypeError, words);
    using blocks = Tensor.empty([32], "q8_0");
    assertThrows(() => ops.fill(blocks as Tensor as Floats, 0), TypeError, "quantised");
    assertThrows(() => ops.where(mask, blocks as never, blocks as never), TypeError, "dequantize");
  }),
);

Deno.test(
  "operations in place take smaller operands and views, and never grow",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2], [3, 4]]);
    using y = Tensor.from([10, 20]);
    assert(ops.addInPlace(x, y) === x);
    assertEquals(x.toArray(), [[11, 22], [13, 24]]);
    ops.subInPlace(x, 1);
    ops.mulInPlace(x, y);
    ops.divInPlace(x, 10);
    ops.scaleInPlace(x, 2);
    assertEquals(x.toArray(), [[20, 84], [24, 92]]);
    using column = x.slice(1, 2, { axis: 1 });
    using flat = column.reshape([2]);
    ops.addInPlace(flat, y);
    ops.fill(column, 7);
    assertEquals(x.toArray(), [[20, 7], [24, 7]]);
    ops.addScaledInPlace(x, y, -0.5);
    assertEquals(x.toArray(), [[15, -3], [19, -3]]);
    const words = "addInPlace: the second operand is [2, 2], and the result [2, 2] does not fit " +
      "into [2]";
    assertThrows(() => ops.addInPlace(y, x), RangeError, words);
    using one = Tensor.from([1]);
    assertThrows(() => ops.mulInPlace(one, y), RangeError, "does not fit into [1]");
    assertThrows(() => ops.addScaledInPlace(y, x, 1), RangeError, "does not fit into [2]");
    assertEquals([y.toArray(), one.toArray()], [[10, 20], [1]]);
  }),
);

Deno.test(
  "an operand that is repeated must not share memory with out",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2], [3, 4]]);
    using row = x.slice(0, 1);
    assertThrows(() => ops.addInPlace(x, row), RangeError, "must not share a part");
    using turned = x.transpose();
    ops.subInPlace(x, turned);
    assertEquals(x.toArray(), [[0, -1], [1, 0]]);
  }),
);

Deno.test(
  "clamp() holds elements between bounds, keeps NaN, and refuses bounds that are none",
  withoutLeaks(() => {
    using x = Tensor.from([-Infinity, -2, 0.5, 7, NaN]);
    using y = ops.clamp(x, -1, 1);
    assertEquals(y.toArray(), [-1, -1, 0.5, 1, NaN]);
    using open = ops.clamp(x, -Infinity, 1);
    assertEquals(open.toArray(), [-Infinity, -2, 0.5, 1, NaN]);
    assertThrows(() => ops.clamp(x, 1, 0), RangeError, "clamp: the lower bound 1");
    assertThrows(() => ops.clamp(x, NaN, 0), RangeError, "clamp: the lower bound NaN");
  }),
);

Deno.test(
  "where() takes every plain dtype",
  withoutLeaks(() => {
    using mask = Tensor.from([true, false, true], "bool");
    for (const dtype of ["float64", "float16", "bfloat16", "int32", "uint8", "bool"] as const) {
      using a = Tensor.from([1, 1, 1], dtype);
      using b = Tensor.from([0, 0, 0], dtype);
      using y = ops.where(mask, a, b);
      assertEquals([y.dtype, y.toArray()], [dtype, [1, 0, 1]]);
    }
    using a = Tensor.from([1n, 2n, 3n], "int64");
    using y = ops.where(mask, a, a);
    assertEquals(y.toArray(), [1n, 2n, 3n]);
  }),
);
