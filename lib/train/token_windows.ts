/**
 * Batches of a long text, as tokens: windows of one length, and the tokens behind each.
 *
 *     tokens    t0 t1 t2 t3 t4 t5 t6 …        windows of 3
 *     ids       [t0 t1 t2] [t3 t4 t5] …       in another order, and from another first token,
 *     targets   [t1 t2 t3] [t4 t5 t6] …       in each epoch
 */
import { Random } from "../core/random.ts";
import { Tensor } from "../tensor/mod.ts";

/** Windows, and what is to be predicted. */
export interface TokenBatch {
  /** `[windows, tokens]`. */
  readonly ids: Tensor<"int32">;
  /** The token behind each, `[windows, tokens]`. */
  readonly targets: Tensor<"int32">;
}

/** Options of {@linkcode TokenWindows}. */
export interface TokenWindowsOptions {
  /** Tokens of a window. */
  length: number;
  /** Windows of a batch; fewer where there are no more. */
  batch: number;
  /** What the order depends on; without it windows come in the order of the text. */
  seed?: number;
}

/**
 * Data for `train()`: each iteration is an epoch. The batches belong to the source, which
 * disposes of each when the next is asked for.
 *
 * @example
 * ```ts
 * import { TokenWindows } from "@quern/quern/train";
 *
 * const windows = new TokenWindows(Int32Array.of(1, 2, 3, 4, 5), { length: 2, batch: 2 });
 * for (const { ids, targets } of windows) {
 *   console.log(ids.toArray(), targets.toArray()); // [[1, 2], [3, 4]] [[2, 3], [4, 5]]
 * }
 * ```
 */
export class TokenWindows implements Iterable<TokenBatch> {
  readonly #tokens: Int32Array;
  readonly #length: number;
  readonly #batch: number;
  readonly #seed: number | undefined;
  #epoch = 0;
  #next = 0;

  /**
   * Begins before the first epoch.
   *
   * @param tokens The text, borrowed.
   * @param options The sizes, and the seed.
   * @throws {RangeError} When a size is no integer from 1, or there is no whole window.
   */
  constructor(tokens: Int32Array, options: TokenWindowsOptions) {
    const { length, batch, seed } = options;
    for (const [name, size] of Object.entries({ length, batch })) {
      if (Number.isSafeInteger(size) && size >= 1) continue;
      throw new RangeError(`TokenWindows: ${name} is ${size}, expected an integer of 1 or more`);
    }
    if (tokens.length <= length) {
      throw new RangeError(
        `TokenWindows: ${tokens.length} tokens make no window of ${length} and the token behind ` +
          `it; use a longer text, or shorter windows`,
      );
    }
    this.#tokens = tokens;
    this.#length = length;
    this.#batch = batch;
    this.#seed = seed;
  }

  /** How many batches an epoch has at least; what is left over is for the others. */
  get batches(): number {
    const windows = Math.floor((this.#tokens.length - 1) / this.#length);
    return Math.max(1, Math.floor(windows / this.#batch));
  }

  /** What is left of the epoch; the next iteration is the epoch behind it. */
  *[Symbol.iterator](): Generator<TokenBatch, void, void> {
    const starts = this.#starts();
    const count = Math.min(this.#batch, starts.length);
    const ids = new Int32Array(count * this.#length);
    const targets = new Int32Array(ids.length);
    while (this.#next + count <= starts.length) {
      for (let i = 0; i < count; i++) {
        const start = starts[this.#next + i];
        const window = this.#tokens.subarray(start, start + this.#length);
        ids.set(window, i * this.#length);
        targets.set(this.#tokens.subarray(start + 1, start + 1 + this.#length), i * this.#length);
      }
      this.#next += count;
      const shape = [count, this.#length];
      using flatIds = Tensor.from(ids, "int32");
      using flatTargets = Tensor.from(targets, "int32");
      using batchIds = flatIds.reshape(shape);
      using batchTargets = flatTargets.reshape(shape);
      yield { ids: batchIds, targets: batchTargets };
    }
    this.#epoch++;
    this.#next = 0;
  }

  /**
   * The place behind the last batch.
   *
   * @returns What `load` takes.
   */
  state(): unknown {
    return { epoch: this.#epoch, next: this.#next };
  }

  /**
   * Goes to a place.
   *
   * @param place One that `state` told, of the same text and options.
   */
  load(place: unknown): void {
    const { epoch, next } = place as { epoch: number; next: number };
    this.#epoch = epoch;
    this.#next = next;
  }

  /** Where the windows of this epoch begin, in their order. */
  #starts(): Int32Array {
    const length = this.#length;
    if (this.#seed === undefined) return startsFrom(0, this.#tokens.length, length);
    const random = new Random((this.#seed + Math.imul(this.#epoch + 1, 0x9e3779b1)) >>> 0);
    const spare = Math.min(length, this.#tokens.length - length);
    const starts = startsFrom(random.nextUint32() % spare, this.#tokens.length, length);
    for (let i = starts.length - 1; i > 0; i--) {
      const other = random.nextUint32() % (i + 1);
      [starts[i], starts[other]] = [starts[other], starts[i]];
    }
    return starts;
  }
}

function startsFrom(first: number, tokens: number, length: number): Int32Array {
  const windows = Math.floor((tokens - 1 - first) / length);
  return Int32Array.from({ length: windows }, (_, i) => first + i * length);
}
