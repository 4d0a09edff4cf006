/**
 * The Gaussian error linear unit (Hendrycks and Gimpel, 2016), and its gated form
 * (Shazeer, "GLU variants improve transformer", 2020).
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
import { timesSlope, unary, unaryGradient } from "./unary.ts";

type Real = Tensor<Floating>;

const erfGradient = unaryGradient("gelu", "x", (g, x) => {
  return timesSlope(g, x, "gelu", UnaryOp.GELU_ERF);
});
const tanhGradient = unaryGradient("gelu", "x", (g, x) => {
  return timesSlope(g, x, "gelu", UnaryOp.GELU_TANH);
});

/** Which of its two forms {@linkcode gelu} takes. */
export interface GeluOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /**
   * `"none"`, the default: `x · (1 + erf(x / √2)) / 2`. `"tanh"`: the approximation
   * `x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2`, which differs by up to 5e-4.
   */
  approximate?: "none" | "tanh";
}

/**
 * The Gaussian error linear unit of each element: `x` times the probability that a
 * normally distributed number is below it.
 *
 * @param x Any shape and floating-point dtype.
 * @param options `approximate` as in PyTorch; `out` may be `x`.
 * @returns The values, in the same shape and dtype; NaN at -infinity.
 * @throws {TypeError} When `approximate` is something else.
 *
 * @example
 * ```ts
 * import { gelu, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([-1, 0, 1]);
 * using y = gelu(x, { approximate: "tanh" });
 * gelu(x, { out: x });
 * console.log(x.toArray(), y.toArray());
 * ```
 */
export function gelu<D extends Floating>(x: Tensor<D>, options: GeluOptions<D> = {}): Tensor<D> {
  const form = formOf("gelu", options.approximate);
  return unary(x, "gelu", form, options, form === UnaryOp.GELU_ERF ? erfGradient : tanhGradient);
}

/**
 * `gelu(gate) · up`, element by element: the gated activation of T5's and Gemma's
 * feed-forward layers.
 *
 * @param gate Any shape and floating-point dtype.
 * @param up The same shape and dtype.
 * @param options `approximate` as in {@linkcode gelu}; `out` may be `gate` or `up`.
 * @returns The product, in the same shape and dtype.
 * @throws {RangeError} When the shapes differ.
 * @throws {TypeError} When `approximate` is something else.
 *
 * @example
 * ```ts
 * import { geglu, Tensor } from "@quern/quern";
 *
 * using gate = Tensor.from([0, 1]);
 * using up = Tensor.from([2, 2]);
 * using y = geglu(gate, up);
 * console.log(y.toArray()); // [0, 1.6826894283294678]
 * ```
 */
export function geglu<D extends Floating>(
  gate: Tensor<D>,
  up: Tensor<D>,
  options: GeluOptions<D> = {},
): Tensor<D> {
  checkFloating("geglu", "gate", gate);
  const { shape, dtype } = gate;
  checkOperand("geglu", "up", up, dtype);
  checkShapeIs("geglu", "up", up, shape);
  const { approximate, out } = options;
  const form = formOf("geglu", approximate);
  if (isHalf(dtype)) {
    const result = { operation: "geglu", shape, dtype, out };
    return withFloat32(result, [gate, up], geglu, { approximate });
  }
  if (!areDense(gate, up)) return withDense([gate, up], geglu<D>, options);
  const tracked = isTracked(gate, up);
  const y = resultTensor<D>("geglu", out, shape, dtype);
  checkInPlace("geglu", out, "gate", gate);
  checkInPlace("geglu", out, "up", up);
  const status = native().symbols.qn_geglu(
    y.address,
    gate.address,
    up.address,
    rowsOf(shape),
    colsOf(shape),
    form,
    dtypeCodes[dtype],
  );
  if (status !== Status.OK) return refuse("geglu", status, y, out, { gate, up });
  return tracked ? recordGeglu(y, gate, up, form) : y;
}

const gegluGradient = differentiable<GeluForm>({
  operation: "geglu",
  saves: ["gate", "up"],
  backward(gradient, saved, { wants, extra: form }) {
    const [g, gate, up] = [gradient, ...saved] as Real[];
    const approximate = form === UnaryOp.GELU_ERF ? "none" : "tanh";
    return [
      wants[0] ? gateGradient(g, gate, up, form) : undefined,
      wants[1] ? geglu(gate, g, { approximate }) : undefined,
    ];
  },
});

function recordGeglu<T extends Tensor>(y: T, gate: Tensor, up: Tensor, extra: GeluForm): T {
  return record(y, gegluGradient, [gate, up], { saved: [gate, up], extra });
}

function gateGradient(g: Real, gate: Real, up: Real, form: GeluForm): Real {
  const chain = mul(g, up);
  return timesSlope(chain, gate, "geglu", form, chain);
}

type GeluForm = typeof UnaryOp.GELU_ERF | typeof UnaryOp.GELU_TANH;

function formOf(operation: string, approximate: "none" | "tanh" = "none"): GeluForm {
  if (approximate === "none") return UnaryOp.GELU_ERF;
  if (approximate === "tanh") return UnaryOp.GELU_TANH;
  throw new TypeError(
    `${operation}: approximate is "none" or "tanh", not ${JSON.stringify(approximate)}`,
  );
}
