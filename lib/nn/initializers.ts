/**
 * First values of parameters. All are drawn by the native generator of normal numbers, so
 * that an element depends on the seed and its index only.
 */
import { unrecorded } from "../autograd/mod.ts";
import type { Shape } from "../core/shape.ts";
import {
  addInPlace,
  all,
  erf,
  greaterEqual,
  lessEqual,
  logicalAnd,
  scaleInPlace,
  where,
} from "../ops/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import type { LayerDType } from "./options.ts";

/**
 * Makes a new tensor of a shape, of the same bits for the same seed.
 *
 * @param shape The shape; of a weight `[outputs, inputs, …]`.
 * @param seed An integer from 0 to 2^32 - 1.
 * @param dtype The dtype.
 * @returns The tensor.
 */
export type Initializer = <D extends LayerDType>(
  shape: Shape,
  seed: number,
  dtype: D,
) => Tensor<D>;

/** Options of {@linkcode kaimingUniform} and {@linkcode kaimingNormal}. */
export interface KaimingOptions {
  /** Whether the scale of values or of gradients is kept: `"inputs"` when left out. */
  keeps?: "inputs" | "outputs";
  /** The slope of the rectifier that follows, below 0; 0, of `relu`, when left out. */
  slope?: number;
}

/** Options of {@linkcode truncatedNormal}. */
export interface TruncatedOptions {
  /** The mean before it is cut; 0 when left out. */
  mean?: number;
  /** The standard deviation before it is cut; 1 when left out. */
  deviation?: number;
  /** The smallest value; -2 when left out. */
  low?: number;
  /** The largest value; 2 when left out. */
  high?: number;
}

/**
 * Values of one number.
 *
 * @param value The number.
 * @returns The initialiser.
 */
export function constant(value: number): Initializer {
  return (shape, _seed, dtype) => Tensor.full(shape, value, dtype);
}

/** Zeros. */
export const zeros: Initializer = constant(0);

/** Ones. */
export const ones: Initializer = constant(1);

/**
 * Normally distributed values.
 *
 * @param deviation The standard deviation.
 * @param mean The mean.
 * @returns The initialiser.
 */
export function normal(deviation: number, mean = 0): Initializer {
  return (shape, seed, dtype) => Tensor.randn(shape, { seed, dtype, mean, deviation });
}

/**
 * Uniformly distributed values: where a normally distributed number lies among all.
 *
 * @param low The smallest.
 * @param high The largest.
 * @returns The initialiser.
 */
export function uniform(low: number, high: number): Initializer {
  return <D extends LayerDType>(shape: Shape, seed: number, dtype: D) =>
    unrecorded(() => {
      const y = Tensor.randn(shape, { seed, dtype, deviation: Math.SQRT1_2 });
      erf<D>(y, { out: y });
      scaleInPlace<LayerDType>(y, (high - low) / 2);
      addInPlace<LayerDType>(y, (high + low) / 2);
      return y;
    });
}

/**
 * Normally distributed values between two bounds: those outside are drawn again.
 *
 * @param options The bounds, the mean and the deviation.
 * @returns The initialiser.
 * @throws {RangeError} When hardly a value lies between the bounds.
 */
export function truncatedNormal(options: TruncatedOptions = {}): Initializer {
  const { mean = 0, deviation = 1, low = -2, high = 2 } = options;
  return (shape, seed, dtype) =>
    unrecorded(() => {
      const draw = (round: number) =>
        Tensor.randn(shape, { seed: seed + round * 2 ** 32, dtype, mean, deviation });
      const y = draw(0);
      for (let round = 1; round <= 1000; round++) {
        using above = greaterEqual(y, low);
        using below = lessEqual(y, high);
        using inside = logicalAnd(above, below);
        using done = all(inside);
        if (done.get()) return y;
        using fresh = draw(round);
        where(inside, y, fresh, { out: y });
      }
      y.dispose();
      throw new RangeError(
        `truncatedNormal: hardly a value lies from ${low} to ${high} with the mean ${mean} and ` +
          `the deviation ${deviation}`,
      );
    });
}

/**
 * Uniform values that keep the scale of both values and gradients (Glorot and Bengio, 2010).
 *
 * @param gain What the deviation is multiplied with.
 * @returns The initialiser.
 *
 * @example
 * ```ts
 * import { Linear, xavierUniform } from "@quern/quern/nn";
 *
 * using layer = new Linear(64, 32, { seed: 1, weight: xavierUniform() });
 * console.log(layer.weight.shape); // [32, 64]
 * ```
 */
