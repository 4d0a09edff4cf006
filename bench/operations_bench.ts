/**
 * Single operations at the sizes of a small language model: one token, and a
 * prompt of 128. Run with `deno task bench`.
 */
import {
  addInPlace,
  argmax,
  attention,
  embedding,
  linear,
  rmsNorm,
  rope,
  ropeTable,
  sample,
  softmax,
  swiglu,
  Tensor,
} from "@quern/quern";
import type { DType } from "@quern/quern";

const dim = 576;
const feedForward = 1536;
const heads = 9;
const keyHeads = 3;
const headSize = 64;
const vocabulary = 49_152;
const context = 512;

const weightTypes: DType[] = ["float32", "float16", "bfloat16", "q8_0", "q4_0", "q4_1"];

for (const tokens of [1, 128]) {
  const x = Tensor.randn([tokens, dim]);
  const y = Tensor.empty([tokens, dim]);
  const wide = Tensor.randn([tokens, feedForward]);
  const scale = Tensor.ones([dim]);
  const group = `${tokens} tokens`;

  Deno.bench(`rmsNorm ${tokens}x${dim}`, { group }, () => void rmsNorm(x, scale, { out: y }));
  Deno.bench(`addInPlace ${tokens}x${dim}`, { group }, () => void addInPlace(y, x));
  const gated = Tensor.empty([tokens, feedForward]);
  Deno.bench(
    `swiglu ${tokens}x${feedForward}`,
    { group },
    () => void swiglu(wide, wide, { out: gated }),
  );

  const queries = Tensor.randn([tokens, heads, headSize]);
  const table = ropeTable(tokens, headSize / 2, { start: context - tokens });
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
    const weight = Tensor.empty([feedForward, dim], dtype);
    new Uint8Array(weight.data.buffer, weight.data.byteOffset, weight.byteLength).fill(0);
    for (const precision of ["exact", "fast"] as const) {
      Deno.bench(
        `linear ${tokens}x${feedForward}x${dim} ${dtype} ${precision}`,
        { group },
        () => void linear(x, weight, { precision, out: gated }),
      );
    }
  }
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
Deno.bench(`argmax ${vocabulary}`, { group: "vocabulary" }, () => {
  const best = argmax(logits);
  best.dispose();
});
Deno.bench(`sample ${vocabulary}, top-k 40`, { group: "vocabulary" }, () => {
  sample(logits, 0.5, { temperature: 0.8, topK: 40, topP: 0.95, out: token });
});
