/**
 * Positions as vectors that are added to tokens.
 */
import { unrecorded } from "../autograd/mod.ts";
import { formatShape } from "../core/shape.ts";
import { add, concatenate, type Floating, ropeTable } from "../ops/mod.ts";
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

/** Options of {@linkcode Positions}. */
export interface PositionsOptions<D extends LayerDType = "float32"> extends LayerOptions<D> {
  /**
   * Vectors that are trained, or the sines and cosines of {@linkcode sinusoidalPositions};
   * `"learned"` when left out.
   */
  kind?: "learned" | "sinusoidal";
  /** The first vectors that are trained; normally distributed, of deviation 0.02, when left out. */
  weight?: Initializer;
}

/** Options of {@linkcode Positions.forward}. */
export interface PositionsForwardOptions<D extends LayerDType = "float32">
  extends ForwardOptions<D> {
  /** The position of the first token; 0 when left out. */
  start?: number;
}

/**
 * Sines and cosines of waves of growing length (Vaswani et al., 2017): element 2 p of position
 * t is `sin(t · 10000^(-2 p / dim))`, element 2 p + 1 the cosine.
 *
 * @param tokens How many positions.
 * @param dim The size of a vector, an even number.
 * @param dtype The dtype; float32 when left out.
 * @returns `[tokens, dim]`.
 * @throws {RangeError} When a size is no integer from 1, or dim is odd.
 *
 * @example
 * ```ts
 * import { sinusoidalPositions } from "@quern/quern/nn";
 *
 * using positions = sinusoidalPositions(3, 4);
 * console.log(positions.shape, positions.get(0, 1)); // [3, 4] 1
 * ```
 */
export function sinusoidalPositions<D extends LayerDType = "float32">(
  tokens: number,
  dim: number,
  dtype?: D,
): Tensor<D> {
  checkSize("sinusoidalPositions", "tokens", tokens);
  if (checkSize("sinusoidalPositions", "dim", dim) % 2 !== 0) {
    throw new RangeError(`sinusoidalPositions: dim is ${dim}, expected an even number`);
  }
  return unrecorded(() => {
    const table = ropeTable<D>(tokens, dim / 2, { dtype });
    using cosines = table.cosines;
    using sines = table.sines;
    using cosineColumns = cosines.unsqueeze(-1);
    using sineColumns = sines.unsqueeze(-1);
    using pairs = concatenate<D>([sineColumns, cosineColumns], { axis: -1 });
    return pairs.reshape([tokens, dim]);
  });
}

/**
 * Adds each token's position to it. Positions by which heads turn are an option of
 * `MultiHeadAttention`.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { Positions } from "@quern/quern/nn";
 *
 * using positions = new Positions(16, 4, { kind: "sinusoidal" });
 * using x = Tensor.zeros([2, 3, 4]);
 * using y = positions.forward(x, { start: 1 });
 * console.log(y.shape, Object.keys(positions.parameters())); // [2, 3, 4] []
 * ```
 */
export class Positions<D extends LayerDType = "float32"> extends Module {
  /** `[tokens, dim]`; a parameter, or a buffer where it is not trained. */
  readonly weight: Tensor<D>;

  /**
   * A new layer.
   *
   * @param tokens How many positions there are.
   * @param dim The size of a token's vector.
   * @param options The kind, the dtype and the seed.
   * @throws {RangeError} When a size is no integer from 1.
   */
  constructor(tokens: number, dim: number, options: PositionsOptions<D> = {}) {
    super();
    checkSize("Positions", "tokens", tokens);
    checkSize("Positions", "dim", dim);
    const { dtype = "float32" as D, kind = "learned", weight = normal(0.02) } = options;
    if (kind !== "learned" && kind !== "sinusoidal") {
      throw new TypeError(
        `Positions: kind is ${JSON.stringify(kind)}, expected "learned" or "sinusoidal"`,
      );
    }
    this.weight = kind === "sinusoidal"
      ? this.buffer("weight", sinusoidalPositions(tokens, dim, dtype))
      : this.parameter("weight", weight([tokens, dim], seeds(options.seed)(), dtype));
  }

  /**
   * Adds positions.
   *
   * @param x `[…, tokens, dim]`.
   * @param options The first position, and where to write the result, which may be `x`.
   * @returns The shape of `x`.
   * @throws {RangeError} When there are not as many positions.
   */
  forward(x: Tensor<D>, options: PositionsForwardOptions<D> = {}): Tensor<D> {
    const { start = 0, out } = options;
    return this.pass([x], () => {
      const { shape } = this.weight;
      const tokens = x.shape[x.shape.length - 2];
      if (!Number.isInteger(start) || start < 0 || !(start + tokens <= shape[0])) {
        throw new RangeError(
          `Positions: x ${formatShape(x.shape)} from position ${start} does not fit ` +
            `${formatShape(shape)}, [tokens, dim]`,
        );
      }
      using rows = this.weight.slice(start, start + tokens);
      return add(x as Tensor<Floating>, rows as Tensor<Floating>, {
        out: out as Tensor<Floating> | undefined,
      }) as Tensor as Tensor<D>;
    });
  }
}
