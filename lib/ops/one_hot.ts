/**
 * Classes as rows with a single 1.
 */
import { withoutGradient } from "../autograd/mod.ts";
import type { DType, PlainDType } from "../core/dtype.ts";
import { native, Status } from "../ffi/mod.ts";
import { checkPlainDType, type Tensor } from "../tensor/mod.ts";
import { checkApart, dtypeCodes, resultTensor, withDense } from "./operands.ts";
import { checkIndexDType, type Indices, refuseIndices } from "./table.ts";

// Indices have no slope.
withoutGradient("oneHot");

/** What the rows are made of. */
export interface OneHotOptions<D extends DType> {
  /** The element type; float32 when left out. */
  dtype?: D;
  /** Where to write the result, which must be contiguous; a new tensor when left out. */
  out?: Tensor<D>;
}

/**
 * For each index a row that is 1 at the index and 0 elsewhere.
 *
 * @param indices int32 or int64, each from 0 to classes - 1, of any shape.
 * @param classes How long a row is.
 * @param options The dtype, and where to write the result, apart from the indices.
 * @returns The shape of the indices and one more axis, the classes.
 * @throws {RangeError} When an index is out of range; nothing is written then.
 *
 * @example
 * ```ts
 * import { oneHot, Tensor } from "@quern/quern";
 *
 * using labels = Tensor.from([2, 0], "int32");
 * using y = oneHot(labels, 3);
 * console.log(y.toArray()); // [[0, 0, 1], [1, 0, 0]]
 * ```
 */
export function oneHot<D extends PlainDType = "float32">(
  indices: Indices,
  classes: number,
  options: OneHotOptions<D> = {},
): Tensor<D> {
  checkIndexDType("oneHot", indices);
  const dtype: PlainDType = options.dtype ?? "float32";
  checkPlainDType(dtype, "oneHot");
  if (!Number.isInteger(classes) || classes < 0) {
    throw new RangeError(`oneHot: the number of classes is an integer from 0, not ${classes}`);
  }
  if (!indices.isContiguous) return withDense([indices], oneHot<D>, classes, options);
  const { out } = options;
  const y = resultTensor<DType>("oneHot", out, [...indices.shape, classes], dtype) as Tensor<D>;
  checkApart("oneHot", out, "indices", indices);
  const status = native().symbols.qn_one_hot(
    y.address,
    indices.address,
    indices.size,
    classes,
    dtypeCodes[dtype],
    dtypeCodes[indices.dtype],
  );
  if (status === Status.OK) return y;
  return refuseIndices("oneHot", status, y, out, { indices }, indices, [0, classes]);
}
