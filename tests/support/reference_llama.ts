/**
 * A Llama forward pass in plain float64 arithmetic, written from the papers and
 * without any of the library's code: what the fast one is held against.
 */
import { SMALL, type SmallGguf } from "./small_gguf.ts";

type Row = number[];

/** The logits after every one of the tokens. */
export function referenceLogits(model: SmallGguf, ids: readonly number[], layers = 2): Row[] {
  const weight = (name: string) => model.weights.get(name)!;
  const norm = (x: Row, name: string): Row => {
    const { values } = weight(name);
    const meanSquare = x.reduce((sum, v) => sum + v * v, 0) / x.length;
    return x.map((v, i) => v / Math.sqrt(meanSquare + Math.fround(SMALL.epsilon)) * values[i]);
  };
  const times = (x: Row, name: string): Row => {
    const { shape: [outputs, inputs], values } = weight(name);
    return Array.from({ length: outputs }, (_, o) => {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += x[i] * values[o * inputs + i];
      return sum;
    });
  };
  const turn = (heads: Row, position: number): Row => {
    const out = heads.slice();
    const { headSize, ropeBase } = SMALL;
    for (let start = 0; start < heads.length; start += headSize) {
      for (let p = 0; p < headSize / 2; p++) {
        const angle = position * ropeBase ** (-2 * p / headSize);
        const [a, b] = [heads[start + 2 * p], heads[start + 2 * p + 1]];
        out[start + 2 * p] = a * Math.cos(angle) - b * Math.sin(angle);
        out[start + 2 * p + 1] = a * Math.sin(angle) + b * Math.cos(angle);
      }
    }
    return out;
  };
  const add = (x: Row, y: Row): Row => x.map((v, i) => v + y[i]);

  const table = weight("token_embd.weight").values;
  let xs = ids.map((id) => [...table.subarray(id * SMALL.dim, (id + 1) * SMALL.dim)]);
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}.weight`;
    const normed = xs.map((x) => norm(x, name("attn_norm")));
    const queries = normed.map((x, t) => turn(times(x, name("attn_q")), t));
    const keys = normed.map((x, t) => turn(times(x, name("attn_k")), t));
    const values = normed.map((x) => times(x, name("attn_v")));
    const attended = queries.map((q, t) => attend(q, keys.slice(0, t + 1), values));
    xs = xs.map((x, t) => add(x, times(attended[t], name("attn_output"))));
    xs = xs.map((x) => {
      const h = norm(x, name("ffn_norm"));
      const up = times(h, name("ffn_up"));
      const gate = times(h, name("ffn_gate")).map((v, i) => v / (1 + Math.exp(-v)) * up[i]);
      return add(x, times(gate, name("ffn_down")));
    });
  }
  const output = model.weights.has("output.weight") ? "output.weight" : "token_embd.weight";
  return xs.map((x) => times(norm(x, "output_norm.weight"), output));
}

function attend(query: Row, keys: Row[], values: Row[]): Row {
  const { heads, keyValueHeads, headSize } = SMALL;
  const out: Row = [];
  for (let head = 0; head < heads; head++) {
    const from = Math.floor(head * keyValueHeads / heads) * headSize;
    const scores = keys.map((key) => {
      let sum = 0;
      for (let i = 0; i < headSize; i++) sum += query[head * headSize + i] * key[from + i];
      return sum / Math.sqrt(headSize);
    });
    const largest = Math.max(...scores);
    const shares = scores.map((score) => Math.exp(score - largest));
    const total = shares.reduce((sum, share) => sum + share, 0);
    for (let i = 0; i < headSize; i++) {
      out.push(shares.reduce((sum, share, t) => sum + share * values[t][from + i], 0) / total);
    }
  }
  return out;
}
