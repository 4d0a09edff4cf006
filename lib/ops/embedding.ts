/**
 * Looking up rows of a table.
 */
import type { DType } from "../core/dtype.ts";
import { formatShape } from "../core/shape.ts";
import { native, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkApart,
  checkOperand,
  dtypeCodes,
  type ResultOption,
  resultTensor,
  withDense,
} from "./operands.ts";
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
  if (status === Status.OK) return y;
  return refuseIndices("embedding", status, y, out, { table, ids }, ids, [0, vocabulary]);
}
