/**
 * The functions of one element and geglu(): values, special numbers, views, and
 * options that are none. Their errors over all of float32 are tested in C.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { geglu, gelu } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { unaryFunctions } from "./unary_functions.ts";

const ARGUMENTS = [-2.25, -0.75, 0, 0.4, 1, 10];

for (const [name, { run, values }] of Object.entries(unaryFunctions)) {
  Deno.test(
    `${name}() has the values that were computed elsewhere`,
    withoutLeaks(() => {
      using x = Tensor.from(ARGUMENTS);
      using y = run(x);
      for (let i = 0; i < values.length; i++) {
        const [value, expected] = [y.data[i], values[i]];
        const close = Math.abs(value - expected) <= 1e-6 * Math.abs(expected);
        assert(close || Object.is(value, expected), `of ${ARGUMENTS[i]}: ${value}, ${expected}`);
      }
    }),
  );

  Deno.test(
    `${name}() reads views of any strides, takes every shape, and keeps NaN`,
    withoutLeaks(() => {
      using x = Tensor.randn([5, 7], { seed: 3 });
      using turned = x.transpose();
      using dense = turned.clone();
      using y = run(turned);
      using expected = run(dense);
      assertEquals(y.shape, [7, 5]);
      assertEquals(y.data, expected.data);
      using scalar = Tensor.from(NaN);
      using none = Tensor.zeros([3, 0]);
      using ofScalar = run(scalar);
      using ofNone = run(none);
      assertEquals([ofScalar.shape, ofScalar.get()], [[], NaN]);
      assertEquals(ofNone.shape, [3, 0]);
    }),
  );

  Deno.test(
    `${name}() refuses other dtypes, and an out that shares a part of x`,
    withoutLeaks(() => {
      using ids = Tensor.from([1, 2], "int32");
      const call = () => run(ids as Tensor as Tensor<"float32">);
      assertThrows(call, TypeError, `${name}: x is int32, expected float32`);
      using memory = Tensor.zeros([5]);
      using x = memory.slice(0, 4);
      using out = memory.slice(1, 5);
      assertThrows(() => run(x, { out }), RangeError, `${name}: out may be x, but`);
    }),
  );
}

/** The tanh form of -3, -1, 0.5 and 2, computed with mpmath. */
const TANH_VALUES = [-0.00363739208177, -0.158808009392, 0.345714009825, 1.95459769409];

Deno.test(
  "gelu() and geglu() take both forms, and refuse others",
  withoutLeaks(() => {
    using x = Tensor.from([-3, -1, 0.5, 2]);
    using up = Tensor.from([2, -3, 4, -5]);
    using tanh = gelu(x, { approximate: "tanh" });
    using exact = gelu(x, { approximate: "none" });
    using usual = gelu(x);
    assertClose(tanh.data, TANH_VALUES, 1e-6);
    assertEquals(usual.data, exact.data);
    assert(String(tanh.data) !== String(exact.data));
    for (const approximate of ["none", "tanh"] as const) {
      using gated = geglu(x, up, { approximate });
      const values = approximate === "tanh" ? tanh.data : exact.data;
      assertEquals(gated.data, values.map((value, i) => value * up.data[i]));
    }
    const approximate = "sigmoid" as "tanh";
    assertThrows(() => gelu(x, { approximate }), TypeError, 'gelu: approximate is "none" or');
    assertThrows(() => geglu(x, up, { approximate }), TypeError, 'not "sigmoid"');
    using other = Tensor.zeros([2]);
    assertThrows(() => geglu(x, other), RangeError, "geglu: up is [2], expected [4]");
  }),
);
