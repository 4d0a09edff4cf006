/**
 * The product of matrices, with NumPy's rules for vectors and batches.
 */
import { type Floating, isHalf } from "../core/dtype.ts";
import { differentiable, isTracked, record, wants } from "../autograd/mod.ts";
import { broadcastShapes, colsOf, formatShape, rowsOf, type Shape } from "../core/shape.ts";
import { GemmField, native, Status, Words } from "../ffi/mod.ts";
import { sumTo, type Tensor } from "../tensor/mod.ts";
import { mul } from "./arithmetic.ts";
import { withFloat32 } from "./halves.ts";
import {
  checkApart,
  checkFloating,
  checkOperand,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
} from "./operands.ts";

/** Options of {@linkcode matmul}. */
export interface MatmulOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** What the product is multiplied with; 1 when left out. */
  alpha?: number;
  /**
   * What the elements of `out` are multiplied with before the product is added to them; 0 when
   * left out: then they are not read, and may be NaN.
   */
  beta?: number;
}

/**
 * Multiplies matrices: `alpha · a · b + beta · out`. The last two axes are those of
 * matrices; the axes before them are batches, which are broadcast as NumPy does. A
 * vector `a` is one row and a vector `b` one column, and that axis is left out of the
 * result. Views of any strides are read where they lie. An element is summed in an order
 * that depends on the inner size alone, so a row's result has the same bits however
 * many rows there are.
 *
 * @param a `[…, rows, inner]` or `[inner]`, of a floating-point dtype.
 * @param b `[…, inner, cols]` or `[inner]`, in the dtype of `a`.
 * @param options `alpha`, `beta`; `out` must share no memory with the operands.
 * @returns `[…, rows, cols]`, in the same dtype.
 * @throws {RangeError} When the inner sizes differ, or the batches cannot be broadcast.
 * @throws {TypeError} When there is a `beta` but no `out`, or one of the factors is no number.
 * @throws {OutOfMemoryError} When there is no memory for the result or for scratch.
 *
 * @example
 * ```ts
 * import { matmul, Tensor } from "@quern/quern";
 *
 * using a = Tensor.from([[1, 2], [3, 4]]);
 * using b = Tensor.from([[0, 1], [1, 0]]);
 * using y = matmul(a, b);
 * matmul(a, a, { beta: 10, out: y });
 * console.log(y.toArray()); // [[27, 20], [55, 52]]
 * ```
 */
export function matmul<D extends Floating>(
  a: Tensor<D>,
  b: Tensor<D>,
  options: MatmulOptions<D> = {},
): Tensor<D> {
  checkFloating("matmul", "a", a);
  const { dtype } = a;
  checkOperand("matmul", "b", b, dtype);
  const shape = productShape(a.shape, b.shape);
  const { out, alpha = 1, beta = 0 } = options;
  checkFactors(alpha, beta, out);
  if (isHalf(dtype)) {
    if (beta !== 0) throw new TypeError(`matmul: beta goes with float32 and float64, not ${dtype}`);
    return ofHalves(a, b, shape, alpha, out);
  }
  const base = beta === 0 ? undefined : out;
  if (base !== undefined) checkOperand("matmul", "out", base);
  const tracked = isTracked(a, b, base);
  const y = resultTensor<D>("matmul", out, shape, dtype);
  checkApart("matmul", out, "a", a);
  checkApart("matmul", out, "b", b);
  const axes = writeLayout(a, b, shape);
  const status = native().symbols
    .qn_matmul(y.address, a.address, b.address, layout.array, axes, alpha, beta, dtypeCodes[dtype]);
  if (status !== Status.OK) return refuse("matmul", status, y, out, { a, b });
  return tracked ? recordProduct(y, a, b, base, { a: a.shape, b: b.shape, alpha, beta }) : y;
}

/** What a call notes for its gradient. */
interface ProductCall {
  readonly a: Shape;
  readonly b: Shape;
  readonly alpha: number;
  readonly beta: number;
}

type Real = Tensor<Floating>;

const productGradient = differentiable<ProductCall>({
  operation: "matmul",
  saves: ["a", "b"],
  backward(gradient, saved, { wants, extra }) {
    const { alpha, beta } = extra;
    const [a, b] = saved as Real[];
    using g = asMatrices(gradient as Real, extra);
    return [
      wants[0] ? leftGradient(g, b, extra.a, alpha) : undefined,
      wants[1] ? rightGradient(g, a, extra.b, alpha) : undefined,
      wants[2] ? mul(gradient as Real, beta) : undefined,
    ];
  },
});

