/**
 * Every operation of the table with operands of every floating-point dtype. In float64
 * the results are those of float32 to its precision, and tests/csrc/test_float64.c
 * compares them with references; in float16 and bfloat16 they are exactly those of
 * float32, rounded once.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Floating, isFloating, isHalf, isPlain } from "../../lib/core/dtype.ts";
import {
  add,
  addInPlace,
  cast,
  dequantize,
  equal,
  linear,
  matmul,
  mulInPlace,
  softmax,
} from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { withoutLeaks } from "../support/native.ts";
import { type Bools, type Case, cases, dispose, type Floats } from "./cases.ts";
import { unaryFunctions } from "./unary_functions.ts";

const DTYPES: readonly Floating[] = ["float32", "float64", "float16", "bfloat16"];

/** Operands of a case in a dtype; all of them are exact in bfloat16, so in every dtype. */
function operandsOf({ make, wide = [] }: Case, dtype: Floating): Tensor[] {
  return make().map((tensor, index) => {
    if (!isFloating(tensor.dtype)) return tensor;
    using short = cast(tensor, "bfloat16");
    tensor.dispose();
    return cast(short, isHalf(dtype) && wide.includes(index) ? "float32" : dtype);
  });
}

/** Elements as numbers. */
function numbersOf(tensor: Tensor): number[] {
  using wide = isPlain(tensor.dtype) ? cast(tensor, "float64") : dequantize(tensor);
  return [...wide.data];
}

/** That two results are the same, or, in float64, as near as float32 can be. */
function assertSame(actual: Tensor, expected: Tensor, dtype: Floating): void {
  assertEquals(actual.shape, expected.shape);
  if (dtype !== "float64") return assertEquals(numbersOf(actual), numbersOf(expected));
  const [values, references] = [numbersOf(actual), numbersOf(expected)];
  for (let i = 0; i < values.length; i++) {
    const near = Math.abs(values[i] - references[i]) <= 1e-5 * (1 + Math.abs(references[i]));
    assert(near || Object.is(values[i], references[i]), `${values[i]}, not ${references[i]}`);
  }
}

for (const entry of cases) {
  const { name, run, dtypes = DTYPES, dtype: fixed, inPlace = [] } = entry;
  for (const dtype of DTYPES) {
    const title = `${name}() ${dtypes.includes(dtype) ? "takes" : "refuses"} ${dtype}`;
    Deno.test(
      title,
      withoutLeaks(() => {
        const operands = operandsOf(entry, dtype);
        if (!dtypes.includes(dtype)) {
          assertThrows(() => run(operands), TypeError, `${name}: `);
          dispose(operands);
          return;
        }
        using y = run(operands);
        assertEquals(y.dtype, fixed ?? (entry.widens && isHalf(dtype) ? "float32" : dtype));
        const references = operandsOf(entry, "float32");
        using wide = run(references);
        using expected = isPlain(y.dtype) ? cast(wide, y.dtype) : wide.clone();
        assertSame(y, expected, dtype);
        using out = Tensor.empty(y.shape, y.dtype);
        assert(run(operands, out) === out);
        assertEquals(numbersOf(out), numbersOf(y));
        for (const index of inPlace) {
          run(operands, operands[index]);
          assertEquals(numbersOf(operands[index]), numbersOf(y));
          dispose(operands.splice(0, operands.length, ...operandsOf(entry, dtype)));
        }
        dispose(operands);
        dispose(references);
      }),
    );
  }
}

Deno.test(
  "functions of one element have 11 right digits in float64",
  withoutLeaks(() => {
    for (const [name, { run, values }] of Object.entries(unaryFunctions)) {
      using x = Tensor.from([-2.25, -0.75, 0, Math.fround(0.4), 1, 10], "float64");
      using y = run(x);
      for (let i = 0; i < values.length; i++) {
        const [value, expected] = [y.data[i], values[i]];
        const close = Math.abs(value - expected) <= 1e-11 * Math.abs(expected);
        assert(close || Object.is(value, expected), `${name}: ${value}, not ${expected}`);
      }
    }
  }),
);

Deno.test(
  "two floating-point dtypes make the wider one, and a number makes none",
  withoutLeaks(() => {
    const expected: [Floating, Floating, Floating][] = [
      ["float32", "float64", "float64"],
      ["float16", "float64", "float64"],
      ["float32", "float16", "float32"],
      ["bfloat16", "float32", "float32"],
      ["float16", "bfloat16", "float32"],
    ];
    for (const [first, second, result] of expected) {
      using a = Tensor.full([2], 1.5, first);
      using b = Tensor.full([2], 0.25, second);
      using sum = add(a, b);
      using turned = add(b, a);
      assertEquals([sum.dtype, turned.dtype], [result, result]);
      assertEquals([sum.toArray(), turned.toArray()], [[1.75, 1.75], [1.75, 1.75]]);
      using same = equal(a, b);
      assertEquals([same.dtype, same.toArray()], ["bool", [0, 0]]);
    }
    using half = Tensor.full([2], 1, "float16");
    using raised = add(half, 0.1);
    assertEquals([raised.dtype, raised.toArray()], ["float16", [1.099609375, 1.099609375]]);
  }),
);

