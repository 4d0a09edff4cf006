/**
 * Workspaces: tensors that are asked for by name again and again, as the steps
 * of a model or a loop do, and made once.
 *
 *     get(key, shape) ── same shape and dtype ──▶ the same tensor          (hit)
 *                     ── fits the key's memory ─▶ a new tensor over it     (resized)
 *                     ── else ──────────────────▶ new memory               (miss)
 *
 * Invariants: the workspace holds one reference to each key's storage, and its
 * tensor another, so that a tensor which is disposed of from outside takes
 * nothing with it. At most one tensor a key is alive; memory that a view of an
 * older one still shows is never handed out again. The keys are at most
 * `maxKeys` and their bytes at most `limit`.
 */
import { byteLengthOf, type DType } from "../core/dtype.ts";
import { DisposedError } from "../core/errors.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../core/shape.ts";
import { formatBytes, parseSize } from "../core/sizes.ts";
import { check, native } from "../ffi/mod.ts";
import { enterScope, keep, leaveScope, PooledStorage, type Scoped } from "../memory/mod.ts";
import { noteWrite, Tensor } from "./tensor.ts";

/** The bounds of a workspace. */
export interface WorkspaceOptions {
  /** The most bytes it may hold, or a text such as `"64MiB"`; Infinity when left out. */
  limit?: number | string;
  /** The most keys it may hold; 256 when left out. */
  maxKeys?: number;
}

/** What a workspace has done and holds. */
export interface WorkspaceStats {
  /** Requests answered with the very tensor of the last one. */
  hits: number;
  /** Requests that took new memory. */
  misses: number;
  /** Requests answered with a new tensor over the key's memory. */
  resized: number;
  /** Keys given up to stay within the bounds. */
  evicted: number;
  /** Bytes held now. */
  bytes: number;
  /** Keys held now. */
  keys: number;
}

/** What stands behind a key. */
interface Entry {
  readonly key: string;
  readonly storage: PooledStorage;
  tensor: Tensor;
  /** A copy of its shape: reading a frozen array is slower. */
  extents: number[];
  /** The clock when it was last asked for. */
  used: number;
}

const defaultMaxKeys = 256;
/** The elements of a row when bytes are cleared. */
const clearedRow = 2 ** 22;

/**
 * Named tensors that are made once and used again: the fastest way to hold
 * memory. A request for the shape of the last one costs a look-up; another
 * shape reuses the memory where it fits.
 *
 * What `get` returns is borrowed. The workspace disposes of it when the key is
 * asked for in another shape or dtype, when it is evicted as the least recently
 * used to stay within the bounds, and when the workspace ends; using it then is
 * a `DisposedError`. The bounds must therefore hold what one step needs at the
 * same time. Contents are unspecified: those of the last use, usually.
 *
 * A workspace belongs to one user at a time. Its tensors are not taken by a
 * scope that happens to be open; the workspace itself is, like a tensor.
 *
 * @example
 * ```ts
 * import { add, Tensor, Workspace } from "@quern/quern";
 *
 * using x = Tensor.ones([4, 8]);
 * using workspace = new Workspace({ limit: "64MiB" });
 * for (let step = 0; step < 3; step++) {
 *   const sum = workspace.get("sum", [4, 8]);
 *   add(x, x, { out: sum });
 *   console.log(sum.get(0, 0)); // 2
 * }
 * console.log(workspace.stats().hits); // 2
 * ```
 */
export class Workspace implements Scoped {
  readonly #entries: Map<string, Entry> = new Map();
  readonly #limit: number;
  readonly #maxKeys: number;
  #disposed = false;
  #clock = 0;
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #resized = 0;
  #evicted = 0;

  /**
   * An empty workspace.
   *
   * @param options Its bounds.
   * @throws {RangeError} When a bound is not positive.
   */
  constructor(options: WorkspaceOptions = {}) {
    const { limit = Infinity, maxKeys = defaultMaxKeys } = options;
    this.#limit = limit === Infinity ? Infinity : parseSize(limit);
    if (this.#limit < 1) throw new RangeError(`Workspace: limit is 1 byte or more, not ${limit}`);
    if (maxKeys !== Infinity && !(Number.isSafeInteger(maxKeys) && maxKeys >= 1)) {
      throw new RangeError(`Workspace: maxKeys is an integer of 1 or more, not ${maxKeys}`);
    }
    this.#maxKeys = maxKeys;
    enterScope(this);
  }

  /**
   * The tensor of a key; its contents are unspecified.
   *
   * @param key Names it. Different uses that are alive together need different keys.
   * @param shape The sizes of the axes.
   * @param dtype The element type; float32 when left out.
   * @returns A tensor that the workspace owns: borrowed until the key is asked
   * for in another shape, evicted or deleted, or the workspace ends.
   * @throws {RangeError} When it alone would be larger than the limit.
   * @throws {OutOfMemoryError} When the pool has no memory for it.
   * @throws {DisposedError} When the workspace was disposed of.
   */
  get<D extends DType = "float32">(key: string, shape: Shape, dtype?: D): Tensor<D> {
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      const { tensor } = entry;
      // A tensor's shape is frozen, and so the same one means the same extents.
      const isSame = tensor.shape === shape || isShape(entry.extents, shape);
      if (isSame && tensor.dtype === (dtype ?? "float32") && !tensor.disposed) {
        entry.used = ++this.#clock;
        this.#hits++;
        return tensor as Tensor as Tensor<D>;
      }
    }
    return this.#place(entry, key, shape, dtype ?? ("float32" as D));
  }

