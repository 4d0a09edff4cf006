/**
 * How the rows of a sequence's tokens become one vector, in operations that lead gradients back.
 */
import { unrecorded } from "../autograd/mod.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { cast, div, divInPlace, matmul, maximum, norm, sum } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { LayerDType } from "./options.ts";

/** Where a row has no length, this is divided by. */
const SHORTEST = 1e-12;

/**
 * The mean of each sequence's rows, without those of padding (Reimers and Gurevych, 2019).
 *
 * @param hidden `[…, tokens, dim]`.
 * @param mask `[…, tokens]`: 0, or false, where there is padding; 1 elsewhere.
 * @returns `[…, dim]`; 0 for a sequence of padding alone.
 * @throws {RangeError} When the mask has another shape.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { meanPooling } from "@quern/quern/nn";
 *
 * using hidden = Tensor.from([[[1, 2], [3, 4], [9, 9]]]);
 * using mask = Tensor.from([[1, 1, 0]], "int32");
 * using pooled = meanPooling(hidden, mask);
 * console.log(pooled.toArray()); // [[2, 3]]
 * ```
 */
export function meanPooling<D extends LayerDType>(
  hidden: Tensor<D>,
  mask: Tensor<"int32"> | Tensor<"bool">,
): Tensor<D> {
  const { shape, dtype } = hidden;
  if (shape.length < 2 || !sameShape(mask.shape, shape.slice(0, -1))) {
    throw new RangeError(
      `meanPooling: the mask is ${formatShape(mask.shape)}, expected the axes of ` +
        `${formatShape(shape)} but the last`,
    );
  }
  using shares = unrecorded(() => {
    const weights = cast(mask as Tensor<"int32">, dtype as "float32");
    using counts = sum(weights, { axis: -1, keepDims: true });
    // A sequence of padding has the sum 0, whatever it is divided by.
    using divisors = maximum(counts, 1);
    return divInPlace(weights, divisors);
  });
  using rows = shares.unsqueeze(-2);
  using pooled = matmul(rows as Tensor as Tensor<D>, hidden);
  return pooled.squeeze(-2);
}

/**
 * Divides each row by its length, so that products of rows are cosines.
 *
 * @param x `[…, dim]`.
 * @returns The shape of `x`; rows of 0 stay so.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { normalizeRows } from "@quern/quern/nn";
 *
 * using x = Tensor.from([[3, 4], [0, 2]]);
 * using y = normalizeRows(x);
 * console.log(y.toArray()); // [[0.6, 0.8], [0, 1]]
 * ```
 */
export function normalizeRows<D extends LayerDType>(x: Tensor<D>): Tensor<D> {
  const rows = x as Tensor as Tensor<"float32">;
  using lengths = norm(rows, { axis: -1, keepDims: true });
  using divisors = maximum(lengths, SHORTEST);
  return div(rows, divisors) as Tensor as Tensor<D>;
}
