/**
 * Operations on tensors, one a file, and functions of one element by family. Each is
 * a function that borrows its operands and gives back a new tensor, or writes into
 * `out`.
 */
export { relu, sigmoid, silu } from "./activation.ts";
export { add, div, maximum, minimum, mul, pow, sub } from "./arithmetic.ts";
export { attention, type AttentionOptions } from "./attention.ts";
export type { Arithmetic, Comparable, Floating, Partner, Promoted } from "./binary.ts";
export { cast } from "./cast.ts";
export { clamp } from "./clamp.ts";
export {
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  notEqual,
} from "./comparison.ts";
export { concatenate, stack } from "./concatenate.ts";
export { all, any, countNonZero } from "./counting.ts";
export { crossEntropy, type CrossEntropyOptions } from "./cross_entropy.ts";
export { cumprod, cumsum, type CumulativeOptions } from "./cumulative.ts";
export { dequantize } from "./dequantize.ts";
export { dropout, type DropoutOptions } from "./dropout.ts";
export { einsum } from "./einsum.ts";
export { embedding, type WidenedDType } from "./embedding.ts";
export { exp, exp2, expm1, log, log10, log1p, log2 } from "./exponential.ts";
export { argmax, argmin, type ArgOptions, max, min } from "./extremes.ts";
export { type AlongAxesOptions, flip, roll } from "./flip.ts";
export { gather, takeAlongAxis } from "./gather.ts";
export { geglu, gelu, type GeluOptions } from "./gelu.ts";
export {
  addInPlace,
  addScaledInPlace,
  divInPlace,
  fill,
  mulInPlace,
  scaleInPlace,
  subInPlace,
} from "./in_place.ts";
export { groupNorm, type GroupNormOptions } from "./group_norm.ts";
export {
  layerNorm,
  type LayerNormOptions,
  layerNormResidual,
  type LayerNormResidualOptions,
} from "./layer_norm.ts";
export { type Activation, linear, type LinearOptions, type Precision } from "./linear.ts";
export { matmul, type MatmulOptions } from "./matmul.ts";
export { logSoftmax, type LogSoftmaxOptions } from "./log_softmax.ts";
export { logSumExp, norm, type NormOptions } from "./norm.ts";
export type { SumOption } from "./norm_operands.ts";
export { oneHot, type OneHotOptions } from "./one_hot.ts";
export type { OutOption, ResultOption } from "./operands.ts";
export { pad, type Padding, type PadOptions, type PadWidth } from "./pad.ts";
export { abs, negative, reciprocal, rsqrt, sign, sqrt, square } from "./powers.ts";
export { quantize, type QuantizedDType } from "./quantize.ts";
export type { RealDType, ReduceOptions, SummedDType, WholeDType } from "./reduce.ts";
export {
  rmsNorm,
  type RmsNormOptions,
  rmsNormResidual,
  type RmsNormResidualOptions,
} from "./rms_norm.ts";
export {
  rope,
  type RopeDType,
  type RopeOptions,
  type RopeTable,
  ropeTable,
  type RopeTableOptions,
  type TableDType,
} from "./rope.ts";
export { ceil, floor, round } from "./rounding.ts";
export { sample, type SampleOptions } from "./sample.ts";
export { indexAdd, indexAddInPlace, scatterAdd, scatterAddInPlace } from "./scatter_add.ts";
export { softmax, type SoftmaxOptions } from "./softmax.ts";
export { argsort, sort, type SortOptions } from "./sort.ts";
export { mean, prod, std, sum, variance, type VarianceOptions } from "./sums.ts";
export { split } from "./split.ts";
export { swiglu } from "./swiglu.ts";
export { type TopK, topK, type TopKDType, type TopKOptions } from "./top_k.ts";
export type { AlongAxisOptions, AxisOption, IndexDType, Indices } from "./table.ts";
export { repeat, tile } from "./tile.ts";
export { type TriangleOptions, tril, triu } from "./triangle.ts";
export { atan, cos, erf, sin, tan, tanh } from "./trigonometric.ts";
export { where } from "./where.ts";
