/**
 * Losses of pairs that belong together, in a batch whose other pairs they do not belong to.
 */
import { formatShape } from "../core/shape.ts";
import { add, crossEntropy, matmul, scaleInPlace } from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import type { LayerDType } from "./options.ts";
import { normalizeRows } from "./pooling.ts";

/** Options of {@linkcode multipleNegativesRanking}. */
export interface RankingOptions {
  /** What cosines are multiplied with, one over the temperature; 20 when left out. */
  scale?: number;
  /** Whether candidates look for their anchors too; false when left out. */
  symmetric?: boolean;
}

/**
 * How hard it is to find each anchor's candidate among all, by cosines: the cross-entropy of
 * `scale · cosine(anchor, candidate)`. The candidate of anchor i is row i; all others are
 * negatives, also rows beyond the number of anchors, which are nobody's (Henderson et al., 2017;
 * van den Oord et al., 2018).
 *
 * @param anchors `[anchors, dim]`.
 * @param candidates `[candidates, dim]`, as many as anchors or more.
 * @param options The scale; whether both directions count.
 * @returns `[]`: the mean over the anchors, and over both directions.
 * @throws {RangeError} When shapes do not fit, or the scale is no number above 0.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 * import { multipleNegativesRanking } from "@quern/quern/nn";
 *
 * using questions = Tensor.from([[1, 0], [0, 1]]);
 * using answers = Tensor.from([[2, 0], [0, 3]]);
 * using loss = multipleNegativesRanking(questions, answers, { scale: 1 });
 * console.log(loss.get()); // 0.3132…
 * ```
 */
export function multipleNegativesRanking<D extends LayerDType>(
  anchors: Tensor<D>,
  candidates: Tensor<D>,
  options: RankingOptions = {},
): Tensor<D> {
  const { scale = 20, symmetric = false } = options;
  checkPairs(anchors, candidates, scale);
  const [count] = anchors.shape;
  using rows = normalizeRows(anchors);
  using others = normalizeRows(candidates);
  using columns = others.transpose();
  using scores = matmul(rows, columns, { alpha: scale });
  using own = Tensor.arange(0, count, 1, "int32");
  if (!symmetric) return crossEntropy(scores, own);
  using square = scores.slice(0, count, { axis: 1 });
  using turned = square.transpose();
  using there = crossEntropy(scores, own);
  using back = crossEntropy(turned, own);
  const both = add(there as Tensor<LayerDType>, back as Tensor<LayerDType>);
  return scaleInPlace<LayerDType>(both as Tensor<LayerDType>, 0.5) as Tensor as Tensor<D>;
}

function checkPairs(anchors: Tensor, candidates: Tensor, scale: number): void {
  if (!(scale > 0 && scale < Infinity)) {
    throw new RangeError(`multipleNegativesRanking: scale is ${scale}, expected a number above 0`);
  }
  const [count, dim] = anchors.shape;
  const [others, otherDim] = candidates.shape;
  const isFitting = anchors.shape.length === 2 && candidates.shape.length === 2 &&
    count > 0 && others >= count && dim === otherDim;
  if (isFitting) return;
  throw new RangeError(
    `multipleNegativesRanking: the anchors are ${formatShape(anchors.shape)}, the candidates ` +
      `${
        formatShape(candidates.shape)
      }; expected rows of one size, and a candidate for each anchor`,
  );
}