  /**
   * The tensor of a key, cleared to zeros.
   *
   * @param key Names it.
   * @param shape The sizes of the axes.
   * @param dtype The element type; float32 when left out.
   * @returns What `get` returns.
   * @throws {RangeError} When it alone would be larger than the limit.
   *
   * @example
   * ```ts
   * import { Workspace } from "@quern/quern";
   *
   * using workspace = new Workspace();
   * console.log(workspace.zeros("total", [3]).toArray()); // [0, 0, 0]
   * ```
   */
  zeros<D extends DType = "float32">(key: string, shape: Shape, dtype?: D): Tensor<D> {
    const tensor = this.get(key, shape, dtype);
    clear(tensor);
    return tensor;
  }

  /**
   * What the workspace has done and holds.
   *
   * @returns A fresh object of plain numbers.
   */
  stats(): WorkspaceStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      resized: this.#resized,
      evicted: this.#evicted,
      bytes: this.#bytes,
      keys: this.#entries.size,
    };
  }

  /**
   * Gives up a key: its tensor is disposed of.
   *
   * @param key Names it.
   * @returns Whether there was one.
   */
  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#drop(entry);
    return entry !== undefined;
  }

  /** Gives up all keys. The workspace can be used again. */
  clear(): void {
    for (const entry of this.#entries.values()) this.#drop(entry);
  }

  /** Whether the workspace was disposed of. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Gives up all keys for good. Doing so again is harmless. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.clear();
    leaveScope(this);
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    if (this.#disposed) return "Workspace (disposed)";
    const { keys, bytes, hits, resized, misses, evicted } = this.stats();
    return `Workspace of ${keys} ${keys === 1 ? "key" : "keys"}, ${formatBytes(bytes)}: ` +
      `${hits} hits, ${resized} resized, ${misses} misses, ${evicted} evicted`;
  }

  /** Everything but a hit. */
  #place<D extends DType>(
    entry: Entry | undefined,
    key: string,
    shape: Shape,
    dtype: D,
  ): Tensor<D> {
    if (this.#disposed) {
      throw new DisposedError(`Workspace.get: ${JSON.stringify(key)} was asked for after disposal`);
    }
    checkShape(shape, "Workspace.get");
    const bytes = byteLengthOf(dtype, sizeOf(shape));
    if (bytes > this.#limit) {
      throw new RangeError(
        `Workspace.get: ${JSON.stringify(key)} ${dtype} ${formatShape(shape)} takes ` +
          `${formatBytes(bytes)}, but the limit is ${formatBytes(this.#limit)}: raise the limit`,
      );
    }
    if (entry !== undefined) {
      const resized = this.#resize(entry, bytes, shape, dtype);
      if (resized !== undefined) return resized;
      this.#drop(entry);
    }
    return this.#create(key, bytes, shape, dtype);
  }

  /** A tensor over the memory of an older one, unless that is too small or shown by a view. */
  #resize<D extends DType>(
    entry: Entry,
    bytes: number,
    shape: Shape,
    dtype: D,
  ): Tensor<D> | undefined {
    entry.tensor.dispose();
    const { storage } = entry;
    if (bytes > storage.byteLength || storage.references > 1) return undefined;
    const tensor = tensorOver(storage, shape, dtype);
    entry.tensor = tensor as Tensor;
    entry.extents = [...shape];
    entry.used = ++this.#clock;
    this.#resized++;
    return tensor;
  }

  #create<D extends DType>(key: string, bytes: number, shape: Shape, dtype: D): Tensor<D> {
    this.#makeRoom(bytes);
    const storage = new PooledStorage(bytes);
    const tensor = tensorOver(storage, shape, dtype);
    this.#entries.set(key, {
      key,
      storage,
      tensor: tensor as Tensor,
      extents: [...shape],
      used: ++this.#clock,
    });
    this.#bytes += bytes;
    this.#misses++;
    return tensor;
  }

  #makeRoom(bytes: number): void {
    while (this.#entries.size >= this.#maxKeys || this.#bytes + bytes > this.#limit) {
      let oldest: Entry | undefined;
      for (const entry of this.#entries.values()) {
        if (oldest === undefined || entry.used < oldest.used) oldest = entry;
      }
      if (oldest === undefined) return;
      this.#drop(oldest);
      this.#evicted++;
    }
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.storage.byteLength;
    entry.tensor.dispose();
    entry.storage.release();
  }
}

/** A tensor with a reference of its own, which no scope takes. */
function tensorOver<D extends DType>(storage: PooledStorage, shape: Shape, dtype: D): Tensor<D> {
  storage.retain();
  return keep(new Tensor(storage, 0, shape, dtype));
}

/** As `sameShape`, apart so that the engine sees one kind of array here. */
function isShape(extents: number[], shape: Shape): boolean {
  if (extents.length !== shape.length) return false;
  for (let axis = 0; axis < extents.length; axis++) {
    if (extents[axis] !== shape[axis]) return false;
  }
  return true;
}

const zero = new BigUint64Array(1);

/** All dtypes have a zero of zero bits. Nothing beyond the tensor is written. */
function clear(tensor: Tensor): void {
  noteWrite(tensor, "Workspace.zeros");
  const { byteLength } = tensor;
  for (let done = 0; done < byteLength; done += clearedRow) {
    const address = tensor.address + BigInt(done);
    const count = Math.min(byteLength - done, clearedRow);
    check(native().symbols.qn_fill(address, zero, 1, count, 1), "Workspace.zeros");
  }
}
