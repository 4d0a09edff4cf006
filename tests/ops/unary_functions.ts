/**
 * The functions of one element as one table: what tests of all of them share.
 */
import {
  abs,
  atan,
  ceil,
  cos,
  erf,
  exp,
  exp2,
  expm1,
  floor,
  gelu,
  log,
  log10,
  log1p,
  log2,
  negative,
  reciprocal,
  relu,
  type ResultOption,
  round,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  sqrt,
  square,
  tan,
  tanh,
} from "../../lib/ops/mod.ts";
import type { Floating } from "../../lib/core/dtype.ts";
import type { Tensor } from "../../lib/tensor/mod.ts";

/** One function of one element. */
interface UnaryFunction {
  readonly run: <D extends Floating>(x: Tensor<D>, options?: ResultOption<D>) => Tensor<D>;
  /** The values at -2.25, -0.75, 0, 0.4, 1 and 10. */
  readonly values: readonly number[];
}

/**
 * The values were computed with mpmath to 12 digits, of the arguments that float32
 * holds (0.4 is 0.4000000059604645 there). `gelu` is with `erf`.
 */
export const unaryFunctions: Readonly<Record<string, UnaryFunction>> = {
  abs: { run: abs, values: [2.25, 0.75, 0, 0.40000000596, 1, 10] },
  atan: {
    run: atan,
    values: [-1.15257199722, -0.643501108793, 0, 0.380506382251, 0.785398163397, 1.4711276743],
  },
  ceil: { run: ceil, values: [-2, 0, 0, 1, 1, 10] },
  cos: {
    run: cos,
    values: [-0.628173622723, 0.731688868874, 1, 0.921060991682, 0.540302305868, -0.839071529076],
  },
  erf: {
    run: erf,
    values: [-0.998537283413, -0.711155633654, 0, 0.428392360778, 0.84270079295, 1],
  },
  exp: {
    run: exp,
    values: [0.105399224562, 0.472366552741, 1, 1.49182470653, 2.71828182846, 22026.4657948],
  },
  exp2: {
    run: exp2,
    values: [0.210224103813, 0.594603557501, 1, 1.31950791622, 2, 1024],
  },
  expm1: {
    run: expm1,
    values: [-0.894600775438, -0.527633447259, 0, 0.491824706533, 1.71828182846, 22025.4657948],
  },
  floor: { run: floor, values: [-3, -1, 0, 0, 1, 10] },
  gelu: {
    run: gelu,
    values: [-0.0275050634739, -0.169970514283, 0, 0.262168701429, 0.841344746069, 10],
  },
  log: { run: log, values: [NaN, NaN, -Infinity, -0.916290716973, 0, 2.30258509299] },
  log10: {
    run: log10,
    values: [NaN, NaN, -Infinity, -0.397940002201, 0, 1],
  },
  log1p: {
    run: log1p,
    values: [NaN, -1.38629436112, 0, 0.336472240879, 0.69314718056, 2.3978952728],
  },
  log2: {
    run: log2,
    values: [NaN, NaN, -Infinity, -1.32192807339, 0, 3.32192809489],
  },
  negative: { run: negative, values: [2.25, 0.75, 0, -0.40000000596, -1, -10] },
  reciprocal: {
    run: reciprocal,
    values: [-0.444444444444, -1.33333333333, Infinity, 2.49999996275, 1, 0.1],
  },
  relu: { run: relu, values: [0, 0, 0, 0.40000000596, 1, 10] },
  round: { run: round, values: [-2, -1, 0, 0, 1, 10] },
  rsqrt: { run: rsqrt, values: [NaN, NaN, Infinity, 1.5811388183, 1, 0.316227766017] },
  sigmoid: {
    run: sigmoid,
    values: [0.0953494648991, 0.320821300825, 0.5, 0.598687661545, 0.73105857863, 0.999954602131],
  },
  sign: { run: sign, values: [-1, -1, 0, 1, 1, 1] },
  silu: {
    run: silu,
    values: [-0.214536296023, -0.240615975618, 0, 0.239475068186, 0.73105857863, 9.99954602131],
  },
  sin: {
    run: sin,
    values: [-0.778073196888, -0.681638760023, 0, 0.389418347799, 0.841470984808, -0.544021110889],
  },
  sqrt: { run: sqrt, values: [NaN, NaN, 0, 0.632455536746, 1, 3.16227766017] },
  square: { run: square, values: [5.0625, 0.5625, 0, 0.160000004768, 1, 100] },
  tan: {
    run: tan,
    values: [1.23862761622, -0.931596459944, 0, 0.422793225764, 1.55740772465, 0.648360827459],
  },
  tanh: {
    run: tanh,
    values: [-0.978026114739, -0.635148952387, 0, 0.379948967355, 0.761594155956, 0.999999995878],
  },
};
