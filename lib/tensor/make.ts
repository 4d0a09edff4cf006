/**
 * New tensors: what is behind `Tensor.empty` and its kin. Everything that a caller
 * passed is checked before memory is rented.
 */
import { byteLengthOf, type DType, type Floating, isHalf, type PlainDType } from "../core/dtype.ts";
import type { ElementSource } from "../core/element.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { pool } from "../memory/mod.ts";
import {
  checkRandomOptions,
  checkValue,
  fillNormal,
  fillRounded,
  fillValue,
  type RandomOptions,
} from "./fill.ts";
import { checkTensorShape } from "./layout.ts";
import { flatten, inferShape, type Source } from "./nested.ts";
import { checkPlain } from "./part.ts";
import { firstElements, Tensor } from "./tensor.ts";

/**
 * A tensor of unspecified contents.
 *
 * @param operation Named in an error.
 * @param shape The sizes of the axes.
 * @param dtype The element type.
 * @returns A new tensor.
 */
export function make<D extends DType>(operation: string, shape: Shape, dtype: D): Tensor<D> {
  checkTensorShape(shape, operation);
  const bytes = byteLengthOf(dtype, sizeOf(shape));
  return new Tensor<D>(pool.acquire(bytes === 0 ? 1 : bytes), 0, shape, dtype);
}

/**
 * A tensor of one value.
 *
 * @param operation Named in an error.
 * @param shape The sizes of the axes.
 * @param value The value of every element.
 * @param dtype The element type; float32 when left out.
 * @returns A new tensor.
 */
export function makeFull<D extends PlainDType>(
  operation: string,
  shape: Shape,
  value: ElementSource,
  dtype?: D,
): Tensor<D> {
  const type: PlainDType = dtype ?? "float32";
  checkPlain(type, operation);
  checkValue(type, value, operation);
  return fillValue(make(operation, shape, type as D), type, value, operation);
}

/**
 * A tensor of normally distributed numbers.
 *
 * @param shape The sizes of the axes.
 * @param options The dtype, seed, mean and deviation.
 * @returns A new tensor.
 */
export function makeNormal<D extends Floating = "float32">(
  shape: Shape,
  options: RandomOptions<D>,
): Tensor<D> {
  checkRandomOptions(options);
  const dtype: Floating = options.dtype ?? "float32";
  if (!isHalf(dtype)) return fillNormal(make("Tensor.randn", shape, dtype as D), dtype, options);
  using wide = fillNormal(make("Tensor.randn", shape, "float32"), "float32", options);
  return fillRounded(
    make("Tensor.randn", shape, dtype as D),
    dtype,
    wide,
    "float32",
    "Tensor.randn",
  );
}

/**
 * A tensor of given values.
 *
 * @param values Nested arrays, or a typed array.
 * @param dtype The element type; float32 when left out.
 * @returns A new tensor.
 */
export function makeFrom<D extends PlainDType>(values: Source, dtype?: D): Tensor<D> {
  const type: PlainDType = dtype ?? "float32";
  checkPlain(type, "Tensor.from");
  const tensor = make("Tensor.from", inferShape(values, type, "Tensor.from"), type);
  flatten(values, type, firstElements(tensor));
  return tensor as Tensor<PlainDType> as Tensor<D>;
}
