/**
 * Single operations at the sizes of a small language model: one token, and a
 * prompt of 128. Run with `deno task bench`.
 */
import {
  add,
  addInPlace,
  addScaledInPlace,
  all,
  any,
  argmax,
  argmin,
  argsort,
  attention,
  cast,
  clamp,
  concatenate,
  countNonZero,
  crossEntropy,
  cumprod,
  cumsum,
  dequantize,
  div,
  divInPlace,
  dropout,
  einsum,
  embedding,
  equal,
  flip,
  gather,
  geglu,
  gelu,
  greater,
  greaterEqual,
  groupNorm,
  indexAdd,
  indexAddInPlace,
  layerNorm,
  layerNormResidual,
  less,
  lessEqual,
  linear,
  logicalAnd,
  logicalNot,
  logicalOr,
  logSoftmax,
  logSumExp,
  matmul,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  mulInPlace,
  norm,
  notEqual,
  oneHot,
  pad,
  pow,
  prod,
  quantize,
  repeat,
  rmsNorm,
  rmsNormResidual,
  roll,
  rope,
  ropeTable,
  sample,
  scaleInPlace,
  scatterAdd,
  scatterAddInPlace,
  softmax,
  sort,
  split,
  stack,
  std,
  sub,
  subInPlace,
  sum,
  swiglu,
  takeAlongAxis,
  Tensor,
  tile,
  topK,
  tril,
  triu,
  variance,
  where,
} from "@quern/quern";
import type { DType } from "@quern/quern";
import { unaryFunctions } from "../tests/ops/unary_functions.ts";

const dim = 576;
const feedForward = 1536;
const heads = 9;
const keyHeads = 3;
const headSize = 64;
const vocabulary = 49_152;
const context = 512;

const weightTypes: DType[] = ["float32", "float16", "bfloat16", "q8_0", "q4_0", "q4_1"];

/** `[feedForward, dim]` of zeros; the time does not depend on the values. */
function zeros(dtype: DType): Tensor {
  const weight = Tensor.empty([feedForward, dim], dtype);
  const { buffer, byteOffset } = weight.data;
  new Uint8Array(buffer, byteOffset, weight.byteLength).fill(0);
  return weight;
}

for (const tokens of [1, 128]) {
  const x = Tensor.randn([tokens, dim]);
  const y = Tensor.empty([tokens, dim]);
  const wide = Tensor.randn([tokens, feedForward]);
  const scale = Tensor.ones([dim]);
  const group = `${tokens} tokens`;

  Deno.bench(`rmsNorm ${tokens}x${dim}`, { group }, () => void rmsNorm(x, scale, { out: y }));
  Deno.bench(`add ${tokens}x${dim}`, { group }, () => void add(x, x, { out: y }));
  Deno.bench(`addInPlace ${tokens}x${dim}`, { group }, () => void addInPlace(y, x));
  const gated = Tensor.empty([tokens, feedForward]);
  Deno.bench(
    `swiglu ${tokens}x${feedForward}`,
    { group },
    () => void swiglu(wide, wide, { out: gated }),
  );

  const queries = Tensor.randn([tokens, heads, headSize]);
  const table = ropeTable(tokens, headSize / 2, { start: context - tokens });
  Deno.bench(
    `ropeTable ${tokens}x${headSize / 2}`,
    { group },
    () => void ropeTable(tokens, headSize / 2, { start: context - tokens, out: table }),
  );
  const turned = Tensor.empty([tokens, heads, headSize]);
  Deno.bench(
    `rope ${tokens}x${heads}x${headSize}`,
    { group },
    () => void rope(queries, table, { out: turned }),
  );
  const keys = Tensor.randn([context, keyHeads, headSize]);
  const values = Tensor.randn([context, keyHeads, headSize]);
  Deno.bench(
    `attention ${tokens} of ${context}, ${heads}/${keyHeads} heads`,
    { group },
    () => void attention(queries, keys, values, { causal: true, out: turned }),
  );

  for (const dtype of weightTypes) {
    const weight = zeros(dtype);
    for (const precision of ["exact", "fast"] as const) {
      Deno.bench(
        `linear ${tokens}x${feedForward}x${dim} ${dtype} ${precision}`,
        { group },
        () => void linear(x, weight, { precision, out: gated }),
      );
    }
  }
}

