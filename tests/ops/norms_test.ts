/**
 * Normalisations and softmax: values that were computed elsewhere, where the sum of a
 * residual goes, axes, masks and what they repeat over.
 */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import {
  groupNorm,
  layerNorm,
  layerNormResidual,
  logSoftmax,
  rmsNormResidual,
  softmax,
  type SoftmaxOptions,
} from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { dispose, f, type Floats, i } from "./cases.ts";

function assertClose(actual: Floats, expected: readonly number[], tolerance = 3e-7): void {
  assertEquals(actual.size, expected.length);
  for (const [index, value] of actual.data.entries()) {
    assertAlmostEquals(value, expected[index], tolerance);
  }
}

// PyTorch 2.15, float64: x = [[1, 2, 4], [-3, 0.5, 0.25]], weight = [0.5, -1, 2],
// bias = [0.1, 0.2, 0.3], residual = [[1, 1, -2], [0, 2, 0]], epsilon 1e-5.
const xs = [[1, 2, 4], [-3, 0.5, 0.25]];
const residuals = [[1, 1, -2], [0, 2, 0]];
const weights = [0.5, -1, 2];
const biases = [0.1, 0.2, 0.3];
const layerValues = [
  -0.43452076572514886,
  0.46726038286257454,
  2.9726038286257435,
  -0.6056549160383377,
  -0.5840610178203751,
  1.5544976285126002,
];
const layerResidualValues = [
  -0.2535454359104551,
  -1.2141817436418194,
  -1.1141817436418202,
  -0.5459361530943327,
  -0.9442297569099609,
  0.5952850985574093,
];
const rmsResidualValues = [
  0.4200836545465183,
  -1.260250963639555,
  1.6803346181860732,
  -0.6639393518177352,
  -1.106565586362892,
  0.2213131172725784,
];
const groupValues = [
  0.1,
  0.29611598427979263,
  -0.9766959056787557,
  1.768927874238341,
  -0.9089881139756684,
  -1.0880974641942858,
  2.123927495854194,
  -0.025384706769216614,
];
const logSoftmaxValues = [
  -3.1698460195562856,
  -2.1698460195562856,
  -0.16984601955628567,
  -4.0927731928657805,
  -0.5927731928657808,
  -0.8427731928657808,
];
const columnValues = [
  0.8807970779778823,
  0.679178699175393,
  0.8670357598021706,
  0.11920292202211755,
  0.32082130082460697,
  0.13296424019782924,
];

Deno.test(
  "layerNorm() and its kin give PyTorch's values",
  withoutLeaks(() => {
    using x = Tensor.from(xs);
    using residual = Tensor.from(residuals);
    using weight = Tensor.from(weights);
    using bias = Tensor.from(biases);
    using plain = layerNorm(x, { weight, bias });
    assertClose(plain, layerValues);
    using added = layerNormResidual(x, residual, { weight, bias });
    assertClose(added, layerResidualValues);
    using rms = rmsNormResidual(x, residual, { weight });
    assertClose(rms, rmsResidualValues);
    using image = Tensor.from([[[1, 2], [4, -3], [0.5, 0.25], [7, 1]]]);
    using four = Tensor.from([0.5, -1, 2, 1]);
    using shift = Tensor.from([0.1, 0.2, 0.3, 0.4]);
    using grouped = groupNorm(image, 2, { weight: four, bias: shift });
    assertClose(grouped, groupValues);
    using logarithms = logSoftmax(x);
    assertClose(logarithms, logSoftmaxValues);
    using columns = softmax(x, { axis: 0, scale: 0.5 });
    assertClose(columns, columnValues);
  }),
);

Deno.test(
  "layerNorm() of a row of one value is the bias, whatever the value",
  withoutLeaks(() => {
    using bias = Tensor.from([0.25, -7, 3]);
    for (const value of [0, 0.1, -12345.678, 1e30, 3e38]) {
      using x = Tensor.full([2, 3], value);
      layerNorm(x, { bias, out: x });
      assertEquals(x.toArray(), [[0.25, -7, 3], [0.25, -7, 3]]);
    }
  }),
);

Deno.test(
  "the sum of a residual goes where it is asked for, also into an operand",
  withoutLeaks(() => {
    for (const run of [layerNormResidual, rmsNormResidual]) {
      using sum = Tensor.empty([2, 3]);
      using x = Tensor.from(xs);
      using residual = Tensor.from(residuals);
      using y = run(x, residual, { sum });
      const expected = [[2, 3, 2], [-3, 2.5, 0.25]];
      assertEquals(sum.toArray(), expected);
      run(x, residual, { sum: residual, out: x });
      assertEquals([residual.toArray(), x.toArray()], [expected, y.toArray()]);
      using other = Tensor.from(xs);
      using again = Tensor.from(residuals);
      run(other, again, { sum: other, out: again });
      assertEquals([other.toArray(), again.toArray()], [expected, y.toArray()]);
    }
  }),
);

Deno.test(
  "sum must be a dense tensor of its own or a whole operand",
  withoutLeaks(() => {
    using memory = f([3, 3]);
    using x = memory.slice(0, 2);
    using behind = memory.slice(1, 3);
    using turned = memory.transpose();
    using square = f([3, 3]);
    using weight = f([3]);
    for (const run of [layerNormResidual, rmsNormResidual]) {
      assertThrows(() => run(x, x, { sum: behind }), RangeError, "sum may be x, but must not");
      assertThrows(() => run(square, square, { sum: turned }), TypeError, "sum is a view");
      using row = weight.reshape([1, 3]);
      using one = f([1, 3]);
      assertThrows(() => run(one, one, { weight, sum: row }), RangeError, "sum must not be weight");
      using ids = i([1, 2, 3]);
      const sum = ids as Tensor as Floats;
      assertThrows(() => run(one, one, { sum }), TypeError, "sum is int32");
    }
  }),
);

