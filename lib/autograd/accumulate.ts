/**
 * Sums of gradients, added where they lie when nobody else looks at that memory.
 */
import { isHalf, isPlain } from "../core/dtype.ts";
import { check, dtypeCodes, native, Words } from "../ffi/mod.ts";
import { BinaryOp } from "../ffi/symbols.ts";
import { isShown, Tensor } from "../tensor/mod.ts";

/** One axis: its size, and the steps of the operands. */
const layout = new Words(3);
layout.set(1, 1);
layout.set(2, 1);

/**
 * Adds a gradient to another of its shape and dtype.
 *
 * @param sum Taken over: it is what is returned, or disposed of.
 * @param gradient Taken over: disposed of.
 * @returns The sum, dense and shown by nobody else.
 */
export function accumulate(sum: Tensor, gradient: Tensor): Tensor {
  using term = gradient.isContiguous ? gradient : replaced(gradient);
  const total = own(sum);
  add(total, term);
  return total;
}

/**
 * A tensor of the same elements that may be written to.
 *
 * @param gradient Taken over: it is what is returned, or disposed of.
 * @returns One that is dense, and shown by nobody else.
 */
export function own(gradient: Tensor): Tensor {
  return gradient.isContiguous && !isShown(gradient) ? gradient : replaced(gradient);
}

function replaced(gradient: Tensor): Tensor {
  try {
    return gradient.clone();
  } finally {
    gradient.dispose();
  }
}

function add(sum: Tensor, term: Tensor): void {
  const { dtype, size } = sum;
  if (!isPlain(dtype)) throw new TypeError(`backward: there is no gradient of ${dtype}`);
  if (isHalf(dtype)) return addHalves(sum, term);
  layout.set(0, size);
  const code = dtypeCodes[dtype];
  const status = native().symbols
    .qn_binary(sum.address, sum.address, term.address, layout.array, 1, 0, BinaryOp.ADD, code);
  check(status, "backward", `the sum of two gradients of ${size} elements`);
}

/** Halves only store: the sum is rounded once. */
function addHalves(sum: Tensor, term: Tensor): void {
  using left = Tensor.empty(sum.shape, "float32");
  using right = Tensor.empty(sum.shape, "float32");
  cast(sum, left);
  cast(term, right);
  add(left, right);
  cast(left, sum);
}

function cast(from: Tensor, to: Tensor): void {
  const { size } = from;
  const [target, source] = [dtypeCodes[to.dtype], dtypeCodes[from.dtype]];
  const status = native().symbols.qn_cast(to.address, from.address, 1, size, target, source);
  check(status, "backward", `a gradient of ${size} elements`);
}
