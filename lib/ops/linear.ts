/**
 * The matrix product of a linear layer, with weights of any storage dtype.
 */
import {
  type DType,
  dtypeLayout,
  type Floating,
  isFloating,
  isHalf,
  isPlain,
} from "../core/dtype.ts";
import { isTracked, unrecorded } from "../autograd/mod.ts";
import { colsOf, formatShape, rowsOf, type Shape } from "../core/shape.ts";
import { native, NativeActivation, NativePrecision, Status } from "../ffi/mod.ts";
import { packedAddress, type Tensor } from "../tensor/mod.ts";
import { relu, silu } from "./activation.ts";
import { add } from "./arithmetic.ts";
import { gelu } from "./gelu.ts";
import { withFloat32 } from "./halves.ts";
import { addInPlace } from "./in_place.ts";
import { recordLinear } from "./linear_gradient.ts";
import { matmul } from "./matmul.ts";
import {
  areDense,
  checkApart,
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
import { exactForm, fastForm, type PackedForm } from "./packed_form.ts";

/**
 * How a product treats its operands. `"exact"` multiplies in float32. `"fast"` rounds: with
 * quantised weights, activations to 8 bits; with float32 weights, both to bfloat16, where the
 * processor has dot products of it (AVX-512 BF16), and elsewhere nothing. Products with weights
 * of other dtypes are always exact.
 */
export type Precision = "exact" | "fast";

/** What {@linkcode linear} applies to its result: `gelu_erf` is GELU, `gelu_tanh` its approximation. */
export type Activation = "none" | "relu" | "gelu_tanh" | "gelu_erf" | "silu";

/** Options of {@linkcode linear}. */
export interface LinearOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /** `"exact"` when left out. */
  precision?: Precision;
  /** `[outputs]`, in the dtype of `x`, added to each row; with a weight of that dtype only. */
  bias?: Tensor<D>;
  /** In the result's shape and dtype, what the product is added to; as `bias`. */
  residual?: Tensor<D>;
  /** Applied last; as `bias`. */
  activation?: Activation;
}

/** The native code of each activation. */
export const activationCodes: Readonly<Record<Activation, number>> = {
  none: NativeActivation.NONE,
  relu: NativeActivation.RELU,
  gelu_tanh: NativeActivation.GELU_TANH,
  gelu_erf: NativeActivation.GELU_ERF,
  silu: NativeActivation.SILU,
};

/**
 * The native code of a precision.
 *
 * @param precision The precision's name.
 * @returns Its code.
 * @throws {TypeError} When there is no such precision.
 */
function precisionCode(precision: Precision): number {
  if (precision === "exact") return NativePrecision.EXACT;
  if (precision === "fast") return NativePrecision.FAST;
  throw new TypeError(`The precision is "exact" or "fast", not ${JSON.stringify(precision)}`);
}

/**
 * Multiplies rows by a weight matrix that is stored row by output, as PyTorch
 * and GGUF store it: `activation(residual + x · weightᵀ + bias)`. A row's result
 * has the same bits however many rows it is computed with.
 *
 * A float32 weight is copied on first use into the order in which the kernels read
 * it; the copy takes as much memory again, or half of it in `"fast"`, belongs to the tensor and goes with it.
 * There is one for each precision that is used. When an operation writes to the weight, the next
 * product makes the copy again.
 * A weight whose `data` was taken, or that another isolate shares, may be written
 * at any time: its copy is made again for every product.
 *
 * @param x `[…, inputs]`, of a floating-point dtype.
 * @param weight `[outputs, inputs]`, in the dtype of `x`; quantised, or any floating-point
 * dtype but float64, where that is not float64.
 * @param options `precision`, `bias`, `residual`, `activation`; `out` may be `residual`, and
 * shares no memory with the other operands.
 * @returns `[…, outputs]`, in the dtype of `x`.
 * @throws {RangeError} When the inner sizes differ.
 * @throws {TypeError} When the dtypes do not go together, or a weight of another dtype than `x` has
 * a bias, a residual or an activation.
 * @throws {OutOfMemoryError} When there is no memory for the result, a copy or scratch.
 *
 * @example
 * ```ts
 * import { linear, Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2]]);
 * using weight = Tensor.from([[1, 0], [0, 1], [1, 1]]);
 * using bias = Tensor.from([0, 0, -9]);
 * using y = linear(x, weight, { bias, activation: "relu" });
 * console.log(y.toArray()); // [[1, 2, 0]]
 * ```
 */
export function linear<D extends Floating>(
  x: Tensor<D>,
  weight: Tensor<DType>,
  options?: LinearOptions<D>,
): Tensor<D>;
export function linear(
  x: Tensor<Floating>,
  weight: Tensor<DType>,
  options: LinearOptions<Floating> = {},
): Tensor<Floating> {
  checkFloating("linear", "x", x);
  checkOperand("linear", "weight", weight);
  checkLinearShapes(x, weight);
  return isFloat32(x)
    ? ofFloat32(x, weight, options as LinearOptions)
    : ofOther(x, weight, options);
}