function recordProduct<T extends Tensor>(
  y: T,
  a: Tensor,
  b: Tensor,
  base: Tensor | undefined,
  extra: ProductCall,
): T {
  const saved = [wants(b) ? a : undefined, wants(a) ? b : undefined];
  return record(y, productGradient, [a, b, base], { saved, extra });
}

/** The result's gradient with the axes that vectors left out of it. */
function asMatrices(gradient: Real, { a, b }: ProductCall): Real {
  if (a.length > 1) return b.length > 1 ? gradient.detach() : gradient.unsqueeze(-1);
  if (b.length > 1) return gradient.unsqueeze(-2);
  return gradient.reshape([1, 1]);
}

/** `alpha · g · bᵀ`, in the shape of `a`. */
function leftGradient(g: Real, b: Real, shape: Shape, alpha: number): Real {
  using matrix = b.shape.length > 1 ? b.detach() : b.unsqueeze(-1);
  using turned = swapped(matrix);
  const product = matmul(g, turned, { alpha });
  return fitted(product, shape, shape.length > 1 ? shape : [1, ...shape]);
}

/** `alpha · aᵀ · g`, in the shape of `b`. */
function rightGradient(g: Real, a: Real, shape: Shape, alpha: number): Real {
  using matrix = a.shape.length > 1 ? a.detach() : a.unsqueeze(0);
  if (shape.length <= 2 && g.shape.length > 2 && matrix.shape.length === g.shape.length) {
    // All batches meet one matrix: their sum is one product.
    using rows = matrix.reshape([rowsOf(matrix.shape), colsOf(matrix.shape)]);
    using flat = g.reshape([rowsOf(g.shape), colsOf(g.shape)]);
    return rightGradient(flat, rows, shape, alpha);
  }
  using turned = swapped(matrix);
  const product = matmul(turned, g, { alpha });
  return fitted(product, shape, shape.length > 1 ? shape : [...shape, 1]);
}

function swapped(x: Real): Real {
  const axes = x.shape.map((_, axis) => axis);
  axes.push(...axes.splice(-2).reverse());
  return x.transpose(...axes);
}

/** The sum over batches that were broadcast, with an axis that a vector has not taken off. */
function fitted(product: Real, shape: Shape, whole: Shape): Real {
  const sum = sumTo(product, whole);
  if (sum !== product) product.dispose();
  if (whole === shape) return sum;
  using kept = sum;
  return kept.reshape(shape);
}

/** By itself, since a closure that captures costs each call of the function around it. */
function ofHalves<D extends Floating>(
  a: Tensor<D>,
  b: Tensor<D>,
  shape: Shape,
  alpha: number,
  out: Tensor<D> | undefined,
): Tensor<D> {
  const call = { operation: "matmul", shape, dtype: a.dtype, out };
  return withFloat32(call, [a, b], (a, b) => matmul(a, b, { alpha }));
}

function checkFactors(alpha: number, beta: number, out: Tensor | undefined): void {
  if (typeof alpha !== "number" || typeof beta !== "number") {
    throw new TypeError(
      `matmul: alpha and beta are numbers, not ${String(alpha)} and ${String(beta)}`,
    );
  }
  if (beta !== 0 && out === undefined) {
    throw new TypeError(
      `matmul: beta ${beta} multiplies the elements of out, which was left out: pass out`,
    );
  }
}

/** The shape of a product; throws where there is none. */
function productShape(a: Shape, b: Shape): number[] {
  const inner = a[a.length - 1];
  if (a.length === 2 && b.length === 2 && b[0] === inner) return [a[0], b[1]];
  const [rowAxes, colAxes] = [a.length > 1 ? 1 : 0, b.length > 1 ? 1 : 0];
  if (a.length === 0 || b.length === 0 || b[b.length - 1 - colAxes] !== inner) {
    throw misfit(a, b, "a is […, rows, inner], b is […, inner, cols]");
  }
  const shape = broadcastShapes(a.slice(0, -1 - rowAxes), b.slice(0, -1 - colAxes))?.slice();
  if (shape === undefined) {
    throw misfit(a, b, "the axes before the last two are equal, or 1");
  }
  if (rowAxes === 1) shape.push(a[a.length - 2]);
  if (colAxes === 1) shape.push(b[b.length - 1]);
  return shape;
}

