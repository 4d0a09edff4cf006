/**
 * A hundred passes of self-attention over 64 tokens of 256 channels, four heads: queries,
 * keys and values projected, attended, projected back and added. Everything between comes
 * from a workspace; a pass makes the four small handles that show it by heads.
 */
import { addInPlace, attention, linear } from "../../lib/ops/mod.ts";
import { Tensor, Workspace } from "../../lib/tensor/mod.ts";

const PASSES = 100;
const TOKENS = 64;
const CHANNELS = 256;
const HEADS = 4;
const FLAT = [TOKENS, CHANNELS];
const BY_HEADS = [TOKENS, HEADS, CHANNELS / HEADS];

/** Passes of one run. */
export const ATTENTION_PASSES = PASSES;
/** Heads of a pass. */
export const ATTENTION_HEADS = HEADS;

/** An attention layer with its weights and its workspace. */
export class AttentionPasses implements Disposable {
  readonly #workspace = new Workspace({ limit: "1MiB" });
  readonly #x = Tensor.randn(FLAT, { seed: 1 });
  readonly #weights = [2, 3, 4, 5].map((seed) =>
    Tensor.randn([CHANNELS, CHANNELS], { seed, deviation: 1 / 16 })
  );

  /** What the last pass gave. */
  get output(): Tensor<"float32"> {
    return this.#workspace.get("output", FLAT);
  }

  /** One hundred passes over the same tokens. */
  run(): void {
    for (let pass = 0; pass < PASSES; pass++) this.#forward();
  }

  [Symbol.dispose](): void {
    for (const weight of this.#weights) weight.dispose();
    this.#x.dispose();
    this.#workspace.dispose();
  }

  #forward(): void {
    const workspace = this.#workspace;
    const [wq, wk, wv, wo] = this.#weights;
    const queries = linear(this.#x, wq, { out: workspace.get("queries", FLAT) });
    const keys = linear(this.#x, wk, { out: workspace.get("keys", FLAT) });
    const values = linear(this.#x, wv, { out: workspace.get("values", FLAT) });
    const mixed = workspace.get("mixed", FLAT);
    const q = queries.reshape(BY_HEADS);
    const k = keys.reshape(BY_HEADS);
    const v = values.reshape(BY_HEADS);
    const y = mixed.reshape(BY_HEADS);
    attention(q, k, v, { causal: true, out: y });
    q.dispose();
    k.dispose();
    v.dispose();
    y.dispose();
    const output = linear(mixed, wo, { out: workspace.get("output", FLAT) });
    addInPlace(output, this.#x);
  }
}
