/**
 * How the rows of a text's tokens become the one vector of the text (Reimers and
 * Gurevych, 2019).
 */
import { divInPlace, max, maximum, mean, norm } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** Which rows count: all alike, the first, the last, or the largest of each element. */
export type Pooling = "mean" | "cls" | "last" | "max";

type Floats = Tensor<"float32">;

/**
 * Makes one row of each sequence.
 *
 * @param hidden `[tokens, dim]`: the rows of all sequences, end to end.
 * @param offsets Where each begins, and at last where the last ends.
 * @param pooling Which rows count.
 * @param out `[sequences, dim]`.
 */
export function poolSequences(
  hidden: Floats,
  offsets: ArrayLike<number>,
  pooling: Pooling,
  out: Floats,
): void {
  for (let i = 0; i + 1 < offsets.length; i++) {
    const [first, end] = [offsets[i], offsets[i + 1]];
    using row = out.slice(i, i + 1);
    using rows = hidden.slice(
      pooling === "last" ? end - 1 : first,
      pooling === "cls" ? first + 1 : end,
    );
    if (pooling === "mean") mean(rows, { axis: 0, keepDims: true, out: row });
    else if (pooling === "max") max(rows, { axis: 0, keepDims: true, out: row });
    else row.copyFrom(rows);
  }
}

/** Where a row has no length, this is divided by. */
const SHORTEST = 1e-12;

/**
 * Divides each row by its length.
 *
 * @param rows `[rows, dim]`, in place.
 */
export function normalizeRows(rows: Floats): void {
  using lengths = norm(rows, { axis: 1, keepDims: true });
  maximum(lengths, SHORTEST, { out: lengths });
  divInPlace(rows, lengths);
}
