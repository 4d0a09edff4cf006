/**
 * Operations that are measured together, at shapes of one form.
 *
 * @module
 */

import { UsageError } from "../errors.ts";
import type { OperationCase } from "./operation_bench.ts";

/** What the letters of a family's form stand for, in their order. */
export type Sizes = readonly number[];

/** Operations that share their shapes. */
export interface OperationFamily {
  /** How a shape is written, one letter for each size: `MxN`. */
  readonly form: string;
  /** What is measured when nothing is asked for. */
  readonly usual: readonly Sizes[];
  /** The shape that a single size stands for. */
  readonly sized: (size: number) => Sizes;
  /** Elements of the largest tensor of a shape. */
  readonly largest: (sizes: Sizes) => number;
  /** Makes the cases of a shape, to be disposed of. */
  readonly open: (sizes: Sizes) => OperationCase[];
}

const MOST_ELEMENTS = 2 ** 28;

/** The shapes to measure: the one asked for, the one that a size stands for, or the usual. */
export function chooseShapes(
  family: OperationFamily,
  shape: string | undefined,
  size: number | undefined,
): readonly Sizes[] {
  if (shape === undefined && size === undefined) return family.usual;
  const sizes = shape === undefined ? family.sized(size!) : parseShape(shape, family.form);
  if (family.largest(sizes) > MOST_ELEMENTS) {
    const given = shape === undefined ? `--size ${size}` : `--shape ${shape}`;
    throw new UsageError(`${given}: a tensor has at most 2^28 elements`);
  }
  return [sizes];
}

/** Reads sizes in a form. */
function parseShape(text: string, form: string): Sizes {
  const sizes = text.split("x").map(Number);
  const count = form.split("x").length;
  if (sizes.length !== count || !sizes.every((size) => Number.isInteger(size) && size > 0)) {
    throw new UsageError(`--shape is ${form}, whole numbers from 1, not ${text}`);
  }
  return sizes;
}
