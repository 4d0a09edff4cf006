/**
 * The gradient of broadcasting: sums over the axes along which elements were repeated.
 */
import { isPlain, type PlainDType } from "../core/dtype.ts";
import { formatShape, sameShape, type Shape } from "../core/shape.ts";
import { check, dtypeCodes, native, Words } from "../ffi/mod.ts";
import { ReduceOp } from "../ffi/symbols.ts";
import { make } from "./make.ts";
import type { Tensor } from "./tensor.ts";

/** For each of 16 axes: its size and its stride. */
const layout = new Words(2 * 16);

/**
 * Sums a tensor to a shape that broadcasts to its own.
 *
 * @param x Any strides and dtype but the quantised.
 * @param shape Its last axes, of which some may be 1.
 * @returns `x` itself where the shapes are equal, or a new dense tensor.
 */
export function sumTo<T extends Tensor>(x: T, shape: Shape): T;
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const { dtype, strides } = x;
  if (!isPlain(dtype)) throw new TypeError(`sumTo: ${dtype} is quantised`);
  const lead = x.shape.length - shape.length;
  const kept: number[] = [];
  const gone: number[] = [];
  for (let axis = 0; axis < x.shape.length; axis++) {
    const stays = axis >= lead && shape[axis - lead] === x.shape[axis];
    (stays ? kept : gone).push(axis);
  }
  [...kept, ...gone].forEach((axis, at) => {
    layout.set(2 * at, x.shape[axis]);
    layout.set(2 * at + 1, strides[axis]);
  });
  return reduced(x, dtype, shape, kept.length, gone.length);
}

function reduced(x: Tensor, dtype: PlainDType, shape: Shape, kept: number, gone: number): Tensor {
  const y = make("sumTo", shape, dtype);
  const code = dtypeCodes[dtype];
  try {
    const status = native().symbols
      .qn_reduce(y.address, x.address, layout.array, kept, gone, 0, ReduceOp.SUM, code);
    check(status, "sumTo", `x ${formatShape(x.shape)} to ${formatShape(shape)}`);
    return y;
  } catch (error) {
    y.dispose();
    throw error;
  }
}