for (
  const [rows, cols, inner] of [
    [64, 64, 64],
    [128, 128, 128],
    [512, 512, 512],
    [2048, 2048, 2048],
    [1, 3072, 768],
    [128, 3072, 768],
  ]
) {
  const a = Tensor.randn([rows, inner]);
  const b = Tensor.randn([inner, cols]);
  const c = Tensor.empty([rows, cols]);
  Deno.bench(`matmul ${rows}x${cols}x${inner}`, { group: "matmul" }, () => {
    matmul(a, b, { out: c });
  });
}

for (const length of [4096, 1_048_576]) {
  const group = `functions of ${length} elements`;
  const x = Tensor.randn([length]);
  const y = Tensor.empty([length]);
  for (const [name, { run }] of Object.entries(unaryFunctions)) {
    Deno.bench(`${name} ${length}`, { group }, () => void run(x, { out: y }));
  }
  Deno.bench(
    `gelu ${length}, tanh`,
    { group },
    () => void gelu(x, { approximate: "tanh", out: y }),
  );
  Deno.bench(`geglu ${length}`, { group }, () => void geglu(x, x, { out: y }));
}

const logits = Tensor.randn([1, vocabulary]);
const probabilities = Tensor.empty([1, vocabulary]);
const token = Tensor.empty([1], "int32");
const rows = Tensor.randn([vocabulary / 8, dim]);
const ids = Tensor.from([1, 2, 3, 4], "int32");
const embedded = Tensor.empty([4, dim]);
Deno.bench("embedding 4", { group: "vocabulary" }, () => {
  embedding(rows, ids, { out: embedded });
});
Deno.bench(`softmax ${vocabulary}`, { group: "vocabulary" }, () => {
  softmax(logits, { out: probabilities });
});
const target = Tensor.from([7], "int32");
const loss = Tensor.empty([1]);
Deno.bench(`crossEntropy ${vocabulary}`, { group: "vocabulary" }, () => {
  crossEntropy(logits, target, { reduction: "none", out: loss });
});
Deno.bench(`argmax ${vocabulary}`, { group: "vocabulary" }, () => {
  const best = argmax(logits);
  best.dispose();
});
Deno.bench(`sample ${vocabulary}, top-k 40`, { group: "vocabulary" }, () => {
  sample(logits, 0.5, { temperature: 0.8, topK: 40, topP: 0.95, out: token });
});