function misfit(a: Shape, b: Shape, rule: string): RangeError {
  return new RangeError(
    `matmul: a ${formatShape(a)} does not fit b ${formatShape(b)}: ${rule}`,
  );
}

const layout = new Words(GemmField.BATCH + 4 * 16);

/**
 * `y = a · b`, or `y += a · b`, of matrices that lie in tensors of other shapes.
 *
 * @param operation Named in the error.
 * @param y `[rows, cols]`, dense; disposed of where it fails, unless it is added to.
 * @param a `[rows, inner]`, of the dtype of `y`, float32 or float64.
 * @param b `[inner, cols]`, of that dtype.
 * @param sizes Rows, columns and the inner size.
 * @param aStrides From a row of `a` to the next, and from a column.
 * @param bStrides The same of `b`.
 * @param adds Whether the product is added to what `y` holds.
 * @throws {OutOfMemoryError} When there is no memory for scratch.
 */
export function multiplyMatrices(
  operation: string,
  y: Tensor,
  a: Tensor,
  b: Tensor,
  [rows, cols, inner]: readonly [number, number, number],
  aStrides: readonly [number, number],
  bStrides: readonly [number, number],
  adds: boolean,
): void {
  layout.set(GemmField.ROWS, rows);
  layout.set(GemmField.COLS, cols);
  layout.set(GemmField.INNER, inner);
  layout.set(GemmField.C_ROW, cols);
  layout.set(GemmField.A_ROW, aStrides[0]);
  layout.set(GemmField.A_COL, aStrides[1]);
  layout.set(GemmField.B_ROW, bStrides[0]);
  layout.set(GemmField.B_COL, bStrides[1]);
  const code = dtypeCodes[y.dtype];
  const status = native().symbols
    .qn_matmul(y.address, a.address, b.address, layout.array, 0, 1, adds ? 1 : 0, code);
  if (status !== Status.OK) refuse(operation, status, y, adds ? y : undefined, { a, b });
}

/** Writes the layout of a product of the shape `shape`; returns how many axes its batch has. */
function writeLayout(a: Tensor, b: Tensor, shape: Shape): number {
  const [aRank, bRank] = [a.shape.length, b.shape.length];
  const rows = aRank > 1 ? a.shape[aRank - 2] : 1;
  const cols = bRank > 1 ? b.shape[bRank - 1] : 1;
  layout.set(GemmField.ROWS, rows);
  layout.set(GemmField.COLS, cols);
  layout.set(GemmField.INNER, a.shape[aRank - 1]);
  layout.set(GemmField.C_ROW, cols);
  const axes = shape.length - (aRank > 1 ? 1 : 0) - (bRank > 1 ? 1 : 0);
  // Dense matrices need no arrays of strides, which would cost more than all else here.
  if (axes === 0 && a.isContiguous && b.isContiguous) {
    layout.set(GemmField.A_ROW, a.shape[aRank - 1]);
    layout.set(GemmField.A_COL, 1);
    layout.set(GemmField.B_ROW, cols);
    layout.set(GemmField.B_COL, 1);
    return 0;
  }
  const [aStrides, bStrides] = [a.strides, b.strides];
  layout.set(GemmField.A_ROW, aRank > 1 ? aStrides[aRank - 2] : 0);
  layout.set(GemmField.A_COL, aStrides[aRank - 1]);
  layout.set(GemmField.B_ROW, bRank > 1 ? bStrides[bRank - 2] : bStrides[0]);
  layout.set(GemmField.B_COL, bRank > 1 ? bStrides[bRank - 1] : 1);
  let step = rows * cols;
  for (let axis = axes - 1; axis >= 0; axis--) {
    const field = GemmField.BATCH + 4 * axis;
    const fromEnd = axes - axis;
    layout.set(field, shape[axis]);
    layout.set(field + 1, step);
    layout.set(field + 2, batchStride(a, aStrides, aRank - 2 - fromEnd));
    layout.set(field + 3, batchStride(b, bStrides, bRank - 2 - fromEnd));
    step *= shape[axis];
  }
  return axes;
}

/** The stride of an axis that may be missing or broadcast: then it is 0. */
function batchStride(tensor: Tensor, strides: readonly number[], axis: number): number {
  return axis < 0 || tensor.shape[axis] === 1 ? 0 : strides[axis];
}
