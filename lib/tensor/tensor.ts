/**
 * Tensors: a shape, a dtype and a range of native bytes.
 *
 * A tensor owns one reference to its {@linkcode Storage}; a view made by
 * `reshape` or `slice` owns another one to the same bytes. Disposing gives the
 * reference back, and the last one gives the bytes back to the pool. All
 * tensors are dense and row-major.
 */
import { byteLengthOf, type DataOf, dataView, type DType } from "../core/dtype.ts";
import { DisposedError } from "../core/errors.ts";
import { checkShape, formatShape, type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { check, native } from "../ffi/mod.ts";
import { enterScope, leaveScope, PooledStorage, type Scoped, type Storage } from "../memory/mod.ts";
import { flatten, inferShape, nest, type NestedNumbers } from "./nested.ts";
import { formatTensor } from "./format.ts";

/** How a random tensor is filled. */
export interface RandomOptions {
  /** An integer from 0 to 2^53 - 1; drawn at random when left out. */
  seed?: number;
  /** The mean; 0 when left out. */
  mean?: number;
  /** The standard deviation; 1 when left out. */
  deviation?: number;
}

/** Returns what was forgotten: nothing depends on it, but no memory is lost for good. */
const forgotten = new FinalizationRegistry<Storage>((storage) => storage.release());

/**
 * A dense, row-major array of numbers in pool memory. Dispose of it, or bind it
 * with `using`, and the memory is used again.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * console.log(x.shape, x.get(1, 2), x.data);
 * ```
 */
export class Tensor<D extends DType = DType> implements Scoped {
  /** The sizes of the axes. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: D;
  /** The number of elements. */
  readonly size: number;
  readonly #address: bigint;
  readonly #byteOffset: number;
  #storage: Storage | undefined;
  #data: DataOf[D] | undefined;

  /**
   * A tensor over part of a storage, which it takes over one reference of.
   * User code calls `Tensor.from`, `Tensor.zeros` and the like instead.
   *
   * @param storage The bytes; the caller's reference passes to the tensor.
   * @param byteOffset Where the tensor begins in them.
   * @param shape The sizes of the axes.
   * @param dtype The element type.
   * @throws {RangeError} When the tensor does not fit into the storage.
   */
  constructor(storage: Storage, byteOffset: number, shape: Shape, dtype: D) {
    const byteLength = byteLengthOf(dtype, sizeOf(shape));
    if (byteOffset < 0 || byteOffset + byteLength > storage.byteLength) {
      throw new RangeError(
        `Tensor ${dtype} ${formatShape(shape)} at byte ${byteOffset} does not fit into ` +
          `${storage.byteLength} bytes`,
      );
    }
    this.shape = Object.freeze(shape.slice());
    this.dtype = dtype;
    this.size = sizeOf(shape);
    this.#storage = storage;
    this.#byteOffset = byteOffset;
    this.#address = byteOffset === 0 ? storage.address : storage.address + BigInt(byteOffset);
    forgotten.register(this, storage, this);
    enterScope(this);
  }

  /**
   * A tensor whose contents are unspecified, for results that are written in full.
   *
   * @param shape The sizes of the axes.
   * @param dtype The element type; float32 when left out.
   * @returns A new tensor.
   * @throws {OutOfMemoryError} When the pool has no memory for it.
   */
  static empty<D extends DType = "float32">(shape: Shape, dtype?: D): Tensor<D> {
    const type = dtype ?? ("float32" as D);
    checkShape(shape, "Tensor.empty");
    const storage = new PooledStorage(byteLengthOf(type, sizeOf(shape)));
    return new Tensor<D>(storage, 0, shape, type);
  }

  /**
   * A float32 tensor of one value.
   *
   * @param shape The sizes of the axes.
   * @param value The value of every element.
   * @returns A new tensor.
   * @throws {TypeError} When the value is not a number.
   */
  static full(shape: Shape, value: number): Tensor<"float32"> {
    if (typeof value !== "number") {
      throw new TypeError(`Tensor.full: the value is a number, not ${typeof value}`);
    }
    const tensor = Tensor.empty(shape);
    const { rows, cols } = grid(shape);
    check(native().symbols.qn_fill_f32(tensor.address, rows, cols, value), "Tensor.full");
    return tensor;
  }

  /**
   * A float32 tensor of zeros.
   *
   * @param shape The sizes of the axes.
   * @returns A new tensor.
   */
  static zeros(shape: Shape): Tensor<"float32"> {
    return Tensor.full(shape, 0);
  }

  /**
   * A float32 tensor of ones.
   *
   * @param shape The sizes of the axes.
   * @returns A new tensor.
   */
  static ones(shape: Shape): Tensor<"float32"> {
    return Tensor.full(shape, 1);
  }

  /**
   * A float32 tensor of normally distributed numbers. An element depends on the
   * seed and its index only.
   *
   * @param shape The sizes of the axes.
   * @param options The seed, mean and deviation.
   * @returns A new tensor.
   */
  static randn(shape: Shape, options: RandomOptions = {}): Tensor<"float32"> {
    const { mean = 0, deviation = 1 } = options;
    const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`Tensor.randn: a seed is an integer from 0 to 2^53 - 1, not ${seed}`);
    }
    const tensor = Tensor.empty(shape);
    const { rows, cols } = grid(shape);
    const [low, high] = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
    const status = native().symbols
      .qn_random_normal_f32(tensor.address, rows, cols, low, high, mean, deviation);
    if (status !== 0) tensor.dispose();
    check(status, "Tensor.randn", `mean ${mean}, deviation ${deviation}`);
    return tensor;
  }

  /**
   * A tensor of given values.
   *
   * @param values Nested arrays of numbers, all rows of equal length, or a typed array.
   * @param dtype The element type; float32 when left out.
   * @returns A new tensor.
   * @throws {RangeError} When the rows differ in length.
   *
   * @example
   * ```ts
   * import { Tensor } from "@quern/quern";
   *
   * using ids = Tensor.from([3, 1, 2], "int32");
   * console.log(ids.dtype, ids.shape);
   * ```
   */
  static from<D extends "float32" | "float16" | "int32" = "float32">(
    values: NestedNumbers | Float32Array | Int32Array,
    dtype?: D,
  ): Tensor<D> {
    const shape = inferShape(values, "Tensor.from");
    const tensor = Tensor.empty<D>(shape, dtype);
    flatten(values, tensor.data as DataOf["float32" | "float16" | "int32"]);
    return tensor;
  }

  /** Elements between neighbours along each axis. */
  get strides(): number[] {
    return stridesOf(this.shape);
  }

  /** The bytes that the elements take. */
  get byteLength(): number {
    return byteLengthOf(this.dtype, this.size);
  }

  /** Whether the tensor was disposed of. */
  get disposed(): boolean {
    return this.#storage === undefined;
  }

  /** The native address of the first element, for kernels. */
  get address(): bigint {
    if (this.#storage === undefined) throw this.#disposedError("used");
    return this.#address;
  }

  /** The elements as a typed array: borrowed, and valid until the tensor is disposed of. */
  get data(): DataOf[D] {
    const storage = this.#liveStorage();
    return this.#data ??= dataView(
      this.dtype,
      storage.buffer,
      storage.bufferOffset + this.#byteOffset,
      this.byteLength,
    );
  }

  /**
   * One element.
   *
   * @param indices One an axis; negative ones count from the end.
   * @returns Its value.
   * @throws {RangeError} When an index is out of range.
   * @throws {TypeError} When the dtype's storage does not show single numbers.
   */
  get(...indices: number[]): number {
    const { shape } = this;
    if (indices.length !== shape.length) {
      throw new RangeError(
        `Tensor.get: ${formatShape(shape)} takes ${shape.length} indices, not ${indices.length}`,
      );
    }
    let position = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      position = position * shape[axis] + resolveIndex(indices[axis], shape[axis], "Tensor.get");
    }
    return this.#numbers("Tensor.get")[position];
  }

  /**
   * All elements, copied.
   *
   * @returns Arrays nested as the shape is; a number for a scalar.
   */
  toArray(): NestedNumbers {
    return nest(this.#numbers("Tensor.toArray"), this.shape);
  }

  /**
   * The same elements in another shape, without a copy.
   *
   * @param shape The new shape; one axis may be -1 and is worked out.
   * @returns A view, to be disposed of by itself.
   * @throws {RangeError} When the sizes differ.
   */
  reshape(shape: Shape): Tensor<D> {
    const resolved = resolveShape(shape, this.size);
    if (resolved === undefined) {
      throw new RangeError(
        `Tensor.reshape: ${formatShape(this.shape)} has ${this.size} elements and cannot become ` +
          formatShape(shape),
      );
    }
    return this.#view(0, resolved);
  }

  /**
   * Part of the first axis, without a copy.
   *
   * @param start The first index; negative ones count from the end.
   * @param end The index after the last; the axis' size when left out.
   * @returns A view, to be disposed of by itself.
   * @throws {RangeError} When the tensor is a scalar, or an index is not an integer.
   */
  slice(start: number, end: number = this.shape[0]): Tensor<D> {
    if (this.shape.length === 0) throw new RangeError("Tensor.slice: a scalar has no axis");
    if (!Number.isInteger(start) || !Number.isInteger(end)) {
      throw new RangeError(`Tensor.slice: ${start} and ${end} are not both integers`);
    }
    const extent = this.shape[0];
    const clamp = (i: number) => Math.min(Math.max(i < 0 ? i + extent : i, 0), extent);
    const first = clamp(start);
    const last = Math.max(first, clamp(end));
    const inner = this.shape.slice(1);
    const byteOffset = byteLengthOf(this.dtype, first * sizeOf(inner));
    return this.#view(byteOffset, [last - first, ...inner]);
  }

  /**
   * A tensor of its own with the same elements.
   *
   * @returns A new tensor.
   */
  clone(): Tensor<D> {
    const { address } = this;
    const copy = Tensor.empty<D>(this.shape, this.dtype);
    copyBytes(copy.address, address, this.byteLength, "Tensor.clone");
    return copy;
  }

  /**
   * Copies all elements of another tensor of the same dtype and size.
   *
   * @param source Where to copy from.
   * @returns This tensor.
   * @throws {RangeError} When the sizes differ.
   * @throws {TypeError} When the dtypes differ.
   */
  copyFrom(source: Tensor<D>): this {
    if (source.dtype !== this.dtype) {
      throw new TypeError(`Tensor.copyFrom: ${source.dtype} cannot be copied into ${this.dtype}`);
    }
    if (source.size !== this.size) {
      throw new RangeError(
        `Tensor.copyFrom: ${formatShape(source.shape)} does not fill ${formatShape(this.shape)}`,
      );
    }
    copyBytes(this.address, source.address, this.byteLength, "Tensor.copyFrom");
    return this;
  }

  /** Gives the memory back. Doing so again is harmless; using the tensor is an error. */
  dispose(): void {
    const storage = this.#storage;
    if (storage === undefined) return;
    this.#storage = undefined;
    this.#data = undefined;
    forgotten.unregister(this);
    leaveScope(this);
    storage.release();
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return formatTensor(this);
  }

  /** What a notebook shows. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return { "text/plain": formatTensor(this) };
  }

  #view(byteOffset: number, shape: Shape): Tensor<D> {
    const storage = this.#liveStorage();
    // Made first: what it refuses must not leave a reference behind.
    const view = new Tensor(storage, this.#byteOffset + byteOffset, shape, this.dtype);
    storage.retain();
    return view;
  }

  #liveStorage(): Storage {
    if (this.#storage === undefined) throw this.#disposedError("read");
    return this.#storage;
  }

  #numbers(operation: string): ArrayLike<number> {
    if (this.dtype !== "float32" && this.dtype !== "int32" && this.dtype !== "float16") {
      throw new TypeError(
        `${operation}: ${this.dtype} elements are stored in another form; use dequantize() first`,
      );
    }
    return this.data;
  }

  #disposedError(action: string): DisposedError {
    return new DisposedError(
      `Tensor ${this.dtype} ${formatShape(this.shape)} was ${action} after it was disposed of`,
    );
  }
}

/** The most bytes that one native row may have. */
const maxRowBytes = 2 ** 30;

/**
 * Copies native bytes; the ranges may overlap.
 *
 * @param target Where to.
 * @param source Where from.
 * @param byteLength How many.
 * @param operation Named in an error.
 */
export function copyBytes(
  target: bigint,
  source: bigint,
  byteLength: number,
  operation: string,
): void {
  const { symbols } = native();
  for (let done = 0; done < byteLength; done += maxRowBytes) {
    const offset = done === 0 ? 0n : BigInt(done);
    const bytes = Math.min(byteLength - done, maxRowBytes);
    check(symbols.qn_copy(target + offset, source + offset, 1, bytes), operation);
  }
}

function grid(shape: Shape): { rows: number; cols: number } {
  const cols = shape.length === 0 ? 1 : shape[shape.length - 1];
  return { rows: cols === 0 ? 0 : sizeOf(shape) / cols, cols };
}

function resolveIndex(index: number, extent: number, operation: string): number {
  const position = index < 0 ? index + extent : index;
  if (!Number.isInteger(index) || position < 0 || position >= extent) {
    throw new RangeError(`${operation}: index ${index} is out of range for an axis of ${extent}`);
  }
  return position;
}

function resolveShape(shape: Shape, size: number): Shape | undefined {
  const open = shape.indexOf(-1);
  if (open < 0) {
    checkShape(shape, "Tensor.reshape");
    return sizeOf(shape) === size ? shape : undefined;
  }
  const rest = shape.toSpliced(open, 1);
  checkShape(rest, "Tensor.reshape");
  const known = sizeOf(rest);
  if (known === 0 || size % known !== 0) return undefined;
  const resolved = shape.with(open, size / known);
  checkShape(resolved, "Tensor.reshape");
  return resolved;
}