const million = 2 ** 20;
const large = Tensor.zeros([million]);
const other = Tensor.ones([million]);
const result = Tensor.empty([million]);
const mask = greater(other, 0);
const elementwise = { group: "elementwise" };
Deno.bench("addInPlace 1M", elementwise, () => void addInPlace(large, other));
Deno.bench("add 1M", elementwise, () => void add(large, other, { out: result }));
Deno.bench("scaleInPlace 1M", elementwise, () => void scaleInPlace(large, 0.5));
Deno.bench("addScaledInPlace 1M", elementwise, () => void addScaledInPlace(large, other, 0.5));
Deno.bench("pow 1M", elementwise, () => void pow(other, 2.5, { out: result }));
type Floats = Tensor<"float32">;
const arithmetic: Record<string, (a: Floats, b: Floats, options: { out: Floats }) => Floats> = {
  sub,
  mul,
  div,
  maximum,
  minimum,
};
for (const [name, run] of Object.entries(arithmetic)) {
  Deno.bench(`${name} 1M`, elementwise, () => void run(large, other, { out: result }));
}
const inPlace: Record<string, (a: Floats, b: Floats) => Floats> = {
  subInPlace,
  mulInPlace,
  divInPlace,
};
for (const [name, run] of Object.entries(inPlace)) {
  Deno.bench(`${name} 1M`, elementwise, () => void run(large, other));
}
Deno.bench("dropout 1M", elementwise, () => void dropout(large, 0.1, { seed: 1, out: result }));
Deno.bench("clamp 1M", elementwise, () => void clamp(large, 0, 1, { out: result }));
for (
  const [name, run] of Object.entries({ equal, greater, greaterEqual, less, lessEqual, notEqual })
) {
  Deno.bench(`${name} 1M`, elementwise, () => void run(large, 0, { out: mask }));
}
const second = greater(large, 0);
for (const [name, run] of Object.entries({ logicalAnd, logicalOr })) {
  Deno.bench(`${name} 1M`, elementwise, () => void run(mask, second, { out: mask }));
}
Deno.bench("logicalNot 1M", elementwise, () => void logicalNot(mask, { out: second }));
Deno.bench("where 1M", elementwise, () => void where(mask, large, other, { out: result }));
for (const dtype of ["float16", "bfloat16", "float64", "int32", "int64", "uint8"] as const) {
  const narrow = cast(other, dtype);
  const group = { group: "cast" };
  Deno.bench(`cast 1M float32 to ${dtype}`, group, () => void cast(other, dtype, { out: narrow }));
  Deno.bench(`cast 1M ${dtype} to float32`, group, () => {
    cast(narrow, "float32", { out: result });
  });
}
const grid = large.reshape([1024, 1024]);
const columns = grid.transpose();
const bias = Tensor.ones([1024]);
Deno.bench("addInPlace 1024x1024 + 1024", elementwise, () => void addInPlace(grid, bias));
const square = result.reshape([1024, 1024]);
Deno.bench("addInPlace 1024x1024, transposed", elementwise, () => {
  addInPlace(square, columns);
});

for (const dtype of weightTypes) {
  const weight = zeros(dtype);
  const widened = Tensor.empty([feedForward, dim]);
  Deno.bench(`dequantize ${feedForward}x${dim} ${dtype}`, { group: "dequantize" }, () => {
    dequantize(weight, { out: widened });
  });
}

for (const dtype of ["q8_0", "q4_0", "q4_1"] as const) {
  const weight = Tensor.randn([feedForward, dim]);
  const blocks = Tensor.empty([feedForward, dim], dtype);
  Deno.bench(`quantize ${feedForward}x${dim} ${dtype}`, { group: "quantize" }, () => {
    quantize(weight, dtype, { out: blocks });
  });
}

for (const [count, cols] of [[32, 512], [128, 768], [512, 768], [2048, 1024]]) {
  const x = Tensor.randn([count, cols]);
  const residual = Tensor.randn([count, cols]);
  const y = Tensor.empty([count, cols]);
  const weight = Tensor.ones([cols]);
  const bias = Tensor.zeros([cols]);
  const group = "normalisation";
  const shape = `${count}x${cols}`;
  Deno.bench(`layerNorm ${shape}`, { group }, () => {
    layerNorm(x, { weight, bias, out: y });
  });
  Deno.bench(`layerNormResidual ${shape}`, { group }, () => {
    layerNormResidual(x, residual, { weight, bias, out: y, sum: residual });
  });
  Deno.bench(`rmsNormResidual ${shape}`, { group }, () => {
    rmsNormResidual(x, residual, { weight, out: y, sum: residual });
  });
}
const image = Tensor.randn([1, 64, 32, 32]);
const normed = Tensor.empty([1, 64, 32, 32]);
Deno.bench("groupNorm 1x64x32x32, 8 groups", { group: "normalisation" }, () => {
  groupNorm(image, 8, { out: normed });
});

for (const shape of [[128, 128], [12, 128, 128], [512, 4096]]) {
  const x = Tensor.randn(shape);
  const y = Tensor.empty(shape);
  const group = "softmax";
  Deno.bench(`softmax ${shape.join("x")}`, { group }, () => void softmax(x, { out: y }));
  Deno.bench(`logSoftmax ${shape.join("x")}`, { group }, () => void logSoftmax(x, { out: y }));
}
const scores = Tensor.randn([12, 128, 128]);
const weighed = Tensor.empty([12, 128, 128]);
Deno.bench("softmax 12x128x128, causal, scaled", { group: "softmax" }, () => {
  softmax(scores, { causal: true, scale: 0.125, out: weighed });
});

