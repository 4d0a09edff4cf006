/**
 * What the options of layers have in common.
 */
import type { ResultOption } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { Random } from "../core/random.ts";

/** The dtypes that layers compute in: what optimisers train. */
export type LayerDType = "float32" | "float64";

/** Options that every layer with parameters has. */
export interface LayerOptions<D extends LayerDType = "float32"> {
  /** The dtype of parameters, inputs and results; float32 when left out. */
  dtype?: D;
  /**
   * An integer from 0 to 2^32 - 1. Layers that are made with the same seed have the same bits;
   * drawn at random when left out.
   */
  seed?: number;
}

/** Options of every pass. */
export interface ForwardOptions<D extends LayerDType = "float32"> extends ResultOption<D> {}

/** Options of a pass whose last product can be added to something at once. */
export interface ResidualOptions<D extends LayerDType = "float32"> extends ForwardOptions<D> {
  /** Of the result's shape: what is added to the result; `out` may be the same tensor. */
  residual?: Tensor<D>;
}

/**
 * A stream of seeds, for the parts of a layer.
 *
 * @param seed The layer's.
 * @returns Gives another seed with each call.
 * @throws {RangeError} When the seed is no integer from 0 to 2^32 - 1.
 */
export function seeds(seed: number | undefined): () => number {
  const random = new Random(seed);
  return () => random.nextUint32();
}

/**
 * Checks a size of a layer.
 *
 * @param layer Named in the error.
 * @param name The size's name.
 * @param value The size.
 * @returns The size.
 * @throws {RangeError} When it is no integer from 1.
 */
export function checkSize(layer: string, name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RangeError(`${layer}: ${name} is ${value}, expected an integer of 1 or more`);
}
