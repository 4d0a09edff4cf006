/**
 * The gradient of a linear layer's product. With `g` that of the result, row by row:
 *
 *     dx = g · weight      dweight = gᵀ · x      dbias = sum(g)      dresidual = g
 *
 * Both products are computed on the tensors as they lie, without views, of which a step of
 * training would make hundreds; and onto the gradients that are there, where that gives the same
 * bits as an addition apart.
 */
import { differentiable, record, RESULT, wants } from "../autograd/mod.ts";
import { type DType, type Floating, isHalf } from "../core/dtype.ts";
import { colsOf, rowsOf, type Shape } from "../core/shape.ts";
import { sumTo, Tensor } from "../tensor/mod.ts";
import { reluGradient } from "./activation.ts";
import { cast } from "./cast.ts";
import { dequantize } from "./dequantize.ts";
import { matmul, multiplyMatrices } from "./matmul.ts";

type Real = Tensor<Floating>;

/** What a call notes for its gradient. */
interface LinearCall {
  /** The shape of `x`. */
  readonly shape: Shape;
  /** That of the weight. */
  readonly dtype: DType;
  readonly hasRelu: boolean;
}

/**
 * The most products of a sum that is added to what is there in one piece, as by an addition
 * apart: a gradient has the same bits whether it could be added where it lies or not.
 */
const WHOLE_SUM = 1024;

const linearGradient = differentiable<LinearCall>({
  operation: "linear",
  saves: ["x", "weight", RESULT],
  backward(gradient, [x, weight, y], { wants, sums, extra }) {
    using own = extra.hasRelu ? behindRelu(gradient, y) : gradient.contiguous();
    const g = own as Real;
    return [
      wants[0] ? inputGradient(g, weight, extra.shape, sums[0]) : undefined,
      wants[1] ? weightGradient(g, x as Real, extra, sums[1]) : undefined,
      wants[2] ? biasGradient(g) : undefined,
      wants[3] ? (extra.hasRelu ? g.detach() : gradient) : undefined,
    ];
  },
});

/**
 * Records a product.
 *
 * @param y The result, written.
 * @param x The rows.
 * @param weight The weight.
 * @param bias The bias, if there is one.
 * @param residual The residual, if there is one.
 * @param hasRelu Whether the result is behind a ReLU; no other activation is.
 * @returns The result.
 */
export function recordLinear<T extends Tensor>(
  y: T,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  residual: Tensor | undefined,
  hasRelu: boolean,
): T {
  const saved = [
    wants(weight) ? x : undefined,
    wants(x) ? weight : undefined,
    hasRelu ? y : undefined,
  ];
  const extra = { shape: x.shape, dtype: weight.dtype, hasRelu };
  return record(y, linearGradient, [x, weight, bias, residual], { saved, extra });
}

function behindRelu(gradient: Tensor, y: Tensor): Tensor {
  const call = { wants: [true], sums: [], extra: undefined };
  using slopes = reluGradient.backward(gradient, [y], call)[0]!;
  return slopes.contiguous();
}

/** `g · weight`, in the shape of `x`. */
function inputGradient(g: Real, weight: Tensor, shape: Shape, sum: Tensor | undefined): Tensor {
  using wide = weight.dtype === g.dtype ? undefined : dequantize(weight);
  const matrix = (wide ?? weight) as Real;
  const [rows, outputs] = [rowsOf(g.shape), colsOf(g.shape)];
  if (isHalf(g.dtype)) {
    using flat = g.reshape([rows, outputs]);
    using product = matmul(flat, matrix);
    return product.reshape(shape);
  }
  const adds = sum !== undefined && outputs <= WHOLE_SUM;
  const dx = adds ? sum : Tensor.empty(shape, g.dtype);
  const sizes = [rows, colsOf(shape), outputs] as const;
  multiplyMatrices("linear", dx, g, matrix, sizes, [outputs, 1], stridesOf(matrix), adds);
  return dx;
}

/** `gᵀ · x`, in the dtype of the weight. */
function weightGradient(
  g: Real,
  x: Real,
  { shape, dtype }: LinearCall,
  sum: Tensor | undefined,
): Tensor {
  const [rows, outputs, inputs] = [rowsOf(g.shape), colsOf(g.shape), colsOf(shape)];
  using dense = x.isContiguous ? undefined : x.contiguous();
  const from = dense ?? x;
  if (isHalf(g.dtype)) {
    using flat = g.reshape([rows, outputs]);
    using columns = flat.transpose();
    using matrix = from.reshape([rows, inputs]);
    return inDType(matmul(columns, matrix), dtype);
  }
  const adds = sum !== undefined && sum.dtype === g.dtype && rows <= WHOLE_SUM;
  const dweight = adds ? sum : Tensor.empty([outputs, inputs], g.dtype);
  const sizes = [outputs, inputs, rows] as const;
  multiplyMatrices("linear", dweight, g, from, sizes, [1, outputs], [inputs, 1], adds);
  return inDType(dweight, dtype);
}

function biasGradient(g: Real): Tensor {
  const outputs = colsOf(g.shape);
  using flat = g.reshape([rowsOf(g.shape), outputs]);
  return sumTo(flat, [outputs]);
}

/** The same numbers in a dtype; what is not returned goes. */
function inDType(product: Tensor, dtype: DType): Tensor {
  if (product.dtype === dtype) return product;
  using wide = product as Real;
  return cast(wide, dtype as Floating);
}

function stridesOf({ isContiguous, shape, strides }: Tensor): readonly [number, number] {
  return isContiguous ? [shape[1], 1] : [strides[0], strides[1]];
}
