/**
 * Rotary position embeddings (Su et al., 2021).
 *
 * The angles depend on positions only, so they are worked out once a forward
 * pass, in float64, and then applied to the queries and keys of every layer.
 */
import { differentiable, isTracked, record, wants } from "../autograd/mod.ts";
import { type DType, type Floating, isHalf } from "../core/dtype.ts";
import { formatShape, type Shape } from "../core/shape.ts";
import { native, RopeLayout, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { withFloat32 } from "./halves.ts";
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
import { negative } from "./powers.ts";

/** The dtypes of a table: that of halves is one of float32. */
export type RopeDType = "float32" | "float64";

/** Options of {@linkcode ropeTable}. */
export interface RopeTableOptions<D extends RopeDType = "float32"> {
  /** The dtype of the table; float32 when left out, or that of `factors` or `out`. */
  dtype?: D;
  /** The position of the first token; 0 when left out. */
  start?: number;
  /** The base of the wavelengths; 10000 when left out. */
  base?: number;
  /** What positions are multiplied by (linear scaling); 1 when left out. */
  scale?: number;
  /** `[pairs]`, in the table's dtype: what each pair's frequency is divided by. */
  factors?: Tensor<D>;
  /** Where to write the table. */
  out?: RopeTable<D>;
}

/** Cosines and sines by position. */
export interface RopeTable<D extends RopeDType = "float32"> {
  /** `[tokens, pairs]`. */
  readonly cosines: Tensor<D>;
  /** `[tokens, pairs]`. */
  readonly sines: Tensor<D>;
}

/**
 * The cosines and sines of the angles `(start + t) · scale · base^(-p / pairs) / factors[p]`.
 *
 * @param tokens How many positions.
 * @param pairs How many pairs of elements turn in a head.
 * @param options Where positions start, and how fast pairs turn.
 * @returns Two tensors `[tokens, pairs]`, both the caller's to dispose of.
 * @throws {RangeError} When the base is not positive, or a tensor does not fit.
 *
 * @example
 * ```ts
 * import { ropeTable } from "@quern/quern";
 *
 * const { cosines, sines } = ropeTable(4, 32);
 * console.log(cosines.shape, sines.shape);
 * cosines.dispose();
 * sines.dispose();
 * ```
 */
export function ropeTable<D extends RopeDType = "float32">(
  tokens: number,
  pairs: number,
  options: RopeTableOptions<D> = {},
): RopeTable<D> {
  const { start = 0, base = 10000, scale = 1, factors, out } = options;
  const dtype = tableDType(options);
  if (factors !== undefined) {
    checkOperand("ropeTable", "factors", factors, dtype);
    checkShapeIs("ropeTable", "factors", factors, [pairs]);
  }
  if (!Number.isInteger(start) || start < 0 || start > 0xffffffff) {
    throw new RangeError(`ropeTable: start is an integer from 0 to 2^32 - 1, not ${start}`);
  }
  if (!areDense(factors)) return withDense([factors], tableOf<D>, tokens, pairs, options);
  const { cosines, sines } = resultTable([tokens, pairs], dtype, out);
  checkApart("ropeTable", out?.cosines, "factors", factors);
  checkApart("ropeTable", out?.sines, "factors", factors);
  checkApart("ropeTable", out?.sines, "out.cosines", out?.cosines);
  const status = native().symbols.qn_rope_table(
    cosines.address,
    sines.address,
    factors?.address ?? 0n,
    tokens,
    pairs,
    start,
    base,
    scale,
    dtypeCodes[dtype],
  );
  if (status === Status.OK) return { cosines, sines };
  if (out === undefined) sines.dispose();
  return refuse("ropeTable", status, cosines, out?.cosines, { factors }, { start, base, scale });
}

function tableDType<D extends RopeDType>({ dtype, factors, out }: RopeTableOptions<D>): D {
  const found: DType = dtype ?? out?.cosines?.dtype ?? factors?.dtype ?? "float32";
  if (found === "float32" || found === "float64") return found as D;
  throw new TypeError(`ropeTable: the table is float32 or float64, not ${found}`);
}

function tableOf<D extends RopeDType>(
  factors: Tensor<D> | undefined,
  tokens: number,
  pairs: number,
  options: RopeTableOptions<D>,
): RopeTable<D> {
  return ropeTable(tokens, pairs, { ...options, factors });
}

function resultTable<D extends RopeDType>(
  shape: Shape,
  dtype: D,
  out: RopeTable<D> | undefined,
): RopeTable<D> {
  const cosines = resultTensor<D>("ropeTable", out?.cosines, shape, dtype);
  try {
    return { cosines, sines: resultTensor<D>("ropeTable", out?.sines, shape, dtype) };
  } catch (error) {
    if (out === undefined) cosines.dispose();
    throw error;
  }
}

const layoutCodes: Readonly<Record<string, number | undefined>> = {
  interleaved: RopeLayout.INTERLEAVED,
  halves: RopeLayout.HALVES,
};

/** The dtype of the table that goes with heads of a dtype. */
export type TableDType<D extends Floating> = D extends "float64" ? "float64" : "float32";

/** Options of {@linkcode rope}. */
export interface RopeOptions<D extends Floating = "float32"> extends ResultOption<D> {
  /**
   * Which elements of a head turn together: neighbours (`"interleaved"`, as
   * Llama's GGUF files hold them), or the two halves (`"halves"`, as NeoX's).
   * `"interleaved"` when left out.
   */
  layout?: "interleaved" | "halves";
}

/**
 * Turns the leading elements of each head by the angles of its position; the
 * rest of the head is copied.
 *
 * @param x `[tokens, heads, headSize]`, of a floating-point dtype.
 * @param table Made by {@linkcode ropeTable} for these tokens, of float64 where `x` is, else of
 * float32; 2 · pairs is at most headSize.
 * @param options The layout; `out` may be `x`.
 * @returns The turned heads, in the shape and dtype of `x`.
 * @throws {RangeError} When the table does not fit.
 */
export function rope<D extends Floating>(
  x: Tensor<D>,
  table: RopeTable<TableDType<D>>,
  options: RopeOptions<D> = {},
): Tensor<D> {
  const { cosines, sines } = table;
  checkFloating("rope", "x", x);
  const { shape, dtype } = x;
  const computed = dtype === "float64" ? "float64" : "float32";
  checkOperand("rope", "cosines", cosines, computed);
  checkOperand("rope", "sines", sines, computed);
  checkShapeIs("rope", "sines", sines, cosines.shape);
  const tokens = shape[0];
  const headSize = shape[2];
  const pairs = cosines.shape[1];
  if (shape.length !== 3 || cosines.shape[0] !== tokens || 2 * pairs > headSize) {
    throw new RangeError(
      `rope: x ${formatShape(shape)} is [tokens, heads, headSize] ` +
        `and does not fit a table ${formatShape(cosines.shape)} of [tokens, pairs]`,
    );
  }
  const { layout = "interleaved" } = options;
  const code = layoutCodes[layout];
  if (code === undefined) {
    throw new TypeError(`rope: layout is "interleaved" or "halves", not ${JSON.stringify(layout)}`);
  }
  const { out } = options;
  if (isHalf(dtype)) {
    const result = { operation: "rope", shape, dtype, out };
    return withFloat32(result, [x], rope<D>, table, { layout });
  }
  if (!areDense(x, cosines, sines)) {
    return withDense([x, cosines, sines], ropeDense<D>, options);
  }
  const tracked = isTracked(x, cosines, sines);
  if (tracked) checkTable(cosines, sines);
  const y = resultTensor<D>("rope", out, shape, dtype);
  checkInPlace("rope", out, "x", x);
  checkApart("rope", out, "cosines", cosines);
  checkApart("rope", out, "sines", sines);
  const status = native().symbols.qn_rope(
    y.address,
    x.address,
    cosines.address,
    sines.address,
    tokens,
    shape[1],
    headSize,
    pairs,
    code,
    dtypeCodes[dtype],
  );
  if (status !== Status.OK) return refuse("rope", status, y, out, { x, cosines });
  return tracked ? recordTurn(y, x, cosines, sines, layout) : y;
}

type RopeLayoutName = NonNullable<RopeOptions["layout"]>;

/** The heads are turned back by the same angles. */
const ropeGradient = differentiable<RopeLayoutName>({
  operation: "rope",
  saves: ["cosines", "sines"],
  backward(gradient, saved, { extra: layout }) {
    const [cosines, sines] = saved as Tensor<RopeDType>[];
    using back = negative(sines);
    return [rope(gradient as Tensor<RopeDType>, { cosines, sines: back }, { layout })];
  },
});

function recordTurn<T extends Tensor>(
  y: T,
  x: Tensor,
  cosines: Tensor,
  sines: Tensor,
  extra: RopeLayoutName,
): T {
  return record(y, ropeGradient, [x], { saved: [cosines, sines], extra });
}

function checkTable(cosines: Tensor, sines: Tensor): void {
  if (!wants(cosines) && !wants(sines)) return;
  throw new Error("rope: the table requires a gradient, and there is none of angles; use detach()");
}

function ropeDense<D extends Floating>(
  x: Tensor<D>,
  cosines: Tensor<TableDType<D>>,
  sines: Tensor<TableDType<D>>,
  options: RopeOptions<D>,
): Tensor<D> {
  return rope(x, { cosines, sines }, options);
}
