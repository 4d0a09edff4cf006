/**
 * The activations of a Llama session. They are made for a number of tokens and
 * kept while that number stays the same, as it does token after token.
 */
import type { DType } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { keep } from "../memory/mod.ts";
import type { Precision, RopeTable } from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import type { Workspace } from "./causal_model.ts";
import type { LlamaConfig } from "./llama_config.ts";

/** What activations are made of. */
export type Floats = Tensor<"float32">;

/** What the output layer works on. */
export interface LlamaHead {
  /** `[rows, dim]`: the residual stream of the rows whose logits are wanted. */
  readonly x: Floats;
  /** `[rows, dim]`: its norm. */
  readonly normed: Floats;
  /** `[rows, vocabulary]`. */
  readonly logits: Floats;
}

/** All tensors for one number of tokens; heads are views of the flat tensors. */
export class LlamaActivations implements Disposable {
  /** Tokens of the pass. */
  readonly tokens: number;
  /** `[tokens]`. */
  readonly ids: Tensor<"int32">;
  /** `[tokens, dim]`: the residual stream. */
  readonly x: Floats;
  /** `[tokens, dim]`: its norm, and later what a sublayer adds to it. */
  readonly normed: Floats;
  /** `[tokens, heads · headSize]`. */
  readonly query: Floats;
  /** `[tokens, keyHeads · headSize]`. */
  readonly key: Floats;
  /** `[tokens, keyHeads · headSize]`. */
  readonly value: Floats;
  /** `[tokens, heads · headSize]`. */
  readonly attended: Floats;
  /** `[tokens, feedForward]`. */
  readonly gate: Floats;
  /** `[tokens, feedForward]`. */
  readonly up: Floats;
  /** `[tokens, heads, headSize]`: a view of `query`. */
  readonly queryHeads: Floats;
  /** `[tokens, keyHeads, headSize]`: a view of `key`. */
  readonly keyHeads: Floats;
  /** `[tokens, keyHeads, headSize]`: a view of `value`. */
  readonly valueHeads: Floats;
  /** `[tokens, heads, headSize]`: a view of `attended`. */
  readonly attendedHeads: Floats;
  /** The rotary angles of the tokens' positions, `[tokens, ropePairs]` each. */
  readonly table: RopeTable;
  /** `[1, dim]`: a view of the last row of `x`. */
  readonly lastX: Floats;
  /** `[1, dim]`: a view of the last row of `normed`. */
  readonly lastNormed: Floats;
  readonly #made: Tensor[] = [];

  /**
   * The activations of a session.
   *
   * @param config The model's sizes.
   * @param tokens How many tokens a pass has.
   */
  constructor(config: LlamaConfig, tokens: number) {
    const { dim, heads, keyHeads, headSize, feedForward, ropePairs } = config;
    const empty = (cols: number) => this.#keep(Tensor.empty([tokens, cols]));
    const view = (flat: Floats, shape: Shape) => this.#keep(flat.reshape(shape));
    try {
      this.tokens = tokens;
      this.ids = this.#keep(Tensor.empty([tokens], "int32"));
      this.x = empty(dim);
      this.normed = empty(dim);
      this.query = empty(heads * headSize);
      this.key = empty(keyHeads * headSize);
      this.value = empty(keyHeads * headSize);
      this.attended = empty(heads * headSize);
      this.gate = empty(feedForward);
      this.up = empty(feedForward);
      this.table = { cosines: empty(ropePairs), sines: empty(ropePairs) };
      this.queryHeads = view(this.query, [tokens, heads, headSize]);
      this.keyHeads = view(this.key, [tokens, keyHeads, headSize]);
      this.valueHeads = view(this.value, [tokens, keyHeads, headSize]);
      this.attendedHeads = view(this.attended, [tokens, heads, headSize]);
      this.lastX = this.#keep(this.x.slice(-1));
      this.lastNormed = this.#keep(this.normed.slice(-1));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Disposes of all tensors. */
  [Symbol.dispose](): void {
    for (const tensor of this.#made) tensor.dispose();
    this.#made.length = 0;
  }

  /** The tensors outlive the pass, and so any scope that the pass is run in. */
  #keep<D extends DType>(tensor: Tensor<D>): Tensor<D> {
    this.#made.push(keep(tensor));
    return tensor;
  }
}

/** The activations of one session. */
export class LlamaWorkspace implements Workspace {
  /** How products treat activations. */
  readonly precision: Precision;
  readonly #config: LlamaConfig;
  #activations: LlamaActivations | undefined;
  #logits: Floats | undefined;

  /**
   * The activations of a session.
   *
   * @param config The model's sizes.
   * @param precision How products treat activations.
   */
  constructor(config: LlamaConfig, precision: Precision) {
    this.#config = config;
    this.precision = precision;
  }

  /**
   * Makes room for the tokens of a pass and takes them in.
   *
   * @param ids The new tokens.
   * @returns Tensors for that many tokens, borrowed until the next pass.
   */
  begin(ids: ArrayLike<number>): LlamaActivations {
    if (this.#activations?.tokens !== ids.length) {
      this.#activations?.[Symbol.dispose]();
      this.#activations = undefined;
      this.#activations = new LlamaActivations(this.#config, ids.length);
    }
    this.#activations.ids.data.set(ids);
    return this.#activations;
  }

  /**
   * The operands of the output layer.
   *
   * @param activations The pass that they come from.
   * @param wanted Whether logits are wanted for the last token or for all.
   * @returns Tensors of one row, or of one row a token.
   */
  head(activations: LlamaActivations, wanted: "last" | "all"): LlamaHead {
    const { tokens, x, normed, lastX, lastNormed } = activations;
    const rows = wanted === "all" ? tokens : 1;
    if (this.#logits?.shape[0] !== rows) {
      this.#logits?.dispose();
      this.#logits = undefined;
      this.#logits = keep(Tensor.empty([rows, this.#config.vocabularySize]));
    }
    const logits = this.#logits;
    return wanted === "all" ? { x, normed, logits } : { x: lastX, normed: lastNormed, logits };
  }

  /** `[rows, vocabulary]`: the logits of the last pass, borrowed until the next. */
  get logits(): Floats {
    if (this.#logits === undefined) throw new Error("No pass with logits has been run");
    return this.#logits;
  }

  /** Disposes of all tensors. */
  [Symbol.dispose](): void {
    this.#activations?.[Symbol.dispose]();
    this.#logits?.dispose();
    this.#activations = undefined;
    this.#logits = undefined;
  }
}