export function xavierUniform(gain = 1): Initializer {
  return (shape, seed, dtype) => {
    const bound = Math.sqrt(3) * xavierDeviation(shape, gain);
    return uniform(-bound, bound)(shape, seed, dtype);
  };
}

/**
 * The same with normally distributed values.
 *
 * @param gain What the deviation is multiplied with.
 * @returns The initialiser.
 */
export function xavierNormal(gain = 1): Initializer {
  return (shape, seed, dtype) => normal(xavierDeviation(shape, gain))(shape, seed, dtype);
}

/**
 * Uniform values that keep the scale through rectifiers (He et al., 2015).
 *
 * @param options What is kept, and the rectifier's slope.
 * @returns The initialiser.
 */
export function kaimingUniform(options: KaimingOptions = {}): Initializer {
  return (shape, seed, dtype) => {
    const bound = Math.sqrt(3) * kaimingDeviation(shape, options);
    return uniform(-bound, bound)(shape, seed, dtype);
  };
}

/**
 * The same with normally distributed values.
 *
 * @param options What is kept, and the rectifier's slope.
 * @returns The initialiser.
 */
export function kaimingNormal(options: KaimingOptions = {}): Initializer {
  return (shape, seed, dtype) => normal(kaimingDeviation(shape, options))(shape, seed, dtype);
}

/**
 * A matrix whose rows are orthonormal, or whose columns are where it has more rows
 * (Saxe et al., 2014).
 *
 * @param gain What it is multiplied with.
 * @returns The initialiser; it takes as long as a product of the matrix with itself in plain
 * JavaScript.
 */
export function orthogonal(gain = 1): Initializer {
  return <D extends LayerDType>(shape: Shape, seed: number, dtype: D) => {
    const [rows, cols] = matrixOf("orthogonal", shape);
    const [count, length] = rows <= cols ? [rows, cols] : [cols, rows];
    using drawn = Tensor.randn([count, length], { seed, dtype: "float64" });
    orthonormalise(drawn.data, count, length, gain);
    using placed = rows <= cols ? drawn.detach() : drawn.transpose();
    const y = Tensor.empty(shape, dtype);
    using view = placed.reshape(shape);
    using dense = view.contiguous();
    (y.data as Float32Array | Float64Array).set(dense.data);
    // What `data` was taken of counts as written at any time; a clone does not.
    const result = y.clone();
    y.dispose();
    return result;
  };
}

/** Gram and Schmidt's way, the modified one, twice, which is enough (Giraud et al., 2005). */
function orthonormalise(data: Float64Array, count: number, length: number, gain: number): void {
  const row = (i: number) => data.subarray(i * length, (i + 1) * length);
  for (let i = 0; i < count; i++) {
    const own = row(i);
    for (let time = 0; time < 2; time++) {
      for (let j = 0; j < i; j++) {
        const other = row(j);
        const share = dot(own, other);
        for (let k = 0; k < length; k++) own[k] -= share * other[k];
      }
    }
    const norm = Math.sqrt(dot(own, own));
    for (let k = 0; k < length; k++) own[k] /= norm;
  }
  for (let k = 0; k < data.length; k++) data[k] *= gain;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

function xavierDeviation(shape: Shape, gain: number): number {
  const [outputs, inputs] = fans("xavier", shape);
  return gain * Math.sqrt(2 / (inputs + outputs));
}

function kaimingDeviation(shape: Shape, { keeps = "inputs", slope = 0 }: KaimingOptions): number {
  const [outputs, inputs] = fans("kaiming", shape);
  const gain = Math.sqrt(2 / (1 + slope * slope));
  return gain / Math.sqrt(keeps === "inputs" ? inputs : outputs);
}

/** How many values each output is a sum of, and the other way round, as PyTorch counts them. */
function fans(initializer: string, shape: Shape): [outputs: number, inputs: number] {
  const [, cols] = matrixOf(initializer, shape);
  const places = shape.slice(2).reduce((a, b) => a * b, 1);
  return [Math.max(1, shape[0] * places), Math.max(1, cols)];
}

function matrixOf(initializer: string, shape: Shape): [rows: number, cols: number] {
  if (shape.length >= 2) return [shape[0], shape.slice(1).reduce((a, b) => a * b, 1)];
  throw new RangeError(`${initializer}: a weight has two axes or more, not [${shape.join(", ")}]`);
}
