/**
 * The keys and values of a session's tokens.
 *
 * Each layer has two tensors `[capacity, keyHeads, headSize]`, of which the
 * first `length` rows are in use. The capacity doubles when it is full, up to
 * the session's context, so that a short conversation never pays for a long one.
 */
import { formatShape } from "../core/shape.ts";
import { keep } from "../memory/mod.ts";
import type { CacheShape, KeyValueCache } from "../models/mod.ts";
import { copyBytes, Tensor } from "../tensor/mod.ts";

type Floats = Tensor<"float32">;

/** The smallest capacity, in tokens. */
const smallestCapacity = 64;

/** Keys and values of every layer; grows on demand. */
export class KvCache implements KeyValueCache, Disposable {
  /** The most tokens that it may hold. */
  readonly limit: number;
  readonly #shape: CacheShape;
  readonly #rowBytes: number;
  #keys: Floats[] = [];
  #values: Floats[] = [];
  #capacity = 0;
  #length = 0;

  /**
   * An empty cache.
   *
   * @param shape The model's sizes.
   * @param limit The most tokens that it may hold.
   */
  constructor(shape: CacheShape, limit: number) {
    this.#shape = shape;
    this.#rowBytes = shape.keyHeads * shape.headSize * Float32Array.BYTES_PER_ELEMENT;
    this.limit = limit;
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#length;
  }

  /** Tokens that fit before it grows. */
  get capacity(): number {
    return this.#capacity;
  }

  /**
   * Makes room for a number of tokens at once, those in the cache included.
   *
   * @param tokens How many.
   * @throws {RangeError} When they are more than the limit.
   * @throws {OutOfMemoryError} When the pool has no memory; the cache is unchanged then.
   */
  reserve(tokens: number): void {
    if (tokens > this.limit) {
      throw new RangeError(
        `The context holds ${this.limit} tokens and ${tokens} are needed: ` +
          `shorten the prompt, or make a session with a larger contextLength`,
      );
    }
    if (tokens <= this.#capacity) return;
    const doubled = Math.max(tokens, 2 * this.#capacity, smallestCapacity);
    this.#grow(Math.min(doubled, this.limit));
  }

  /**
   * Writes the keys and values of new tokens behind those of `length`.
   *
   * @param layer Which layer.
   * @param keys `[tokens, keyHeads, headSize]`, copied.
   * @param values The shape of `keys`, copied.
   */
  write(layer: number, keys: Floats, values: Floats): void {
    this.reserve(this.#length + keys.shape[0]);
    const offset = BigInt(this.#length * this.#rowBytes);
    const bytes = keys.shape[0] * this.#rowBytes;
    copyBytes(this.#keys[layer].address + offset, keys.address, bytes, "KvCache.write");
    copyBytes(this.#values[layer].address + offset, values.address, bytes, "KvCache.write");
  }

  /**
   * A layer's keys.
   *
   * @param layer Which layer.
   * @returns `[capacity, keyHeads, headSize]`, borrowed until the next growth.
   */
  keys(layer: number): Floats {
    return this.#keys[layer];
  }

  /**
   * A layer's values.
   *
   * @param layer Which layer.
   * @returns `[capacity, keyHeads, headSize]`, borrowed until the next growth.
   */
  values(layer: number): Floats {
    return this.#values[layer];
  }

  /**
   * Says that every layer has written this many new tokens.
   *
   * @param tokens How many.
   */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  /**
   * Forgets tokens from the end.
   *
   * @param length How many stay.
   */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Gives all memory back; the cache is empty afterwards and may be used again. */
  [Symbol.dispose](): void {
    for (const tensor of [...this.#keys, ...this.#values]) tensor.dispose();
    this.#keys = [];
    this.#values = [];
    this.#capacity = 0;
    this.#length = 0;
  }

  /** Text for debugging. */
  [Symbol.for("Deno.customInspect")](): string {
    const shape = [this.#capacity, this.#shape.keyHeads, this.#shape.headSize];
    return `KvCache ${this.#length} tokens in ${this.#shape.layers} × 2 × ${formatShape(shape)}`;
  }

  /** Moves to larger tensors layer by layer; a refusal leaves the layers usable as they were. */
  #grow(capacity: number): void {
    const made: Floats[] = [];
    const { layers, keyHeads, headSize } = this.#shape;
    try {
      for (let i = 0; i < 2 * layers; i++) {
        made.push(keep(Tensor.empty([capacity, keyHeads, headSize])));
      }
    } catch (error) {
      for (const tensor of made) tensor.dispose();
      throw error;
    }
    const bytes = this.#length * this.#rowBytes;
    const old = [...this.#keys, ...this.#values];
    old.forEach((tensor, i) => {
      copyBytes(made[i].address, tensor.address, bytes, "KvCache.grow");
      tensor.dispose();
    });
    this.#keys = made.slice(0, layers);
    this.#values = made.slice(layers);
    this.#capacity = capacity;
  }
}
