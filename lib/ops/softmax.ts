/**
 * Softmax over an axis, with the scale and the masks of attention.
 */
import { differentiable, isTracked, record, RESULT } from "../autograd/mod.ts";
import { byteLengthOf, type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, formatShape, rowsOf, type Shape, sizeOf } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { sumTo, Tensor } from "../tensor/mod.ts";
import { alongAxis, isLastAxis } from "./along_axis.ts";
import { mul } from "./arithmetic.ts";
import { withFloat32 } from "./halves.ts";
import {
  areDense,
  checkApart,
  checkFloating,
  checkInPlace,
  checkOperand,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

/** Options of {@linkcode softmax}. */
export interface SoftmaxOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** The axis to normalise over; the last when left out, and always with a mask. */
  axis?: number;
  /** What `x` is multiplied by first; 1 when left out. */
  scale?: number;
  /**
   * What each element is worth: one of the dtype of `x` is added after the scale, -Infinity
   * leaves out; of bool or int32, elements where it is 0 are left out. Its shape ends with
   * `cols`; the axes before are those of `x`, or 1, or left out from the first on.
   */
  mask?: Tensor<D> | Tensor<"bool"> | Tensor<"int32">;
  /**
   * Whether `x` is `[…, queries, keys]` and a query sees no key behind its own, the
   * last query's own being the last key.
   */
  causal?: boolean;
}

/**
 * `exp(x) / sum(exp(x))` over an axis, with the maximum taken off first. What a mask
 * leaves out is 0, whatever `x` is there.
 *
 * @param x `[…, cols]`, of a floating-point dtype.
 * @param options `axis`, `scale`, `mask`, `causal`; `out` may be `x`.
 * @returns Rows that sum to 1, in the shape and dtype of `x`; NaN where nothing is left, or
 * all is -Infinity.
 * @throws {RangeError} When there is no such axis, or the mask does not fit.
 *
 * @example
 * ```ts
 * import { softmax, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[0, 0], [0, 1000]]);
 * using y = softmax(x);
 * console.log(y.toArray()); // [[0.5, 0.5], [0, 1]]
 * using causal = softmax(x, { causal: true, scale: 0 });
 * console.log(causal.toArray()); // [[1, 0], [0.5, 0.5]]
 * ```
 */
export function softmax<D extends Floating>(
  x: Tensor<D>,
  options: SoftmaxOptions<D> = {},
): Tensor<D> {
  checkFloating("softmax", "x", x);
  const { axis = -1, scale = 1, mask, causal = false, out } = options;
  const { shape, dtype } = x;
  if (isHalf(dtype)) return ofHalves(x, options);
  if (!isLastAxis("softmax", x, axis)) {
    if (mask === undefined && !causal) {
      return alongAxis("softmax", x, axis, out, softmax<D>, { scale });
    }
    throw new RangeError(`softmax: a mask is for the last axis, not for axis ${axis}`);
  }
  if (mask !== undefined || causal || scale !== 1) {
    return masked(x, mask, scale, causal, out);
  }
  if (!x.isContiguous) return withDense([x], softmax<D>, { out });
  const tracked = isTracked(x);
  const y = resultTensor<D>("softmax", out, shape, dtype);
  checkInPlace("softmax", out, "x", x);
  const status = native().symbols
    .qn_softmax(y.address, x.address, rowsOf(shape), colsOf(shape), dtypeCodes[dtype]);
  if (status !== Status.OK) return refuse("softmax", status, y, out, { x });
  return tracked ? recordSoftmax(y, x, undefined, 1) : y;
}

/** What a call notes for its gradient. */
interface SoftmaxCall {
  readonly scale: number;
  readonly mask: Shape | undefined;
}

type Real = Tensor<Floating>;

const softmaxGradient = differentiable<SoftmaxCall>({
  operation: "softmax",
  saves: [RESULT],
  backward(gradient, [y], { wants, extra }) {
    const { scale, mask } = extra;
    const [g, p] = [gradient, y] as Real[];
    if (mask === undefined || !wants[1]) return [scoresGradient(g, p, scale), undefined];
    using scores = scoresGradient(g, p);
    const own = sumTo(scores, mask);
    return [
      wants[0] ? mul(scores, scale) : undefined,
      own === scores ? scores.detach() : own,
    ];
  },
});

function recordSoftmax<T extends Tensor>(
  y: T,
  x: Tensor,
  mask: Tensor | undefined,
  scale: number,
): T {
  const extra = { scale, mask: mask?.shape };
  return record(y, softmaxGradient, [x, mask], { saved: [y], extra });
}

/**
 * `y · (g - sum(g · y)) · scale`: the gradient of what the exponential function was applied to.
 *
 * @param g That of the result, of any strides.
 * @param y The result, dense, of float32 or float64.
 * @param scale What the operand was multiplied by; 1 when left out.
 * @returns A new tensor in their shape.
 */
export function scoresGradient(g: Real, y: Real, scale = 1): Real {
  const { shape, dtype } = y;
  using dense = g.contiguous();
  const x = Tensor.empty(shape, dtype);
  const status = native().symbols.qn_softmax_gradient(
    x.address,
    dense.address,
    y.address,
    rowsOf(shape),
    colsOf(shape),
    scale,
    dtypeCodes[dtype],
  );
  return status === Status.OK ? x : refuse("softmax", status, x, undefined, { y }, { scale });
}

function ofHalves<D extends Floating>(x: Tensor<D>, options: SoftmaxOptions<D>): Tensor<D> {
  const { mask, out } = options;
  const { shape, dtype } = x;
  checkMask(x, mask);
  const result = { operation: "softmax", shape, dtype, out };
  return withFloat32(result, [x, mask], ofWide<D>, options);
}

