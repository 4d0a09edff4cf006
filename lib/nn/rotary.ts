/**
 * Positions as angles by which parts of queries and keys turn (Su et al., 2021).
 */
import { unrecorded } from "../autograd/mod.ts";
import { keep } from "../memory/mod.ts";
import { rope, type RopeTable, ropeTable, type TableDType, tile } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { LayerDType } from "./options.ts";

/** How {@linkcode MultiHeadAttention} turns queries and keys. */
export interface RotaryOptions {
  /** The base of the wavelengths; 10000 when left out. */
  base?: number;
  /** Which elements of a head turn together; `"interleaved"` when left out. */
  layout?: "interleaved" | "halves";
}

/** Turns heads by their positions, and keeps the table of the last positions. */
export class Rotary<D extends LayerDType> implements Disposable {
  readonly #pairs: number;
  readonly #dtype: D;
  readonly #options: Readonly<Required<RotaryOptions>>;
  #table: RopeTable<D> | undefined;
  #key = "";

  /**
   * What turns heads of a size.
   *
   * @param headSize The size, an even number.
   * @param dtype That of the heads.
   * @param options The base and the layout.
   */
  constructor(headSize: number, dtype: D, options: Readonly<Required<RotaryOptions>>) {
    this.#pairs = headSize / 2;
    this.#dtype = dtype;
    this.#options = options;
  }

  /**
   * Turns heads.
   *
   * @param heads `[…, tokens, heads, headSize]`, dense.
   * @param start The position of the first token.
   * @param out Where to write the result.
   * @returns The same shape.
   */
  turn(heads: Tensor<D>, start: number, out?: Tensor<D>): Tensor<D> {
    const { shape } = heads;
    const [tokens, count, size] = shape.slice(-3);
    const batch = shape.slice(0, -3).reduce((a, b) => a * b, 1);
    const table = this.#tableOf(batch, tokens, start) as RopeTable as RopeTable<TableDType<D>>;
    using rows = heads.reshape([batch * tokens, count, size]);
    using place = out?.reshape(rows.shape);
    const turned = rope<D>(rows, table, { layout: this.#options.layout, out: place });
    if (out !== undefined) return out;
    using made = turned;
    return made.reshape(shape);
  }

  /** The angles of all tokens of a batch, whose positions are the same in each sequence. */
  #tableOf(batch: number, tokens: number, start: number): RopeTable<D> {
    const key = `${batch} ${tokens} ${start}`;
    if (this.#table !== undefined && key === this.#key) return this.#table;
    const { base } = this.#options;
    const made = unrecorded(() => {
      const one = ropeTable<D>(tokens, this.#pairs, { start, base, dtype: this.#dtype });
      using cosines = one.cosines;
      using sines = one.sines;
      return { cosines: tile(cosines, [batch, 1]), sines: tile(sines, [batch, 1]) };
    });
    this.dispose();
    this.#key = key;
    return this.#table = keep(made);
  }

  /** Gives the table back. */
  dispose(): void {
    this.#table?.cosines.dispose();
    this.#table?.sines.dispose();
    this.#table = undefined;
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
