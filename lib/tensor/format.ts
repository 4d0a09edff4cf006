/**
 * Tensors as text: the dtype, the shape and an excerpt that fits on a screen,
 * however large the tensor is.
 */
import type { DType } from "../core/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../core/shape.ts";

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
  /** Whether it was disposed of. */
  readonly disposed: boolean;
  /** The elements. */
  readonly data: ArrayLike<number>;
}

/**
 * A tensor as `console.log` shows it.
 *
 * @param tensor The tensor.
 * @returns A head line and an excerpt of the values.
 */
export function formatTensor(tensor: Formattable): string {
  const head = `Tensor ${tensor.dtype} ${formatShape(tensor.shape)}`;
  if (tensor.disposed) return `${head} (disposed)`;
  if (!["float32", "float16", "int32"].includes(tensor.dtype)) return head;
  return `${head} ${formatAxis(tensor.data, tensor.shape, 0, 0)}`;
}

function formatAxis(data: ArrayLike<number>, shape: Shape, axis: number, start: number): string {
  if (axis === shape.length) return formatNumber(data[start]);
  const extent = shape[axis];
  const stride = sizeOf(shape.slice(axis + 1));
  const shown = extent <= longest
    ? range(0, extent)
    : [...range(0, edge), -1, ...range(extent - edge, extent)];
  const parts = shown.map((i) =>
    i < 0 ? "…" : formatAxis(data, shape, axis + 1, start + i * stride)
  );
  const innermost = axis === shape.length - 1;
  const separator = innermost ? ", " : ",\n" + " ".repeat(axis + 1);
  return `[${parts.join(separator)}]`;
}

function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  return String(Number(value.toPrecision(5)));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
