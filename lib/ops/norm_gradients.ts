/**
 * The gradients of normalisations. A row `x` becomes `rows = (x - mean) · r`, with `r` one over
 * its standard deviation or root mean square; its gradient loses what would change the mean and
 * the length of the row, since both are normalised away.
 */
import type { Floating } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { sumTo, type Tensor } from "../tensor/mod.ts";
import { lastAxis } from "./along_axis.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { rsqrt, square } from "./powers.ts";
import { mean, variance } from "./sums.ts";

/** A tensor of real numbers. */
export type Real = Tensor<Floating>;

/**
 * The gradient of rows that lost their mean and were divided by their deviation.
 *
 * @param g That of the normalised rows.
 * @param x The rows before.
 * @param rows The rows after.
 * @param epsilon What was added to the variance.
 * @returns The gradient of `x`.
 */
export function standardisedGradient(g: Real, x: Real, rows: Real, epsilon: number): Real {
  using spread = variance(x, lastAxis(x.shape));
  using slope = slopeOf(spread, epsilon);
  using lengthwise = turnedAlong(g, rows);
  using middle = mean(g, lastAxis(g.shape));
  using level = sub(g, middle);
  using difference = sub(level, lengthwise);
  return mul(difference, slope);
}

/**
 * The gradient of rows that were divided by their root mean square.
 *
 * @param g That of the normalised rows.
 * @param x The rows before.
 * @param rows The rows after.
 * @param epsilon What was added to the mean square.
 * @returns The gradient of `x`.
 */
export function rootedGradient(g: Real, x: Real, rows: Real, epsilon: number): Real {
  using squares = square(x);
  using spread = mean(squares, lastAxis(x.shape));
  using slope = slopeOf(spread, epsilon);
  using lengthwise = turnedAlong(g, rows);
  using difference = sub(g, lengthwise);
  return mul(difference, slope);
}

/**
 * The gradient of what rows are multiplied by, or added to, column by column.
 *
 * @param g That of the rows.
 * @param rows What was multiplied; left out where columns were added.
 * @returns `[cols]`, a new tensor.
 */
export function columnSums(g: Real, rows?: Real): Real {
  const cols = colsOf(g.shape);
  using products = rows === undefined ? g.detach() : mul(g, rows);
  using flat = products.reshape([rowsOf(g.shape), cols]);
  return sumTo(flat, [cols]);
}

/**
 * The gradient of rows before they were scaled.
 *
 * @param g That of the scaled rows.
 * @param weight The scale; ones when left out.
 * @returns A tensor that is to be disposed of.
 */
export function unscaled(g: Real, weight: Real | undefined): Real {
  return weight === undefined ? g.detach() : mul(g, weight);
}

function slopeOf(spread: Real, epsilon: number): Real {
  using shifted = add(spread, epsilon);
  return rsqrt(shifted);
}

/** The part of a gradient along each row. */
function turnedAlong(g: Real, rows: Real): Real {
  using products = mul(g, rows);
  using share = mean(products, lastAxis(g.shape));
  return mul(rows, share);
}
