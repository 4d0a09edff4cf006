import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { busyOf, checkSample } from "../../bench/peers/alternation.ts";
import { caseId, CASES, chooseCases, FAMILIES, speedOf } from "../../bench/peers/cases.ts";
import { encodeModel, MICROSOFT } from "../../bench/peers/onnx_model.ts";
import { fill, sampleOf } from "../../bench/peers/worker.mjs";

const caseOf = (id: string) => CASES.find((one) => caseId(one) === id)!;

Deno.test("the peers' cases have names of their own, and each family has some", () => {
  assertEquals(new Set(CASES.map(caseId)).size, CASES.length);
  for (const { family } of FAMILIES) assert(CASES.some((one) => one.family === family), family);
});

Deno.test("the peers' cases hold a square as [K, N] and a layer's weight as [N, K]", () => {
  assertEquals(caseOf("gemm 512×512×512").layout, "NN");
  assertEquals(caseOf("gemm 32×512×512").layout, "NT");
});

Deno.test("chooseCases() takes families and shapes, with x for ×", () => {
  const names = (...texts: string[]) => chooseCases(texts).map(caseId);
  assertEquals(names("softmax"), [
    "softmax 128×128",
    "softmax 12×128×128",
    "softmax 512×4096",
  ]);
  assertEquals(names("gemm 8x768x768", "add"), ["gemm 8×768×768", "add 1M"]);
  assertEquals(names("convolution"), []);
  assertEquals(names().length, CASES.length);
});

Deno.test("speedOf() counts what a family is measured in", () => {
  assertAlmostEquals(speedOf(caseOf("gemm 1×3072×768"), 1e-6), 2 * 3072 * 768 / 1000, 1e-9);
  assertAlmostEquals(speedOf(caseOf("softmax 12×128×128"), 1e-3), 0.196608, 1e-9);
  assertAlmostEquals(speedOf(caseOf("attention 12 heads of 64, T=128"), 0.5), 500, 1e-9);
});

// Made by `fill` of worker.py, with numpy's whole numbers of 64 bits.
Deno.test("fill() makes the same numbers as the program for Python", () => {
  assertEquals([...fill(4, 1)], [
    -0.7704246044158936,
    -0.5307918787002563,
    -0.9533886909484863,
    -0.06531274318695068,
  ]);
  assertEquals([...fill(3, 13, 0.5)], [
    0.03058147430419922,
    0.16243398189544678,
    -0.057050883769989014,
  ]);
});

Deno.test("fill() makes numbers that are spread evenly, and others for another seed", () => {
  const values = fill(100_000, 2);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
  // Five deviations of a mean of so many: 5 · √(1/3 / 100,000), 5 · √(4/45 / 100,000).
  assertAlmostEquals(mean, 0, 0.0092);
  assertAlmostEquals(square, 1 / 3, 0.0048);
  assert(values.every((value) => value >= -1 && value < 1));
  assert(fill(100, 3).every((value, index) => value !== values[index]));
});

Deno.test("sampleOf() takes sixteen elements from the first to the last", () => {
  assertEquals(sampleOf(Array.from({ length: 31 }, (_, i) => i)), [
    ...Array.from({ length: 16 }, (_, i) => 2 * i),
  ]);
  assertEquals(sampleOf([5]), Array(16).fill(5));
});

Deno.test("checkSample() lets rounding pass and refuses another result", () => {
  const expected = [0, 10, -2];
  checkSample(expected, [0.009, 10.009, -2.009]);
  assertThrows(() => checkSample(expected, [0, 10, 2]), Error, "has 2 where -2 is expected");
  assertThrows(() => checkSample(expected, [0.02, 10, -2]), Error, "where 0 is expected");
  assertThrows(() => checkSample(expected, [NaN, 10, -2]), Error, "has NaN");
  assertThrows(() => checkSample(expected, [0, 10]), Error, "has undefined");
});

Deno.test("busyOf() adds all that processors did but wait, and counts guests once", () => {
  const line = "cpu  100 20 300 9000 800 40 50 6 100 20";
  assertAlmostEquals(busyOf(`${line}\ncpu0 1 1 1 1\n`), 5.16, 1e-9);
});

/** Written by the Python package onnx 1.23.2 (`SerializeToString`) for the same graph. */
const MODEL = "080a3aae020a460a01580a015712015922124c617965724e6f726d616c697a6174696f6e2a140a04" +
  "6178697318ffffffffffffffffff01a001022a110a07657073696c6f6e15acc52737a001010a240a015912015a22" +
  "0447656c752a160a0b617070726f78696d617465220474616e68a001030a200a015a12014122095472616e73706f" +
  "73652a0d0a047065726d40014000a001070a3b0a014112014222124d756c746948656164417474656e74696f6e2a" +
  "100a096e756d5f68656164731801a001023a0d636f6d2e6d6963726f736f6674120567726170682a110802100142" +
  "01574a080000803f000000c02a19080210074201534a100200000000000000ffffffffffffffff5a140a0158120f" +
  "0a0d080112090a0308ac020a02080262140a0142120f0a0d080112090a0208020a0308ac0242040a00101442110a" +
  "0d636f6d2e6d6963726f736f66741001";

Deno.test("encodeModel() writes the bytes that ONNX's own library writes", () => {
  const bytes = encodeModel({
    nodes: [
      {
        op: "LayerNormalization",
        inputs: ["X", "W"],
        outputs: ["Y"],
        attributes: { axis: -1, epsilon: { float: 1e-5 } },
      },
      { op: "Gelu", inputs: ["Y"], outputs: ["Z"], attributes: { approximate: "tanh" } },
      { op: "Transpose", inputs: ["Z"], outputs: ["A"], attributes: { perm: [1, 0] } },
      {
        op: "MultiHeadAttention",
        inputs: ["A"],
        outputs: ["B"],
        attributes: { num_heads: 1 },
        domain: MICROSOFT,
      },
    ],
    inputs: [{ name: "X", shape: [300, 2] }],
    output: { name: "B", shape: [2, 300] },
    constants: [
      { name: "W", shape: [2], values: Float32Array.of(1, -2) },
      { name: "S", shape: [2], values: BigInt64Array.of(2n, -1n) },
    ],
  });
  assertEquals(bytes.toHex(), MODEL);
});
