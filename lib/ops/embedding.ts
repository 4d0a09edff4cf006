/**
 * Looking up rows of a table.
 */
import { differentiable, isTracked, record } from "../autograd/mod.ts";
import type { DType, Floating } from "../core/dtype.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { cast } from "./cast.ts";
import {
  areDense,
  checkApart,
  checkOperand,
  dtypeCodes,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";
import { indexAddInPlace } from "./scatter_add.ts";
import { refuseIndices } from "./table.ts";

/** What rows of a table are widened to. */
export type WidenedDType<D extends DType> = D extends "float64" ? "float64" : "float32";

/**
 * Takes rows of a table, widened to float32 where they are not float64.
 *
 * @param table `[vocabulary, cols]`, floating-point or quantised.
 * @param ids `[tokens]`, int32, each from 0 to vocabulary - 1.
 * @param options Where to write the result.
 * @returns `[tokens, cols]`, float64 where the table is, else float32.
 * @throws {RangeError} When an id is out of range; nothing is written then.
 *
 * @example
 * ```ts
 * import { embedding, Tensor } from "@quern/quern";
 *
 * using table = Tensor.from([[1, 2], [3, 4]]);
 * using ids = Tensor.from([1, 0, 1], "int32");
 * using rows = embedding(table, ids);
 * console.log(rows.toArray()); // [[3, 4], [1, 2], [3, 4]]
 * ```
 */
export function embedding<D extends DType>(
  table: Tensor<D>,
  ids: Tensor<"int32">,
  options: ResultOption<WidenedDType<D>> = {},
): Tensor<WidenedDType<D>> {
  checkOperand("embedding", "table", table);
  checkOperand("embedding", "ids", ids, "int32");
  if (table.shape.length !== 2 || ids.shape.length !== 1) {
    throw new RangeError(
      `embedding: table ${formatShape(table.shape)} is [vocabulary, cols] ` +
        `and ids ${formatShape(ids.shape)} is [tokens]`,
    );
  }
  const vocabulary = table.shape[0];
  const cols = table.shape[1];
  if (!areDense(table, ids)) return withDense([table, ids], embedding<D>, options);
  const { out } = options;
  const dtype = (table.dtype === "float64" ? "float64" : "float32") as WidenedDType<D>;
  const tracked = isTracked(table);
  const y = resultTensor<WidenedDType<D>>("embedding", out, [ids.size, cols], dtype);
  checkApart("embedding", out, "table", table);
  checkApart("embedding", out, "ids", ids);
  const status = native().symbols.qn_embedding(
    y.address,
    table.address,
    ids.address,
    ids.size,
    vocabulary,
    cols,
    dtypeCodes[table.dtype],
  );
  if (status !== Status.OK) {
    return refuseIndices("embedding", status, y, out, { table, ids }, ids, [0, vocabulary]);
  }
  return tracked ? recordLookup(y, table, ids) : y;
}

/** What a call notes of its table. */
interface Lookup {
  readonly shape: Shape;
  readonly dtype: DType;
}

const embeddingGradient = differentiable<Lookup>({
  operation: "embedding",
  saves: ["ids"],
  backward(gradient, [ids], { extra, sums: [sum] }) {
    const g = gradient as Tensor<"float32">;
    if (sum?.dtype === g.dtype) {
      return [indexAddInPlace(sum as typeof g, ids as Tensor<"int32">, g)];
    }
    const rows = Tensor.zeros(extra.shape, g.dtype);
    indexAddInPlace(rows, ids as Tensor<"int32">, g);
    if (rows.dtype === extra.dtype) return [rows];
    using wide = rows;
    return [cast(wide, extra.dtype as Floating)];
  },
});

function recordLookup<T extends Tensor>(y: T, table: Tensor, ids: Tensor): T {
  const extra = { shape: table.shape, dtype: table.dtype };
  return record(y, embeddingGradient, [table], { saved: [ids], extra });
}
