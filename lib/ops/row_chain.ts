/**
 * Chains of layers over rows: products, norms and gates, each of which makes rows of one slot
 * from the same rows of another, in one native call.
 *
 * One call a layer of its own sends all rows of a large batch through the last cache each
 * time, and makes threads wait for each other and for JavaScript. A chain takes a few rows
 * at a time through all of its steps. Each row has the same bits as by the operations that the
 * steps are named after. No gradients pass through a chain.
 */
import { formatShape } from "../core/shape.ts";
import { ChainField, ChainKind, check, native } from "../ffi/mod.ts";
import { noteWrite, packedAddress, type Tensor } from "../tensor/mod.ts";
import { type Activation, activationCodes, type Precision } from "./linear.ts";
import { areDense } from "./operands.ts";
import { exactForm, fastForm, type PackedForm } from "./packed_form.ts";

type Floats = Tensor<"float32">;

/** `to = activation(residual + from · weightᵀ + bias)`, as `linear`; slots by number. */
export interface LinearStep {
  /** Which step it is. */
  readonly kind: "linear";
  /** The slot that is read. */
  readonly from: number;
  /** The slot that is written; another. */
  readonly to: number;
  /** `[to, from]` columns. */
  readonly weight: Floats;
  /** `[to]`. */
  readonly bias?: Floats;
  /** The slot that the product is added to. */
  readonly residual?: number;
  /** Applied last. */
  readonly activation?: Activation;
}

/** `to = (from - mean) / deviation · weight + bias`, as `layerNorm`. */
export interface NormStep {
  /** Which step it is. */
  readonly kind: "layerNorm";
  /** The slot that is read. */
  readonly from: number;
  /** The slot that is written; it may be the same. */
  readonly to: number;
  /** `[to]`. */
  readonly weight: Floats;
  /** `[to]`. */
  readonly bias: Floats;
  /** Added to the variance. */
  readonly epsilon: number;
}

/** `to = silu(from) · to`, as `swiglu`. */
export interface GateStep {
  /** Which step it is. */
  readonly kind: "swiglu";
  /** The slot that is read. */
  readonly from: number;
  /** The slot that is read and written; another. */
  readonly to: number;
}

/** A step of a chain. */
export type ChainStep = LinearStep | NormStep | GateStep;

/** A chain that is made once and run for many batches. */
export class RowChain {
  readonly #columns: readonly number[];
  readonly #steps: readonly ChainStep[];
  /** An address and a number of columns for each slot. */
  readonly #slotWords: BigUint64Array<ArrayBuffer>;
  readonly #stepWords: BigUint64Array<ArrayBuffer>;
  readonly #written: readonly number[];

  /**
   * Prepares a chain. It borrows the weights.
   *
   * @param columns Those of each slot, up to 16.
   * @param steps What is done, one after the other, up to 16.
   * @throws {RangeError} When a weight does not fit the slots of its step.
   */
  constructor(columns: readonly number[], steps: readonly ChainStep[]) {
    this.#columns = columns;
    this.#steps = steps;
    this.#slotWords = new BigUint64Array(2 * columns.length);
    columns.forEach((count, i) => this.#slotWords[2 * i + 1] = BigInt(count));
    this.#stepWords = new BigUint64Array(ChainField.FIELDS * steps.length);
    this.#written = [...new Set(steps.map(({ to }) => to))];
    const floats = new Float64Array(this.#stepWords.buffer);
    steps.forEach((step, i) => {
      checkStep(columns, step);
      const at = ChainField.FIELDS * i;
      this.#stepWords[at + ChainField.FROM] = BigInt(step.from);
      this.#stepWords[at + ChainField.TO] = BigInt(step.to);
      if (step.kind === "linear") {
        const { residual, activation = "none" } = step;
        if (residual !== undefined) {
          this.#stepWords[at + ChainField.RESIDUAL] = BigInt(residual + 1);
        }
        this.#stepWords[at + ChainField.SCALAR] = BigInt(activationCodes[activation]);
      } else {
        const isNorm = step.kind === "layerNorm";
        this.#stepWords[at] = BigInt(isNorm ? ChainKind.LAYER_NORM : ChainKind.SWIGLU);
        if (isNorm) floats[at + ChainField.SCALAR] = step.epsilon;
      }
    });
  }

  /**
   * Takes rows through the chain.
   *
   * @param slots The tensors of the first slots, `[rows, columns]`, dense and apart from each
   * other; slots behind them have memory of their own during the call.
   * @param rows How many.
   * @param precision How products treat their operands.
   * @throws {RangeError} When a tensor does not fit its slot, or a step reads a slot that holds
   * nothing yet.
   * @throws {OutOfMemoryError} When there is no memory for a copy of a weight or a slot.
   */
  run(slots: readonly Floats[], rows: number, precision: Precision): void {
    this.#placeSlots(slots, rows);
    this.#placeWeights(precision === "fast" ? fastForm() : exactForm);
    const { length } = this.#columns;
    const status = native().symbols.qn_row_chain_f32(
      this.#slotWords,
      this.#stepWords,
      length,
      this.#steps.length,
      rows,
    );
    check(status, "RowChain", `${rows} rows, slots ${formatShape(this.#columns)}`);
  }

  #placeSlots(slots: readonly Floats[], rows: number): void {
    for (let i = 0; i < slots.length; i++) {
      const tensor = slots[i];
      const { shape } = tensor;
      if (
        shape.length !== 2 || shape[0] !== rows || shape[1] !== this.#columns[i] ||
        !areDense(tensor)
      ) {
        throw new RangeError(
          `RowChain: slot ${i} is ${formatShape(shape)}, expected a dense ` +
            formatShape([rows, this.#columns[i]]),
        );
      }
      this.#slotWords[2 * i] = tensor.address;
    }
    for (let i = slots.length; i < this.#columns.length; i++) this.#slotWords[2 * i] = 0n;
    for (let i = 0; i < this.#written.length; i++) {
      const slot = this.#written[i];
      if (slot < slots.length) noteWrite(slots[slot], "RowChain");
    }
  }

  #placeWeights({ chainKind, bytesOf, pack }: PackedForm): void {
    const words = this.#stepWords;
    for (let i = 0; i < this.#steps.length; i++) {
      const step = this.#steps[i];
      if (step.kind === "swiglu") continue;
      const at = ChainField.FIELDS * i;
      const { weight, bias } = step;
      words[at + ChainField.BIAS] = bias === undefined ? 0n : bias.address;
      if (step.kind === "layerNorm") {
        words[at + ChainField.WEIGHT] = weight.address;
      } else {
        words[at] = chainKind;
        words[at + ChainField.WEIGHT] = packedAddress(weight, bytesOf, pack);
      }
    }
  }
}

function checkStep(columns: readonly number[], step: ChainStep): void {
  if (step.kind === "swiglu") return;
  const [from, to] = [columns[step.from], columns[step.to]];
  const { weight, bias } = step;
  const fits = step.kind === "linear"
    ? weight.shape.length === 2 && weight.shape[0] === to && weight.shape[1] === from
    : from === to && isRow(weight, to);
  if (fits && (bias === undefined || isRow(bias, to))) return;
  throw new RangeError(
    `RowChain: a ${step.kind} from ${from} to ${to} columns does not fit weight ` +
      `${formatShape(weight.shape)}${
        bias === undefined ? "" : `, bias ${formatShape(bias.shape)}`
      }`,
  );
}

function isRow(tensor: Floats, columns: number): boolean {
  return tensor.shape.length === 1 && tensor.shape[0] === columns && areDense(tensor);
}