Deno.test(
  "softmax() over any axis is that of the axis turned to the end",
  withoutLeaks(() => {
    using x = f([2, 3, 4]);
    for (const run of [softmax, logSoftmax]) {
      for (const [axis, order] of [[0, [2, 1, 0]], [1, [0, 2, 1]], [-2, [0, 2, 1]]] as const) {
        using turned = x.transpose(...order);
        using rows = run(turned);
        using expected = rows.transpose(...order);
        using y = run(x, { axis });
        assertEquals(y.toArray(), expected.toArray());
        using copy = x.clone();
        run(copy, { axis, out: copy });
        assertEquals(copy.toArray(), expected.toArray());
      }
    }
  }),
);

/** A mask spelled out for every row of x. */
function expand(mask: Tensor<"int32">, shape: number[]): number[] {
  const values: number[] = [];
  const lead = new Array(shape.length - mask.shape.length).fill(1);
  using whole = mask.reshape([...lead, ...mask.shape]);
  const visit = (index: number[]): void => {
    if (index.length === shape.length) {
      values.push(whole.get(...index.map((at, axis) => whole.shape[axis] === 1 ? 0 : at)));
      return;
    }
    for (let at = 0; at < shape[index.length]; at++) visit([...index, at]);
  };
  visit([]);
  return values;
}

Deno.test(
  "softmax() repeats a mask over the axes that it lacks, whichever they are",
  withoutLeaks(() => {
    const shape = [2, 3, 4, 5];
    using x = f(shape);
    const masks = [
      [5],
      [1, 5],
      [4, 5],
      [3, 1, 5],
      [3, 4, 5],
      [2, 1, 1, 5],
      [2, 1, 4, 5],
      [2, 3, 1, 5],
      [2, 3, 4, 5],
      [1, 3, 1, 5],
      [1, 1, 1, 5],
    ];
    for (const maskShape of masks) {
      using random = Tensor.randn(maskShape, { seed: 5 });
      const bits = [...random.data].map((value, at) => (value > 0 || at % 5 === 0) ? 1 : 0);
      using bitRow = Tensor.from(bits, "int32");
      using mask = bitRow.reshape(maskShape);
      const whole = expand(mask, shape);
      using addedRow = Tensor.from(whole.map((bit) => bit ? 0 : -Infinity));
      using added = addedRow.reshape(shape);
      for (const causal of [false, true]) {
        using y = softmax(x, { mask, causal, scale: 0.5 });
        using expected = softmax(x, { mask: added, causal, scale: 0.5 });
        assertEquals(y.data, expected.data);
        using flagRow = Tensor.from(bits, "bool");
        using flags = flagRow.reshape(maskShape);
        using flagged = softmax(x, { mask: flags, causal, scale: 0.5 });
        assertEquals(flagged.data, expected.data);
        const seen = (at: number) =>
          whole[at] === 1 && (!causal || at % 5 <= 1 + Math.floor(at / 5) % 4);
        assertEquals([...y.data].map((value) => value > 0), whole.map((_, at) => seen(at)));
      }
    }
  }),
);

Deno.test(
  "softmax() ignores what a mask leaves out, and says so where a mask is none",
  withoutLeaks(() => {
    using x = Tensor.from([NaN, 1, Infinity, 1]);
    using mask = i([0, 1, 0, -3]);
    using y = softmax(x, { mask });
    assertEquals(y.toArray(), [0, 0.5, 0, 0.5]);
    using half = Tensor.empty([4], "float16");
    const bad = { mask: half as Tensor as Floats } satisfies SoftmaxOptions;
    assertThrows(() => softmax(x, bad), TypeError, "softmax: mask is float16");
    using own = f([4]);
    assertThrows(() => softmax(x, { mask: own, out: own }), RangeError, "out must not be mask");
  }),
);

Deno.test(
  "normalisations take views and rows without columns",
  withoutLeaks(() => {
    using x = f([3, 4]);
    using turned = x.transpose();
    using dense = turned.contiguous();
    using wide = f([3, 2]);
    using weight = wide.slice(0, 1, { axis: 1 });
    const column = weight.reshape([3]);
    for (
      const run of [
        (t: Floats) => layerNorm(t, { weight: column, bias: column }),
        (t: Floats) => layerNormResidual(t, turned, { weight: column }),
        (t: Floats) => rmsNormResidual(t, turned, { weight: column }),
        (t: Floats) => groupNorm(t, 3, { weight: column }),
        (t: Floats) => softmax(t, { scale: 2 }),
        (t: Floats) => logSoftmax(t),
      ]
    ) {
      using a = run(turned);
      using b = run(dense);
      assertEquals(a.data, b.data);
      assertEquals(a.shape, [4, 3]);
    }
    using none = Tensor.empty([4, 0]);
    dispose([
      layerNorm(none),
      groupNorm(none, 1),
      logSoftmax(none),
      softmax(none, { scale: 2 }),
      column,
    ]);
  }),
);
