/**
 * What all operations have in common, from one table: the same mistakes are
 * refused in the same way, nothing leaks, and `out` is the result.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { DisposedError, OutOfMemoryError } from "../../lib/core/errors.ts";
import { pool } from "../../lib/memory/mod.ts";
import {
  add,
  addInPlace,
  argmax,
  argsort,
  attention,
  crossEntropy,
  cumsum,
  dropout,
  embedding,
  geglu,
  groupNorm,
  layerNorm,
  layerNormResidual,
  linear,
  logSoftmax,
  matmul,
  quantize,
  rmsNorm,
  rmsNormResidual,
  rope,
  ropeTable,
  sample,
  softmax,
  sort,
  sum,
  swiglu,
  topK,
} from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { cases, dispose, f, i } from "./cases.ts";

for (const { name, make, run, shape, inPlace = [] } of cases) {
  Deno.test(
    `${name}() gives a fresh result of the right shape and leaves its operands alone`,
    withoutLeaks(() => {
      const operands = make();
      const before = operands.map((tensor) => tensor.data.slice());
      using y = run(operands);
      assertEquals(y.shape, shape);
      assert(operands.every((tensor) => tensor !== y && !tensor.disposed));
      assertEquals(operands.map((tensor) => tensor.data.slice()), before);
      dispose(operands);
    }),
  );

  Deno.test(
    `${name}() writes into out, also in place where it says so`,
    withoutLeaks(() => {
      const operands = make();
      using expected = run(operands);
      using out = Tensor.empty(shape, expected.dtype);
      assert(run(operands, out) === out);
      assertEquals(out.data, expected.data);
      for (const index of inPlace) {
        const fresh = make();
        run(fresh, fresh[index]);
        assertEquals(fresh[index].data.slice(), expected.data.slice());
        dispose(fresh);
      }
      dispose(operands);
    }),
  );

  Deno.test(
    `${name}() refuses an out of another shape or dtype`,
    withoutLeaks(() => {
      const operands = make();
      using wide = Tensor.empty([...shape, 2], "float32");
      using other = Tensor.empty(shape, "float16");
      assertThrows(() => run(operands, wide), Error, `${name}: out is`);
      assertThrows(() => run(operands, other), TypeError, `${name}: out is float16`);
      dispose(operands);
    }),
  );

  Deno.test(
    `${name}() refuses disposed operands and leaks nothing`,
    withoutLeaks(() => {
      const template = make();
      for (let index = 0; index < template.length; index++) {
        const operands = make();
        operands[index].dispose();
        assertThrows(() => run(operands), DisposedError, `${name}: `);
        dispose(operands);
      }
      dispose(template);
      const out = Tensor.empty(shape);
      out.dispose();
      const operands = make();
      assertThrows(() => run(operands, out), DisposedError, `${name}: out`);
      dispose(operands);
    }),
  );
}

Deno.test(
  "operations refuse operands that do not fit, with both shapes in the message",
  withoutLeaks(() => {
    using a = f([2, 3]);
    using b = f([3, 2]);
    using v = f([4]);
    using q = f([2, 3, 8]);
    using k = f([3, 2, 8]);
    using ids = i([9]);
    using bad = i([-1, 0]);
    const refused: [() => unknown, string][] = [
      [() => add(a, b), "add: [2, 3] and [3, 2] cannot be broadcast together"],
      [() => addInPlace(a, b), "addInPlace: [2, 3] and [3, 2] cannot be broadcast together"],
      [() => rmsNorm(a, v), "rmsNorm: weight is [4], expected [3]"],
      [() => rmsNorm(a, undefined, { epsilon: -1 }), "rmsNorm: "],
      [() => rmsNormResidual(a, b), "rmsNormResidual: residual is [3, 2], expected [2, 3]"],
      [() => rmsNormResidual(a, a, { weight: v }), "rmsNormResidual: weight is [4]"],
      [() => rmsNormResidual(a, a, { sum: b }), "rmsNormResidual: sum is [3, 2]"],
      [() => layerNorm(a, { weight: v }), "layerNorm: weight is [4], expected [3]"],
      [() => layerNorm(a, { bias: b }), "layerNorm: bias is [3, 2], expected [3]"],
      [() => layerNorm(a, { epsilon: NaN }), "layerNorm: "],
      [() => layerNormResidual(a, b), "layerNormResidual: residual is [3, 2]"],
      [() => layerNormResidual(a, a, { bias: v }), "layerNormResidual: bias is [4]"],
      [() => layerNormResidual(a, a, { sum: a, out: a }), "sum must not be out"],
      [() => quantize(a, "q8_0"), "quantize: rows of x [2, 3] do not fill whole blocks of 32"],
      [() => groupNorm(v, 1), "groupNorm: x [4] has no channels"],
      [() => groupNorm(b, 3), "groupNorm: 3 groups do not divide the 2 channels of x [3, 2]"],
      [() => groupNorm(a, 0), "groupNorm: 0 groups"],
      [() => groupNorm(a, 1, { weight: v }), "groupNorm: weight is [4], expected [3]"],
      [() => softmax(a, { axis: 2 }), "softmax: axis 2 is out of range for 2 axes"],
      [() => softmax(a, { mask: b }), "softmax: mask [3, 2] does not fit x [2, 3]"],
      [() => softmax(a, { mask: q }), "softmax: mask [2, 3, 8] does not fit x [2, 3]"],
      [() => softmax(a, { mask: a, axis: 0 }), "softmax: a mask is for the last axis"],
      [() => softmax(b, { causal: true }), "softmax: causal needs as many keys as queries"],
      [() => softmax(a, { scale: NaN }), "softmax: scale is NaN"],
      [() => logSoftmax(a, { axis: -3 }), "logSoftmax: axis -3"],
      [() => dropout(a, 1.5), "dropout: rate is 1.5, expected a number from 0 to 1"],
      [() => dropout(a, NaN), "dropout: rate is NaN"],
      [() => dropout(a, 0.5, { seed: -1 }), "dropout: seed is -1"],
      [() => sort(a, { axis: 2 }), "sort: axis 2 is out of range for 2 axes"],
      [() => argsort(a, { axis: -3 }), "argsort: axis -3 is out of range for 2 axes"],
      [() => cumsum(a, { axis: -3 }), "cumsum: axis -3 is out of range for 2 axes"],
      [() => topK(a, 4), "topK: k is 4, expected an integer from 0 to 3, the size of axis 1"],
      [() => crossEntropy(a, ids, { labelSmoothing: -1 }), "crossEntropy: labelSmoothing is -1"],
      [() => sum(a, { axis: 2 }), "sum: axis 2 is out of range for 2 axes"],
      [() => argmax(a, { axis: -3 }), "argmax: axis -3 is out of range for 2 axes"],
      [() => linear(a, b), "linear: x [2, 3] does not fit weight [3, 2]"],
      [() => matmul(a, a), "matmul: a [2, 3] does not fit b [2, 3]: a is […, rows, inner]"],
      [() => matmul(a, v), "matmul: a [2, 3] does not fit b [4]"],
      [() => matmul(q, k), "matmul: a [2, 3, 8] does not fit b [3, 2, 8]"],
      [() => embedding(a, ids), "embedding: "],
      [() => attention(q, k, k), "attention: q [2, 3, 8]"],
      [() => geglu(a, b), "geglu: up is [3, 2], expected [2, 3]"],
      [() => swiglu(a, b), "swiglu: up is [3, 2], expected [2, 3]"],
      [() => crossEntropy(a, ids), "crossEntropy: targets is [1], expected [2]"],
      [() => crossEntropy(a, bad), "crossEntropy: "],
      [() => sample(a, 0.5), "sample: logits [2, 3] are more than one row"],
      [() => sample(v, 1), "sample: "],
      [() => sample(v, 0.5, { topP: 2 }), "sample: "],
      [() => sample(v, 0.5, { topK: -1 }), "sample: topK"],
      [() => sample(v, 0.5, { topK: 1.5 }), "sample: topK"],
      [() => ropeTable(2, 4, { base: -1 }), "ropeTable: "],
      [() => ropeTable(2, 4, { start: -1 }), "ropeTable: start"],
      [() => ropeTable(2, 4, { start: 2 ** 32 }), "ropeTable: start"],
    ];
    for (const [call, words] of refused) assertThrows(call, RangeError, words);
  }),
);

Deno.test(
  "sample() says so when the logits make no distribution, and leaks nothing",
  withoutLeaks(() => {
    for (const logits of [[NaN, 0], [Infinity, 0], [-Infinity, -Infinity]]) {
      using x = Tensor.from(logits);
      assertThrows(() => sample(x, 0.5), RangeError, "sample: the largest logit is");
    }
  }),
);

Deno.test(
  "rope() refuses a layout that it does not know",
  withoutLeaks(() => {
    using x = f([2, 3, 8]);
    const table = ropeTable(2, 4);
    const layout = "diagonal" as "halves";
    assertThrows(() => rope(x, table, { layout }), TypeError, 'not "diagonal"');
    using interleaved = rope(x, table, { layout: "interleaved" });
    using halves = rope(x, table, { layout: "halves" });
    assert(String(interleaved.data) !== String(halves.data));
    dispose([table.cosines, table.sines]);
  }),
);

Deno.test(
  "operations give the values of their definitions",
  withoutLeaks(() => {
    using x = Tensor.from([[3, 4]]);
    using normed = rmsNorm(x, undefined, { epsilon: 0 });
    const root = Math.sqrt(12.5);
    assertEquals(normed.data, new Float32Array([3 / root, 4 / root]));
    using logits = Tensor.from([[0, 0], [1, 1]]);
    using probabilities = softmax(logits);
    assertEquals(probabilities.toArray(), [[0.5, 0.5], [0.5, 0.5]]);
    using targets = i([0, 1]);
    using losses = crossEntropy(logits, targets, { reduction: "none" });
    assertEquals(losses.data, new Float32Array([Math.LN2, Math.LN2]));
    const { cosines, sines } = ropeTable(3, 2, { start: 5, base: 100 });
    const angles = [5, 0.5, 6, 0.6, 7, 0.7];
    assertEquals(cosines.data, new Float32Array(angles.map(Math.cos)));
    assertEquals(sines.data, new Float32Array(angles.map(Math.sin)));
    dispose([cosines, sines]);
  }),
);

Deno.test(
  "ropeTable() gives its cosines back when there is no memory for its sines",
  withoutLeaks(() => {
    const bytes = 2 ** 21;
    try {
      pool.setBudget(pool.stats().liveBytes + 1.5 * bytes);
      assertThrows(() => ropeTable(bytes / 256, 64), OutOfMemoryError);
    } finally {
      pool.setBudget(Infinity);
    }
  }),
);

Deno.test(
  "linear() and attention() refuse a result in the memory of an operand, by a view too",
  withoutLeaks(() => {
    using x = f([8, 8]);
    using weight = f([8, 8]);
    using view = x.reshape([8, 8]);
    assertThrows(() => linear(x, weight, { out: x }), RangeError, "linear: out must not be x");
    assertThrows(() => linear(x, weight, { out: view }), RangeError, "nor a view");
    assertThrows(() => matmul(x, weight, { out: x }), RangeError, "matmul: out must not be a");
    assertThrows(() => matmul(x, view, { out: x }), RangeError, "matmul: out must not be a");
    assertThrows(() => matmul(weight, x, { out: view }), RangeError, "out must not be b");
    assertThrows(() => linear(x, weight, { out: weight }), RangeError, "must not be weight");
    using q = f([4, 2, 8]);
    using k = f([4, 2, 8]);
    using v = f([4, 2, 8]);
    for (const out of [q, k, v]) {
      assertThrows(() => attention(q, k, v, { out }), RangeError, "attention: out must not be");
    }
  }),
);