function ofFloat32(
  x: Tensor<"float32">,
  weight: Tensor<DType>,
  options: LinearOptions,
): Tensor<"float32"> {
  const precision = precisionCode(options.precision ?? "exact");
  const { out, bias, residual, activation } = options;
  if (isFloat32(weight)) {
    const form = precision === NativePrecision.FAST ? fastForm() : exactForm;
    return linearPacked(x, bias, residual, weight, form, activation ?? "none", out);
  }
  if (bias !== undefined || residual !== undefined || activation !== undefined) {
    throw new TypeError(
      `linear: bias, residual and activation go with a float32 weight, not with ${weight.dtype}`,
    );
  }
  return areDense(x)
    ? linearStored(x, weight, precision, out)
    : withDense([x], linearStored, weight, precision, out);
}

/** The product with `x` of float64 or of halves. */
function ofOther(
  x: Tensor<Floating>,
  weight: Tensor<DType>,
  options: LinearOptions<Floating>,
): Tensor<Floating> {
  const { dtype } = x;
  const { out, bias, residual, activation = "none", precision } = options;
  const shape = x.shape.with(-1, weight.shape[0]);
  const isBare = bias === undefined && residual === undefined && activation === "none";
  const needed = dtype === "float64" || !isBare;
  checkOperand("linear", "weight", weight, needed ? dtype : undefined);
  checkEpilogue(dtype, shape, bias, residual, activation);
  if (!isHalf(dtype)) return inFloat64(x, weight as Tensor<Floating>, shape, options);
  const result = { operation: "linear", shape, dtype, out };
  if (isBare) return withFloat32(result, [x], (x) => linear(x, weight, { precision }));
  return withFloat32(result, [x, weight, bias, residual], (x, weight, bias, residual) => {
    return linear(x, weight, { bias, residual, activation });
  });
}

/** The product in float64, for reference: each step an operation of its own. */
function inFloat64(
  x: Real,
  weight: Real,
  shape: Shape,
  { out, bias, residual, activation = "none" }: LinearOptions<Floating>,
): Real {
  const tracked = isTracked(x, weight, bias, residual);
  const applied = tracked && needsProduct(activation) ? "none" : activation;
  const y = resultTensor<Floating>(
    "linear",
    applied === activation ? out : undefined,
    shape,
    x.dtype,
  );
  const held: Tensor[] = y === out ? [] : [y];
  try {
    checkMemory(out, x, weight, bias, residual);
    unrecorded(computeSteps, y, x, weight, bias, residual, applied);
    if (tracked) recordLinear(y, x, weight, bias, residual, applied === "relu");
    if (applied !== activation) return activate(y, activation, out);
    held.length = 0;
    return y;
  } finally {
    for (const tensor of held) tensor.dispose();
  }
}

/** The steps of {@linkcode inFloat64}, into `y`. */
function computeSteps(
  y: Real,
  x: Real,
  weight: Real,
  bias: Real | undefined,
  residual: Real | undefined,
  activation: Activation,
): void {
  using columns = weight.transpose();
  if (residual === undefined) matmul(x, columns, { out: y });
  else {
    using product = matmul(x, columns);
    add(residual, product, { out: y });
  }
  if (bias !== undefined) addInPlace(y, bias);
  if (activation !== "none") activate(y, activation, y);
}

/** Applies an activation to a product. */
function activate<D extends Floating>(
  x: Tensor<D>,
  activation: Activation,
  out: Tensor<D> | undefined,
): Tensor<D> {
  if (activation === "relu") return relu(x, { out });
  if (activation === "silu") return silu(x, { out });
  return gelu(x, { approximate: activation === "gelu_tanh" ? "tanh" : "none", out });
}

/**
 * Whether the gradient of an activation needs what it was applied to: then the product and the
 * activation are recorded as two operations.
 */
function needsProduct(activation: Activation): boolean {
  return activation !== "none" && activation !== "relu";
}

type Real = Tensor<Floating>;

function checkMemory(
  out: Tensor | undefined,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  residual: Tensor | undefined,
): void {
  checkApart("linear", out, "x", x);
  checkApart("linear", out, "weight", weight);
  checkApart("linear", out, "bias", bias);
  if (residual !== undefined) checkInPlace("linear", out, "residual", residual);
}

/** Checks what is done with a product of a shape and dtype. */
function checkEpilogue(
  dtype: Floating,
  shape: Shape,
  bias: Tensor | undefined,
  residual: Tensor | undefined,
  activation: Activation,
): void {
  if (bias !== undefined) {
    checkOperand("linear", "bias", bias, dtype);
    checkShapeIs("linear", "bias", bias, shape.slice(-1));
  }
  if (residual !== undefined) {
    checkOperand("linear", "residual", residual, dtype);
    checkShapeIs("linear", "residual", residual, shape);
  }
  if (activation !== "none" && !Object.hasOwn(activationCodes, activation)) {
    throw unknownActivation(activation);
  }
}

