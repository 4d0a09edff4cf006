/**
 * Each element from one of two tensors.
 */
import type { DType, PlainDType } from "../core/dtype.ts";
import { sameShape, type Shape } from "../core/shape.ts";
import { type Differentiable, differentiable, isTracked, record } from "../autograd/mod.ts";
import { native, Status } from "../ffi/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { broadcast, mustCopy, summed, writeDenseLayout, writeLayout } from "./binary.ts";
import {
  areDense,
  checkInPlace,
  checkOperand,
  checkPlainOperand,
  checkResult,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";

/** The shapes of the two operands. */
type Shapes = readonly [a: Shape, b: Shape];

const whereGradient: Differentiable<Shapes> = differentiable<Shapes>({
  operation: "where",
  saves: ["the condition"],
  backward(gradient, saved, { wants, extra }) {
    const condition = saved[0] as Tensor<"bool">;
    const g = gradient as Tensor<PlainDType>;
    using zero = Tensor.zeros([], g.dtype);
    return [
      undefined,
      wants[1] ? summed(where(condition, g, zero), extra[0], g) : undefined,
      wants[2] ? summed(where(condition, zero, g), extra[1], g) : undefined,
    ];
  },
});

/**
 * `condition ? a : b`, element by element. The three shapes broadcast as those of `add`;
 * elements keep their bits.
 *
 * @param condition bool.
 * @param a Any dtype but the quantised.
 * @param b The same dtype.
 * @param options `out` may be `a` or `b`.
 * @returns Elements of `a` where the condition is 1, of `b` where it is 0.
 * @throws {RangeError} When the shapes do not fit each other.
 * @throws {TypeError} When the dtypes differ, or are quantised.
 *
 * @example
 * ```ts
 * import { Tensor, where } from "@quern/quern";
 *
 * using mask = Tensor.from([true, false], "bool");
 * using a = Tensor.from([[1, 2], [3, 4]]);
 * using b = Tensor.from([[10], [20]]);
 * using y = where(mask, a, b);
 * console.log(y.toArray()); // [[1, 10], [3, 20]]
 * ```
 */
export function where<D extends PlainDType>(
  condition: Tensor<"bool">,
  a: Tensor<D>,
  b: Tensor<D>,
  options: ResultOption<D> = {},
): Tensor<D> {
  checkOperand("where", "the condition", condition, "bool");
  const itemBytes = checkPlainOperand("where", "the first operand", a);
  checkOperand("where", "the second operand", b, a.dtype);
  const shape = broadcast("where", broadcast("where", a.shape, b.shape), condition.shape);
  const { out } = options;
  if (out !== undefined && !areDense(condition, a, b)) {
    checkResult<DType>("where", out, shape, a.dtype);
    if (mustCopy(out, condition) || mustCopy(out, a) || mustCopy(out, b)) {
      return withDense([condition, a, b], where<D>, options);
    }
  }
  const tracked = isTracked(a, b);
  const y = resultTensor<DType>("where", out, shape, a.dtype) as Tensor<D>;
  checkInPlace("where", out, "the condition", condition);
  checkInPlace("where", out, "the first operand", a);
  checkInPlace("where", out, "the second operand", b);
  const dense = areDense(condition, a, b) && sameShape(condition.shape, shape) &&
    sameShape(a.shape, shape) && sameShape(b.shape, shape);
  const status = native().symbols.qn_where(
    y.address,
    condition.address,
    a.address,
    b.address,
    dense ? writeDenseLayout(y.size, 3) : writeLayout(shape, [condition, a, b]),
    dense ? 1 : shape.length,
    itemBytes,
  );
  if (status !== Status.OK) return refuse("where", status, y, out, { condition, a, b });
  return tracked ? recordWhere(y, condition, a, b) : y;
}

function recordWhere<T extends Tensor>(y: T, condition: Tensor, a: Tensor, b: Tensor): T {
  const notes = { saved: [condition], extra: [a.shape, b.shape] as const };
  return record(y, whereGradient, [undefined, a, b], notes);
}
