/**
 * Rounding to blocks: the bytes that the `gguf` package of Python (0.19.0, quants.py) makes of a
 * few blocks, and an element by element reference for many.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { cast, dequantize, quantize, type QuantizedDType } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { withoutLeaks } from "../support/native.ts";
import { quantize as reference, type WeightType } from "../support/quantize.ts";

const DTYPES: readonly QuantizedDType[] = ["q8_0", "q4_0", "q4_1"];

/** Blocks, and `gguf.quants.quantize(block, type).tobytes().hex()` for each dtype. */
// deno-fmt-ignore
const FIGURES: readonly [(i: number) => number, Record<QuantizedDType, string>][] = [
  [(i) => (i * 37 % 64 - 40) / 8, {
    q8_0: "0a2981f6a116c036e08b00aa20ca40ea940ab429d449f39e13bd33dd87fda71dc73c",
    q4_0: "003930b752d9742b9641b8630a852ca741c9",
    q4_1: "333800c540d962fb952eb751da730c953ec851ea",
  }],
  [(i) => (i * i * 11 % 97 - 20) / 1024, {
    q8_0: "ca10dff128e26366ec3908fd165414f90332e45c577719e06e7f126d4a4b721be97d",
    q4_0: "c0a0aa29351a62a219047718373317689805",
    q4_1: "661e00a500c2b7e05c0dd1f854d3a5abe56313f8",
  }],
  [(i) => i % 3 === 0 ? -2000.5 : i / 4, {
    q8_0: "e04b8100008100008100008100008100008100008100008100008100008100008100",
    q4_0: "d05b80880880880880880880880880880880",
    q4_1: "2f58d0e7f0ff0ff0ff0ff0ff0ff0ff0ff0ff0ff0",
  }],
  [(i) => i === 7 ? 5e-8 : 0, {
    q8_0: "0000000000000000007f000000000000000000000000000000000000000000000000",
    q4_0: "008088888888888888808888888888888888",
    q4_1: "00000000000000000000000f0000000000000000",
  }],
];

for (const dtype of DTYPES) {
  const type = dtype.toUpperCase() as WeightType;

  Deno.test(
    `quantize() to ${dtype} gives the bytes that Python's gguf gives`,
    withoutLeaks(() => {
      for (const [value, expected] of FIGURES) {
        using x = Tensor.from(Float32Array.from({ length: 32 }, (_, i) => value(i)));
        using y = quantize(x, dtype);
        assertEquals(y.data.toHex(), expected[dtype]);
      }
    }),
  );

  Deno.test(
    `quantize() to ${dtype} follows the definition element by element`,
    withoutLeaks(() => {
      for (const shape of [[32], [0, 32], [3, 0], [5, 96], [2, 3, 64], [700, 32]]) {
        for (const deviation of [1e-30, 1e-3, 1, 1e5]) {
          using x = Tensor.randn(shape, { seed: 4, deviation });
          using y = quantize(x, dtype);
          assertEquals(y.shape, shape);
          const { data, values } = reference(x.data.slice(), type);
          assertEquals(y.data, data);
          using back = dequantize(y);
          // -0 counts as 0: tiny scales are 0 as halves.
          assertEquals(back.data.map((value) => value + 0), values.map((value) => value + 0));
        }
      }
    }),
  );

  Deno.test(
    `quantize() to ${dtype} makes a block with NaN or an infinity NaN, and only that one`,
    withoutLeaks(() => {
      for (const value of [NaN, Infinity, -Infinity]) {
        using x = Tensor.randn([2, 96], { seed: 2 });
        x.data[40] = value;
        using y = quantize(x, dtype);
        using back = dequantize(y);
        const isNaNs = Array.from(back.data, Number.isNaN);
        assertEquals(isNaNs, Array.from({ length: 192 }, (_, i) => i >= 32 && i < 64));
      }
    }),
  );

  Deno.test(
    `quantize() to ${dtype} has a result for numbers too small and too large for a scale`,
    withoutLeaks(() => {
      using small = Tensor.full([32], 1e-42);
      small.data[3] = -1e-45;
      using none = quantize(small, dtype);
      using zeros = dequantize(none);
      assertEquals([...zeros.data].map(Math.abs), new Array(32).fill(0));
      using large = Tensor.full([32], 3e38);
      large.data[3] = -3e38;
      using much = quantize(large, dtype);
      using back = dequantize(much);
      assertEquals(back.data.some(Number.isFinite), false);
    }),
  );

  Deno.test(
    `quantize() to ${dtype} takes views and other dtypes as their float32 copies`,
    withoutLeaks(() => {
      using x = Tensor.randn([64, 32], { seed: 3 });
      using turned = x.transpose();
      using dense = turned.contiguous();
      using fromView = quantize(turned, dtype);
      using expected = quantize(dense, dtype);
      assertEquals(fromView.data, expected.data);
      for (const other of ["float16", "bfloat16", "float64"] as const) {
        using narrow = cast(x, other);
        using wide = cast(narrow, "float32");
        using a = quantize(narrow, dtype);
        using b = quantize(wide, dtype);
        assertEquals(a.data, b.data);
      }
    }),
  );
}

Deno.test(
  "quantize() refuses whole numbers, blocks, and dtypes that are not quantised",
  withoutLeaks(() => {
    using x = Tensor.ones([32]);
    using ids = Tensor.zeros([32], "int32");
    using blocks = quantize(x, "q8_0");
    assertThrows(() => quantize(ids, "q4_0"), TypeError, "quantize: x is int32");
    assertThrows(() => quantize(blocks, "q4_0"), TypeError, "quantize: x is q8_0");
    const dtype = "float16" as "q4_0";
    assertThrows(() => quantize(x, dtype), TypeError, "one of q8_0, q4_0, q4_1, not float16");
    using one = Tensor.ones([]);
    assertThrows(() => quantize(one, "q4_0"), RangeError, "whole blocks of 32");
  }),
);
