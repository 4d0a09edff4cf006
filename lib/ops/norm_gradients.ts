/**
 * The gradients of normalisations: rows that lost their mean, or not, were divided by their
 * standard deviation or root mean square, then scaled and shifted column by column.
 */
import type { Floating } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import type { Gradients } from "../autograd/mod.ts";
import { native, Status } from "../ffi/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { dtypeCodes, refuse } from "./operands.ts";

/** A tensor of real numbers. */
export type Real = Tensor<Floating>;

/** A normalisation, as its gradient and errors know it. */
export interface Norm {
  /** The name of the exported function. */
  readonly operation: string;
  /** Whether the mean is taken off. */
  readonly isCentred: boolean;
  /** What was added to the variance, or the mean square. */
  readonly epsilon: number;
}

/**
 * The gradients of a normalisation's operands.
 *
 * @param norm Which, and of what.
 * @param gradient That of the result, of any strides.
 * @param x The rows before, dense, of float32 or float64; needed but for the bias alone.
 * @param weight What they were scaled by; ones when left out.
 * @param wants Whether there is one wanted of the rows, the weight and the bias.
 * @returns Those three.
 */
export function normGradients(
  norm: Norm,
  gradient: Tensor,
  x: Real | undefined,
  weight: Real | undefined,
  wants: readonly boolean[],
): Gradients {
  using g = (gradient as Real).contiguous();
  const [rows, cols] = [rowsOf(g.shape), colsOf(g.shape)];
  using moments = wants[1] ? Tensor.empty([rows, 3], g.dtype) : undefined;
  const made: (Tensor | undefined)[] = [];
  try {
    made.push(wants[0] ? Tensor.empty(g.shape, g.dtype) : undefined);
    if (x !== undefined && (wants[0] || wants[1])) writeRows(norm, made[0], moments, g, x, weight);
    made.push(wants[1] ? Tensor.empty([cols], g.dtype) : undefined);
    made.push(wants[2] ? Tensor.empty([cols], g.dtype) : undefined);
    if (wants[1] || wants[2]) writeColumns(norm, made[1], made[2], g, x, moments);
    return made;
  } catch (error) {
    for (const tensor of made) tensor?.dispose();
    throw error;
  }
}

/** Writes the gradient of the rows, and what those of the columns need. */
function writeRows(
  { operation, isCentred, epsilon }: Norm,
  dx: Tensor | undefined,
  moments: Tensor | undefined,
  g: Real,
  x: Real,
  weight: Real | undefined,
): void {
  const status = native().symbols.qn_norm_gradient(
    addressOf(dx),
    addressOf(moments),
    g.address,
    x.address,
    addressOf(weight),
    rowsOf(g.shape),
    colsOf(g.shape),
    epsilon,
    isCentred ? 1 : 0,
    dtypeCodes[g.dtype],
  );
  if (status !== Status.OK) refuse(operation, status, x, x, { x, weight }, { epsilon });
}

/** Writes the sums over all rows. */
function writeColumns(
  { operation }: Norm,
  dweight: Tensor | undefined,
  dbias: Tensor | undefined,
  g: Real,
  x: Real | undefined,
  moments: Tensor | undefined,
): void {
  const status = native().symbols.qn_norm_columns(
    addressOf(dweight),
    addressOf(dbias),
    g.address,
    addressOf(x),
    addressOf(moments),
    rowsOf(g.shape),
    colsOf(g.shape),
    dtypeCodes[g.dtype],
  );
  if (status !== Status.OK) refuse(operation, status, g, g, { x });
}

/** 0, which the native functions know as left out, for no tensor. */
function addressOf(tensor: Tensor | undefined): bigint {
  return tensor === undefined ? 0n : tensor.address;
}
