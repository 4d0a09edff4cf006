/**
 * A table of vectors, one a token.
 */
import { embedding, type WidenedDType } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { type Initializer, normal } from "./initializers.ts";
import { Module } from "./module.ts";
import {
  checkSize,
  type ForwardOptions,
  type LayerDType,
  type LayerOptions,
  seeds,
} from "./options.ts";

/** Options of {@linkcode Embedding}. */
export interface EmbeddingOptions<D extends LayerDType = "float32"> extends LayerOptions<D> {
  /** The first table; normally distributed, of deviation 1, when left out. */
  weight?: Initializer;
}

/**
 * Rows of a table, by token.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { Embedding } from "@quern/quern/nn";
 *
 * using table = new Embedding(100, 8, { seed: 1 });
 * using tokens = Tensor.from([[3, 1], [4, 1]], "int32");
 * using x = table.forward(tokens);
 * console.log(x.shape); // [2, 2, 8]
 * ```
 */
export class Embedding<D extends LayerDType = "float32"> extends Module {
  /** `[vocabulary, dim]`. */
  readonly weight: Tensor<D>;

  /**
   * A new layer.
   *
   * @param vocabulary How many tokens there are.
   * @param dim The size of a token's vector.
   * @param options The dtype, the seed and the first table.
   * @throws {RangeError} When a size is no integer from 1.
   */
  constructor(vocabulary: number, dim: number, options: EmbeddingOptions<D> = {}) {
    super();
    checkSize("Embedding", "vocabulary", vocabulary);
    checkSize("Embedding", "dim", dim);
    const { dtype = "float32" as D, weight = normal(1) } = options;
    const seed = seeds(options.seed);
    this.weight = this.parameter("weight", weight([vocabulary, dim], seed(), dtype));
  }

  /**
   * Looks tokens up.
   *
   * @param tokens Any shape, int32.
   * @param options Where to write the result.
   * @returns `[…, dim]`.
   * @throws {RangeError} When a token is not in the table.
   */
  forward(tokens: Tensor<"int32">, options: ForwardOptions<D> = {}): Tensor<D> {
    const dim = this.weight.shape[1];
    const { out } = options;
    const shape = [...tokens.shape, dim];
    return this.pass([], () => {
      using ids = tokens.reshape([tokens.size]);
      using place = out?.reshape([tokens.size, dim]) as Tensor<WidenedDType<D>> | undefined;
      const rows = embedding<D>(this.weight, ids, { out: place });
      if (out !== undefined) return out;
      using made = rows;
      return made.reshape(shape) as Tensor as Tensor<D>;
    });
  }
}
