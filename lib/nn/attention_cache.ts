/**
 * The keys and values of the tokens that an attention layer has seen, so that each new token
 * is computed once.
 */
import { unrecorded } from "../autograd/mod.ts";
import { formatShape } from "../core/shape.ts";
import { keep } from "../memory/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { checkSize, type LayerDType } from "./options.ts";

/** The sizes of an {@linkcode AttentionCache}. */
export interface AttentionCacheOptions {
  /** The most tokens that it holds. */
  tokens: number;
  /** The axes before those of tokens, heads and elements; none when left out. */
  batch?: readonly number[];
}

/** Keys and values of one attention layer, of a fixed capacity; no scope takes it. */
export class AttentionCache<D extends LayerDType = "float32"> implements Disposable {
  /** `[…batch, tokens, keyValueHeads, headSize]`, of which the first `length` tokens are in use. */
  readonly keys: Tensor<D>;
  /** The same of values. */
  readonly values: Tensor<D>;
  /** The most tokens that it holds. */
  readonly capacity: number;
  #length = 0;

  /**
   * An empty cache. `createCache` of a layer knows the last two.
   *
   * @param options How many tokens, and of what batch.
   * @param heads How many heads keys and values have.
   * @param headSize The size of each.
   * @param dtype Their dtype.
   * @throws {RangeError} When a size is no integer from 1.
   */
  constructor(options: AttentionCacheOptions, heads: number, headSize: number, dtype: D) {
    const { tokens, batch = [] } = options;
    this.capacity = checkSize("AttentionCache", "tokens", tokens);
    const shape = [...batch, tokens, heads, headSize];
    this.keys = keep(Tensor.zeros(shape, dtype));
    this.values = keep(Tensor.zeros(shape, dtype));
  }

  /** How many tokens are in use. */
  get length(): number {
    return this.#length;
  }

  /** Whether the cache was disposed of. */
  get disposed(): boolean {
    return this.keys.disposed;
  }

  /**
   * Adds tokens behind those in use.
   *
   * @param keys `[…batch, tokens, keyValueHeads, headSize]`, copied.
   * @param values The same.
   * @throws {RangeError} When they do not fit; the cache is unchanged then.
   */
  append(keys: Tensor<D>, values: Tensor<D>): void {
    const axis = this.keys.shape.length - 3;
    const tokens = keys.shape[axis];
    const end = this.#length + tokens;
    const fits = keys.shape.length === axis + 3 &&
      keys.shape.every((size, i) => i === axis || size === this.keys.shape[i]);
    if (!fits || end > this.capacity) {
      throw new RangeError(
        `AttentionCache.append: keys ${formatShape(keys.shape)} do not fit behind ` +
          `${this.#length} tokens of ${formatShape(this.keys.shape)}`,
      );
    }
    unrecorded(() => {
      using keysPlace = this.keys.slice(this.#length, end, { axis });
      using valuesPlace = this.values.slice(this.#length, end, { axis });
      keysPlace.copyFrom(keys);
      valuesPlace.copyFrom(values);
    });
    this.#length = end;
  }

  /**
   * Forgets the last tokens.
   *
   * @param length How many stay; none when left out.
   * @throws {RangeError} When there are not as many.
   */
  truncate(length = 0): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length) {
      throw new RangeError(
        `AttentionCache.truncate: ${length} is no number of tokens from 0 to ${this.#length}`,
      );
    }
    this.#length = length;
  }

  /** Gives the memory back. Doing so again is harmless. */
  dispose(): void {
    this.keys.dispose();
    this.values.dispose();
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    if (this.disposed) return "AttentionCache (disposed)";
    const { dtype, shape } = this.keys;
    return `AttentionCache of ${this.#length} tokens in ${dtype} ${formatShape(shape)}, twice`;
  }
}