for (const axis of [1, 0, undefined]) {
  const x = Tensor.randn([1024, 1024]);
  const group = "reductions";
  const what = `1024x1024, ${axis === undefined ? "all" : `axis ${axis}`}`;
  const out = Tensor.empty(axis === undefined ? [] : [1024]);
  const floating = { sum, prod, mean, variance, std, max, min, norm, logSumExp };
  for (const [name, run] of Object.entries(floating)) {
    Deno.bench(`${name} ${what}`, { group }, () => void run(x, { axis, out }));
  }
  for (const [name, run] of Object.entries({ all, any, countNonZero, argmin })) {
    Deno.bench(`${name} ${what}`, { group }, () => run(x, { axis }).dispose());
  }
}
const few = Tensor.randn([16]);
const one = Tensor.empty([]);
Deno.bench("sum 16", { group: "small reductions" }, () => void sum(few, { out: one }));
Deno.bench("sum 16, fresh", { group: "small reductions" }, () => sum(few).dispose());

const best = { values: Tensor.empty([1, 10]), indices: Tensor.empty([1, 10], "int32") };
Deno.bench(`topK 10 of ${vocabulary}`, { group: "vocabulary" }, () => {
  topK(logits, 10, { out: best });
});
for (const axis of [1, 0]) {
  const x = Tensor.randn([1024, 1024]);
  const y = Tensor.empty([1024, 1024]);
  const group = "running sums";
  for (const [name, run] of Object.entries({ cumsum, cumprod })) {
    Deno.bench(`${name} 1024x1024, axis ${axis}`, { group }, () => void run(x, { axis, out: y }));
  }
}
for (const length of [64, 1024, million]) {
  const x = Tensor.randn([million / length, length]);
  const order = Tensor.empty(x.shape, "int32");
  const y = Tensor.empty(x.shape);
  const rows = `1M in rows of ${length}`;
  Deno.bench(`sort ${rows}`, { group: "sorting" }, () => void sort(x, { out: y }));
  Deno.bench(`argsort ${rows}`, { group: "sorting" }, () => void argsort(x, { out: order }));
}

const table = Tensor.randn([4096, 256]);
const picked = Tensor.from(Array.from({ length: 1024 }, (_, i) => i * 37 % 4096), "int32");
const taken = Tensor.zeros([1024, 256]);
const places = Tensor.zeros([1024, 256], "int32");
const moved = Tensor.empty([4096, 256]);
const joined = Tensor.empty([8192, 256]);
const moving: Record<string, () => unknown> = {
  gather: () => gather(table, picked, { axis: 0, out: taken }),
  takeAlongAxis: () => takeAlongAxis(table, places, { axis: 0, out: taken }),
  indexAdd: () => indexAdd(table, picked, taken, { axis: 0, out: moved }),
  indexAddInPlace: () => indexAddInPlace(moved, picked, taken, { axis: 0 }),
  scatterAdd: () => scatterAdd(table, places, taken, { axis: 0, out: moved }),
  scatterAddInPlace: () => scatterAddInPlace(moved, places, taken, { axis: 0 }),
  oneHot: () => oneHot(picked, 4096).dispose(),
  concatenate: () => concatenate([table, table], { axis: 0, out: joined }),
  stack: () => stack([table, table], { axis: 0 }).dispose(),
  split: () => split(table, 4, { axis: 0 }).forEach((part) => part.dispose()),
  pad: () => pad(table, 1).dispose(),
  repeat: () => repeat(table, 2, { axis: 0, out: joined }),
  tile: () => tile(table, [2, 1], { out: joined }),
  flip: () => flip(table, { out: moved }),
  roll: () => roll(table, 100, { out: moved }),
  tril: () => tril(table, { out: moved }),
  triu: () => triu(table, { out: moved }),
  einsum: () => einsum("ij,kj->ik", [taken, taken]).dispose(),
};
for (const [name, run] of Object.entries(moving)) {
  Deno.bench(`${name} 4096x256`, { group: "moving elements" }, () => void run());
}
