/**
 * The gated activation of Llama's feed-forward layers (Shazeer, 2020).
 */
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import { type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, rowsOf } from "../core/shape.ts";
import { native, Status, UnaryOp } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { mul } from "./arithmetic.ts";
import { withFloat32 } from "./halves.ts";
import {
  areDense,
  checkFloating,
  checkInPlace,
  checkOperand,
  checkShapeIs,
  dtypeCodes,
  refuse,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";
import { timesSlope } from "./unary.ts";

/**
 * `silu(gate) · up`, element by element, where silu(v) = v / (1 + exp(-v)).
 *
 * @param gate Any shape and floating-point dtype.
 * @param up The same shape and dtype.
 * @param options `out` may be `gate` or `up`.
 * @returns The product, in the same shape and dtype.
 * @throws {RangeError} When the shapes differ.
 *
 * @example
 * ```ts
 * import { swiglu, Tensor } from "@quern/quern";
 *
 * using gate = Tensor.from([0, 1]);
 * using up = Tensor.from([2, 2]);
 * using y = swiglu(gate, up);
 * console.log(y.toArray());
 * ```
 */
export function swiglu<D extends Floating>(
  gate: Tensor<D>,
  up: Tensor<D>,
  options: ResultOption<D> = {},
): Tensor<D> {
  checkFloating("swiglu", "gate", gate);
  const { shape, dtype } = gate;
  checkOperand("swiglu", "up", up, dtype);
  checkShapeIs("swiglu", "up", up, shape);
  const { out } = options;
  if (isHalf(dtype)) {
    const result = { operation: "swiglu", shape, dtype, out };
    return withFloat32(result, [gate, up], swiglu);
  }
  if (!areDense(gate, up)) return withDense([gate, up], swiglu<D>, options);
  const tracked = isTracked(gate, up);
  const y = resultTensor<D>("swiglu", out, shape, dtype);
  checkInPlace("swiglu", out, "gate", gate);
  checkInPlace("swiglu", out, "up", up);
  const status = native().symbols.qn_swiglu(
    y.address,
    gate.address,
    up.address,
    rowsOf(shape),
    colsOf(shape),
    dtypeCodes[dtype],
  );
  if (status !== Status.OK) return refuse("swiglu", status, y, out, { gate, up });
  return tracked ? recordSwiglu(y, gate, up) : y;
}

type Real = Tensor<Floating>;

const swigluGradient = differentiable({
  operation: "swiglu",
  saves: ["gate", "up"],
  backward(gradient, saved, { wants }) {
    const [g, gate, up] = [gradient, ...saved] as Real[];
    return [
      wants[0] ? gateGradient(g, gate, up) : undefined,
      wants[1] ? swiglu(gate, g) : undefined,
    ];
  },
});

function recordSwiglu<T extends Tensor>(y: T, gate: Tensor, up: Tensor): T {
  return record(y, swigluGradient, [gate, up], { saved: [gate, up] });
}

function gateGradient(g: Real, gate: Real, up: Real): Real {
  const chain = mul(g, up);
  return timesSlope(chain, gate, "swiglu", UnaryOp.SILU, chain);
}
