/**
 * Rotary position embeddings (Su et al., 2021).
 *
 * The angles depend on positions only, so they are worked out once a forward
 * pass, in float64, and then applied to the queries and keys of every layer.
 */
import { formatShape, type Shape } from "../core/shape.ts";
import { native, RopeLayout, Status } from "../ffi/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import {
  areDense,
  checkApart,
  checkInPlace,
  checkOperand,
  checkShapeIs,
  type OutOption,
  refuse,
  resultTensor,
  withDense,
} from "./operands.ts";

/** Options of {@linkcode ropeTable}. */
export interface RopeTableOptions {
  /** The position of the first token; 0 when left out. */
  start?: number;
  /** The base of the wavelengths; 10000 when left out. */
  base?: number;
  /** What positions are multiplied by (linear scaling); 1 when left out. */
  scale?: number;
  /** `[pairs]`, float32: what each pair's frequency is divided by. */
  factors?: Tensor<"float32">;
  /** Where to write the table. */
  out?: RopeTable;
}

/** Cosines and sines by position. */
export interface RopeTable {
  /** `[tokens, pairs]`, float32. */
  readonly cosines: Tensor<"float32">;
  /** `[tokens, pairs]`, float32. */
  readonly sines: Tensor<"float32">;
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
export function ropeTable(
  tokens: number,
  pairs: number,
  options: RopeTableOptions = {},
): RopeTable {
  const { start = 0, base = 10000, scale = 1, factors, out } = options;
  if (factors !== undefined) {
    checkOperand("ropeTable", "factors", factors, "float32");
    checkShapeIs("ropeTable", "factors", factors, [pairs]);
  }
  if (!Number.isInteger(start) || start < 0 || start > 0xffffffff) {
    throw new RangeError(`ropeTable: start is an integer from 0 to 2^32 - 1, not ${start}`);
  }
  if (!areDense(factors)) return withDense([factors], tableOf, tokens, pairs, options);
  const { cosines, sines } = resultTable([tokens, pairs], out);
  checkApart("ropeTable", out?.cosines, "factors", factors);
  checkApart("ropeTable", out?.sines, "factors", factors);
  checkApart("ropeTable", out?.sines, "out.cosines", out?.cosines);
  const status = native().symbols.qn_rope_table_f32(
    cosines.address,
    sines.address,
    factors?.address ?? 0n,
    tokens,
    pairs,
    start,
    base,
    scale,
  );
  if (status === Status.OK) return { cosines, sines };
  if (out === undefined) sines.dispose();
  return refuse("ropeTable", status, cosines, out?.cosines, { factors }, { start, base, scale });
}

function tableOf(
  factors: Tensor<"float32"> | undefined,
  tokens: number,
  pairs: number,
  options: RopeTableOptions,
): RopeTable {
  return ropeTable(tokens, pairs, { ...options, factors });
}

function resultTable(shape: Shape, out: RopeTable | undefined): RopeTable {
  const cosines = resultTensor("ropeTable", out?.cosines, shape);
  try {
    return { cosines, sines: resultTensor("ropeTable", out?.sines, shape) };
  } catch (error) {
    if (out === undefined) cosines.dispose();
    throw error;
  }
}

const layoutCodes: Readonly<Record<string, number | undefined>> = {
  interleaved: RopeLayout.INTERLEAVED,
  halves: RopeLayout.HALVES,
};

/** Options of {@linkcode rope}. */
export interface RopeOptions extends OutOption {
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
 * @param x `[tokens, heads, headSize]`, float32.
 * @param table Made by {@linkcode ropeTable} for these tokens; 2 · pairs is at most headSize.
 * @param options The layout; `out` may be `x`.
 * @returns The turned heads, float32, in the shape of `x`.
 * @throws {RangeError} When the table does not fit.
 */
export function rope(
  x: Tensor<"float32">,
  table: RopeTable,
  options: RopeOptions = {},
): Tensor<"float32"> {
  const { cosines, sines } = table;
  checkOperand("rope", "x", x, "float32");
  checkOperand("rope", "cosines", cosines, "float32");
  checkOperand("rope", "sines", sines, "float32");
  checkShapeIs("rope", "sines", sines, cosines.shape);
  const [tokens, heads, headSize] = x.shape;
  const [rows, pairs] = cosines.shape;
  if (x.shape.length !== 3 || rows !== tokens || 2 * pairs > headSize) {
    throw new RangeError(
      `rope: x ${formatShape(x.shape)} is [tokens, heads, headSize] ` +
        `and does not fit a table ${formatShape(cosines.shape)} of [tokens, pairs]`,
    );
  }
  const { layout = "interleaved" } = options;
  const code = layoutCodes[layout];
  if (code === undefined) {
    throw new TypeError(`rope: layout is "interleaved" or "halves", not ${JSON.stringify(layout)}`);
  }
  if (!areDense(x, cosines, sines)) {
    return withDense([x, cosines, sines], ropeDense, options);
  }
  const { out } = options;
  const y = resultTensor("rope", out, x.shape);
  checkInPlace("rope", out, "x", x);
  checkApart("rope", out, "cosines", cosines);
  checkApart("rope", out, "sines", sines);
  const status = native().symbols.qn_rope_f32(
    y.address,
    x.address,
    cosines.address,
    sines.address,
    tokens,
    heads,
    headSize,
    pairs,
    code,
  );
  return status === Status.OK ? y : refuse("rope", status, y, out, { x, cosines });
}

function ropeDense(
  x: Tensor<"float32">,
  cosines: Tensor<"float32">,
  sines: Tensor<"float32">,
  options: RopeOptions,
): Tensor<"float32"> {
  return rope(x, { cosines, sines }, options);
}