Deno.test(
  "what is changed in place keeps its dtype, also where it is not contiguous",
  withoutLeaks(() => {
    for (const dtype of DTYPES) {
      using x = Tensor.from([[1, 2], [3, 4]], dtype);
      using column = x.slice(1, 2, { axis: 1 });
      using y = Tensor.from([[10], [20]], "float64");
      addInPlace(column, y);
      mulInPlace(x, 2);
      using one = Tensor.full([], 0.5, "float16");
      mulInPlace(x, one);
      assertEquals([x.dtype, x.toArray()], [dtype, [[1, 12], [3, 24]]]);
    }
    using words = Tensor.from([1], "int32");
    using floats = Tensor.from([1]);
    const any = (x: Tensor) => x as Floats;
    assertThrows(() => addInPlace(any(words), floats), TypeError, "is float32, expected int32");
  }),
);

Deno.test(
  "Tensor.randn() draws the same numbers in every dtype, each rounded once",
  withoutLeaks(() => {
    using wide = Tensor.randn([3, 7], { seed: 5, mean: 2, deviation: 3, dtype: "float64" });
    assert(wide.data.some((value) => value !== Math.fround(value)));
    using single = Tensor.randn([3, 7], { seed: 5, mean: 2, deviation: 3 });
    assertEquals([...single.data], [...wide.data].map(Math.fround));
    for (const dtype of ["float16", "bfloat16"] as const) {
      using half = Tensor.randn([3, 7], { seed: 5, mean: 2, deviation: 3, dtype });
      using expected = cast(single, dtype);
      assertEquals(half.data, expected.data);
    }
    const dtype = "int32" as "float32";
    assertThrows(() => Tensor.randn([2], { dtype }), TypeError, "dtype is int32");
  }),
);

Deno.test(
  "softmax() takes a mask of bool for each matrix, and one in the dtype of x",
  withoutLeaks(() => {
    for (const dtype of DTYPES) {
      using x = Tensor.zeros([2, 2, 2, 3], dtype);
      const kept = [1, 1, 0, 0, 1, 1];
      using mask = Tensor.from(
        [[[kept.slice(0, 3).map(Boolean)]], [[kept.slice(3).map(Boolean)]]],
        "bool",
      ) as Bools;
      using y = softmax(x, { mask });
      const rows = (row: number[]) => [[row, row], [row, row]];
      assertEquals(y.toArray(), [rows([0.5, 0.5, 0]), rows([0, 0.5, 0.5])]);
      using added = Tensor.from([0, 0, -Infinity], dtype);
      using z = softmax(x, { mask: added });
      assertEquals(z.toArray(), [rows([0.5, 0.5, 0]), rows([0.5, 0.5, 0])]);
    }
    using x = Tensor.zeros([2, 3], "float64");
    using mask = Tensor.zeros([3]);
    const call = () => softmax(x, { mask: mask as Tensor as Tensor<"float64"> });
    assertThrows(call, TypeError, "mask is float32, expected float64, bool or int32");
  }),
);

Deno.test(
  "linear() in float64 and in halves is that of float32, with all that it applies",
  withoutLeaks(() => {
    const activations = ["none", "relu", "gelu_tanh", "gelu_erf", "silu"] as const;
    for (const dtype of ["float64", "float16", "bfloat16"] as const) {
      using x = Tensor.randn([3, 5], { seed: 1, dtype: "bfloat16" });
      using w = Tensor.randn([4, 5], { seed: 2, dtype: "bfloat16" });
      using b = Tensor.randn([4], { seed: 3, dtype: "bfloat16" });
      using r = Tensor.randn([3, 4], { seed: 4, dtype: "bfloat16" });
      const narrow = [x, w, b, r].map((tensor) => cast(tensor, dtype));
      const single = [x, w, b, r].map((tensor) => cast(tensor, "float32"));
      for (const activation of activations) {
        const [a, weight, bias, residual] = narrow;
        using y = linear(a, weight, { bias, residual, activation });
        using wide = linear(single[0], single[1], {
          bias: single[2],
          residual: single[3],
          activation,
        });
        using expected = cast(wide, dtype);
        assertSame(y, expected, dtype);
        linear(a, weight, { bias, residual, activation, out: residual });
        assertEquals(numbersOf(residual), numbersOf(y));
        using before = cast(r, dtype);
        residual.copyFrom(before);
      }
      dispose([...narrow, ...single]);
    }
  }),
);

Deno.test(
  "linear() multiplies halves by weights as they are stored, and refuses to mix float64",
  withoutLeaks(() => {
    using x = Tensor.from([[1, 2]], "float16");
    using stored = Tensor.from([[3, 0.5]], "bfloat16");
    using y = linear(x, stored);
    assertEquals([y.dtype, y.toArray()], ["float16", [[4]]]);
    using bias = Tensor.from([1], "float16");
    assertThrows(() => linear(x, stored, { bias }), TypeError, "weight is bfloat16, expected");
    using wide = Tensor.from([[3, 0.5]], "float64");
    using single = Tensor.from([[1, 2]]);
    assertThrows(() => linear(x, wide), TypeError, "weight is float64 and x is float16");
    assertThrows(() => linear(single, wide), TypeError, "weight is float64 and x is float32");
    assertThrows(() => linear(wide, stored), TypeError, "weight is bfloat16, expected float64");
    assertThrows(() => linear(wide, wide, { out: wide }), RangeError, "linear: out");
    using words = Tensor.from([[1, 2]], "uint8");
    assertThrows(() => linear(single, words), TypeError, "linear: weight is uint8");
    const b = wide as Tensor as Floats;
    assertThrows(() => matmul(single, b), TypeError, "matmul: b is float64, expected float32");
  }),
);