function ofWide<D extends Floating>(
  x: Tensor<D>,
  mask: SoftmaxOptions<D>["mask"],
  options: SoftmaxOptions<D>,
): Tensor<D> {
  return softmax(x, { ...options, mask, out: undefined });
}

function masked<D extends Floating>(
  x: Tensor<D>,
  mask: Tensor | undefined,
  scale: number,
  causal: boolean,
  out: Tensor<D> | undefined,
): Tensor<D> {
  checkMask(x, mask);
  if (Number.isNaN(scale)) throw new RangeError("softmax: scale is NaN");
  const queries = causal ? queriesOf(x.shape) : 0;
  if (!areDense(x, mask)) {
    return withDense([x, mask], masked<D>, scale, causal, out);
  }
  const tracked = isTracked(x, mask);
  const y = resultTensor<D>("softmax", out, x.shape, x.dtype);
  checkInPlace("softmax", out, "x", x);
  checkApart("softmax", out, "mask", mask);
  const call: Call = { y, x, mask, scale, queries };
  const status = maskRows(call, 0, 0, 0);
  if (status !== Status.OK) return refuse("softmax", status, y, out, { x, mask }, { scale });
  return tracked ? recordSoftmax(y, x, mask, scale) : y;
}

/** The mask's axes are those at the end of x's, or 1; the last is the same. */
function checkMask({ shape, dtype }: Tensor, mask: Tensor | undefined): void {
  if (mask === undefined) return;
  checkOperand("softmax", "mask", mask);
  if (mask.dtype !== dtype && mask.dtype !== "bool" && mask.dtype !== "int32") {
    throw new TypeError(`softmax: mask is ${mask.dtype}, expected ${dtype}, bool or int32`);
  }
  const missing = shape.length - mask.shape.length;
  const fits = missing >= 0 && mask.shape.length > 0 &&
    mask.shape.every((size, axis) =>
      size === shape[axis + missing] || (size === 1 && axis < mask.shape.length - 1)
    );
  if (fits) return;
  throw new RangeError(
    `softmax: mask ${formatShape(mask.shape)} does not fit x ${formatShape(shape)}: the last ` +
      "axis is the same, those before are the same, 1 or left out",
  );
}

function queriesOf(shape: Shape): number {
  const queries = shape.length < 2 ? 1 : shape[shape.length - 2];
  if (queries <= colsOf(shape)) return queries;
  throw new RangeError(
    `softmax: causal needs as many keys as queries at least, and x is ${formatShape(shape)}`,
  );
}

/** Dense operands that fit. */
interface Call {
  y: Tensor;
  x: Tensor;
  mask: Tensor | undefined;
  scale: number;
  /** Rows of a causal block; 0 when there is none. */
  queries: number;
}

/**
 * Calls the kernel for the part of x that begins at element `at` and has the axes
 * from `axis` on; its mask begins at element `maskAt`. One call can repeat the mask
 * over one group of neighbouring axes: where there are more, the first axis of the
 * part is taken index by index.
 */
function maskRows(call: Call, axis: number, at: number, maskAt: number): number {
  const { x, mask } = call;
  if (mask === undefined) {
    const rows = rowsOf(x.shape);
    return callKernel(call, 0, 0, rows, Math.max(rows, 1), 1);
  }
  const axes = x.shape.slice(axis, -1);
  const own = axes.map((_, index) => ownRows(x, mask, axis + index));
  const repeats = repeatsOf(axes, own);
  if (repeats === undefined) {
    const step = sizeOf(x.shape, axis + 1);
    const maskStep = axes[0] === own[0] ? sizeOf(own, 1) * colsOf(x.shape) : 0;
    for (let index = 0; index < axes[0]; index++) {
      const status = maskRows(call, axis + 1, at + index * step, maskAt + index * maskStep);
      if (status !== Status.OK) return status;
    }
    return Status.OK;
  }
  return callKernel(call, at, maskAt, sizeOf(axes), repeats.outer, repeats.inner);
}

/** One native call for `rows` rows; `outer` and `inner` as in {@linkcode repeatsOf}. */
function callKernel(
  { y, x, mask, scale, queries }: Call,
  at: number,
  maskAt: number,
  rows: number,
  outer: number,
  inner: number,
): number {
  return native().symbols.qn_softmax_masked(
    y.address + BigInt(byteLengthOf(y.dtype, at)),
    x.address + BigInt(byteLengthOf(x.dtype, at)),
    mask === undefined ? 0n : mask.address + BigInt(byteLengthOf(mask.dtype, maskAt)),
    rows,
    colsOf(x.shape),
    scale,
    dtypeCodes[mask?.dtype ?? x.dtype],
    outer,
    inner,
    queries,
    dtypeCodes[x.dtype],
  );
}

/** The size of the mask along an axis of x. */
function ownRows(x: Tensor, mask: Tensor, axis: number): number {
  const own = axis - x.shape.length + mask.shape.length;
  return own < 0 ? 1 : mask.shape[own];
}

/**
 * Row r has row `floor(r / outer) * inner + r % inner` of the mask: that says axes of
 * its own, axes over which it is repeated, and axes of its own again.
 */
function repeatsOf(
  axes: readonly number[],
  own: readonly number[],
): { outer: number; inner: number } | undefined {
  let axis = axes.length;
  let inner = 1;
  while (axis > 0 && own[axis - 1] === axes[axis - 1]) inner *= axes[--axis];
  let outer = inner;
  while (axis > 0 && own[axis - 1] === 1) outer *= axes[--axis];
  while (axis > 0 && own[axis - 1] === axes[axis - 1]) axis--;
  return axis === 0 ? { outer: Math.max(outer, 1), inner: Math.max(inner, 1) } : undefined;
}