function isFloat32(tensor: Tensor): tensor is Tensor<"float32"> {
  return tensor.dtype === "float32";
}

/** The product with weights as they are stored. */
function linearStored(
  x: Tensor<"float32">,
  weight: Tensor,
  precision: number,
  out: Tensor<"float32"> | undefined,
): Tensor<"float32"> {
  if (!areDense(weight)) return withDense([x, weight], linearStored, precision, out);
  const [outputs, inputs] = weight.shape;
  const tracked = isTracked(x, weight);
  const y = resultTensor("linear", out, x.shape.with(-1, outputs));
  checkApart("linear", out, "x", x);
  checkApart("linear", out, "weight", weight);
  const status = native().symbols.qn_linear_f32(
    y.address,
    x.address,
    weight.address,
    rowsOf(x.shape),
    outputs,
    inputs,
    dtypeCodes[weight.dtype],
    precision,
  );
  if (status !== Status.OK) return refuse("linear", status, y, out, { x, weight });
  return tracked ? recordLinear(y, x, weight, undefined, undefined, false) : y;
}

/** The product with float32 weights, packed. */
function linearPacked(
  x: Tensor<"float32">,
  bias: Tensor<"float32"> | undefined,
  residual: Tensor<"float32"> | undefined,
  weight: Tensor<"float32">,
  form: PackedForm,
  activation: Activation,
  out: Tensor<"float32"> | undefined,
): Tensor<"float32"> {
  const [outputs, inputs] = weight.shape;
  // Array.prototype.with takes longer than the rest of these checks.
  const shape = x.shape.length === 2 ? [x.shape[0], outputs] : x.shape.with(-1, outputs);
  checkEpilogue("float32", shape, bias, residual, activation);
  if (!areDense(x, bias, residual)) {
    return withDense([x, bias, residual], linearPacked, weight, form, activation, out);
  }
  const tracked = isTracked(x, weight, bias, residual);
  if (tracked && needsProduct(activation)) {
    checkMemory(out, x, weight, bias, residual);
    return inTwoSteps(x, bias, residual, weight, form, activation, out);
  }
  const y = resultTensor("linear", out, shape);
  checkMemory(out, x, weight, bias, residual);
  const status = form.multiply(
    y.address,
    x.address,
    packedWeight(weight, form, y, out),
    bias === undefined ? 0n : bias.address,
    residual === undefined ? 0n : residual.address,
    rowsOf(x.shape),
    outputs,
    inputs,
    activationCodes[activation],
  );
  if (status !== Status.OK) {
    return refuse("linear", status, y, out, { x, weight, bias, residual });
  }
  return tracked ? recordLinear(y, x, weight, bias, residual, activation === "relu") : y;
}

/** Apart, since `using` costs a call's entry. */
function inTwoSteps(
  x: Tensor<"float32">,
  bias: Tensor<"float32"> | undefined,
  residual: Tensor<"float32"> | undefined,
  weight: Tensor<"float32">,
  form: PackedForm,
  activation: Activation,
  out: Tensor<"float32"> | undefined,
): Tensor<"float32"> {
  using product = linearPacked(x, bias, residual, weight, form, "none", undefined);
  return activate(product, activation, out);
}

function unknownActivation(activation: unknown): TypeError {
  const names = Object.keys(activationCodes).join(", ");
  return new TypeError(`linear: the activation is one of ${names}, not ${String(activation)}`);
}

/** The address of the packed copy of a weight; a result that nobody saw goes when that fails. */
function packedWeight(
  weight: Tensor<"float32">,
  { bytesOf, pack }: PackedForm,
  y: Tensor,
  out: Tensor | undefined,
): bigint {
  try {
    return packedAddress(weight, bytesOf, pack);
  } catch (error) {
    if (y !== out) y.dispose();
    throw error;
  }
}

function checkLinearShapes(x: Tensor, weight: Tensor): void {
  const plain = isPlain(weight.dtype);
  if (plain && !isFloating(weight.dtype)) {
    throw new TypeError(
      `linear: weight is ${weight.dtype}, expected a floating-point or quantised dtype`,
    );
  }
  if (weight.dtype === "float64" && x.dtype !== "float64") {
    throw new TypeError(`linear: weight is float64 and x is ${x.dtype}; use cast() first`);
  }
  if (
    x.shape.length < 1 || weight.shape.length !== 2 || colsOf(x.shape) !== weight.shape[1]
  ) {
    throw new RangeError(
      `linear: x ${formatShape(x.shape)} does not fit weight ${formatShape(weight.shape)}: ` +
        `x is […, inputs], weight is [outputs, inputs]`,
    );
  }
  if (plain) return;
  const { blockElements } = dtypeLayout(weight.dtype);
  if (weight.shape[1] % blockElements !== 0) {
    throw new RangeError(
      `linear: a row of ${weight.shape[1]} elements does not fill whole blocks of ${weight.dtype}`,
    );
  }
}
