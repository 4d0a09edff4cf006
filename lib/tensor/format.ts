/**
 * Tensors as text: the dtype, the shape and an excerpt that fits on a screen,
 * however large the tensor is.
 */
import type { DType } from "../core/dtype.ts";
import { formatShape, type Shape } from "../core/shape.ts";

/** The elements shown at either end of an axis that is too long to show. */
const edge = 3;
/** The longest axis that is shown in full. */
const longest = 8;

/** What of a tensor its text needs. */
export interface Formattable {
  /** The sizes of the axes. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: DType;
}

/** Where the elements of a tensor are. */
export interface Elements {
  /** Gives the element at a place of the memory. */
  readonly read: (place: number) => number | bigint;
  /** Elements between neighbours along each axis. */
  readonly strides: readonly number[];
}

/**
 * A tensor as `console.log` shows it.
 *
 * @param tensor The tensor.
 * @param elements Its elements, or a word on why there are none to show.
 * @returns A head line and an excerpt of the values.
 */
export function formatTensor(tensor: Formattable, elements: Elements | string): string {
  const head = `Tensor ${tensor.dtype} ${formatShape(tensor.shape)}`;
  if (typeof elements === "string") return elements === "" ? head : `${head} (${elements})`;
  return `${head} ${formatAxis(elements, tensor.shape, 0, 0)}`;
}

function formatAxis(elements: Elements, shape: Shape, axis: number, start: number): string {
  if (axis === shape.length) return formatNumber(elements.read(start));
  const extent = shape[axis];
  const stride = elements.strides[axis];
  const shown = extent <= longest
    ? range(0, extent)
    : [...range(0, edge), -1, ...range(extent - edge, extent)];
  const parts = shown.map((i) =>
    i < 0 ? "…" : formatAxis(elements, shape, axis + 1, start + i * stride)
  );
  const innermost = axis === shape.length - 1;
  const separator = innermost ? ", " : ",\n" + " ".repeat(axis + 1);
  return `[${parts.join(separator)}]`;
}

function formatNumber(value: number | bigint): string {
  if (typeof value === "bigint") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  return String(Number(value.toPrecision(5)));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
