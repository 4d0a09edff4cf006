/**
 * Tensors: a shape, a dtype, and where the elements lie in a range of native bytes.
 *
 * A new tensor holds a block of the pool by itself. With its first view the block
 * becomes a {@linkcode Storage}, of which the tensor and each view own a reference.
 * The last to be disposed of gives the bytes back to the pool. The memory may be
 * larger than a tensor: what it copies and shows is counted from its shape.
 *
 * Most tensors are dense. A view that is not has the strides of `layout.ts`;
 * operations make it dense before they use it.
 *
 * The file is as long as the class, all of which needs the private fields. Its members are
 * in this order: making a tensor, what it tells of itself, its elements, views, copies, other
 * holders of its memory, its end. What they do is in the files beside this one: `make.ts`
 * and `fill.ts`, `nested.ts`, `layout.ts` and `part.ts`, `copy.ts`, `share.ts`, `lifetime.ts`.
 */
import {
  byteLengthOf,
  type DataOf,
  type DType,
  type ElementOf,
  type Floating,
  isPlain,
  type PlainDType,
} from "../core/dtype.ts";
import { type ElementSource, readElement } from "../core/element.ts";
import { type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { Block } from "../memory/block.ts";
import { enterScope, leaveScope, pool, type Scoped, type Storage } from "../memory/mod.ts";
import type { EpochToken } from "../memory/net.ts";
import { observer } from "../memory/observer.ts";
import { BlockStorage, freeBlock, holderOf } from "./block_storage.ts";
import { checkCopy, copyTensor, fillCopy } from "./copy.ts";
import type { RandomOptions } from "./fill.ts";
import { formatTensor } from "./format.ts";
import {
  broadcastStrides,
  diagonalLayout,
  keptShape,
  positionOf,
  reshapeStrides,
  resolveAxes,
  resolveIndex,
  resolveRange,
  resolveShape,
  spanOf,
  squeezeAxes,
} from "./layout.ts";
import { endedError, endOf, noteEnded, noteMade, noteMoved } from "./lifetime.ts";
import {
  make,
  makeArange,
  makeEye,
  makeFrom,
  makeFull,
  makeLinspace,
  makeNormal,
  type SequenceDType,
} from "./make.ts";
import { nest, type Nested, type Source } from "./nested.ts";
import { checkPlace, noDataError, notNumericError, Part, type SliceOptions } from "./part.ts";
import { type Counted, countWrite, PackedCopy, type Packer } from "./packed_copy.ts";
import { claimTicket, type SharedTensor, type ShareOptions, ticketOf } from "./share.ts";
import {
  type BackwardOptions,
  memoryNotes,
  recorder,
  type Trace,
  tracing,
  type ViewGradient,
} from "./trace.ts";
import {
  broadcastGradient,
  diagonalGradient,
  reshapeGradient,
  sameGradient,
  sliceGradient,
  transposeGradient,
} from "./view_gradients.ts";

/** What a tensor has when it is a weight, or when gradients are wanted. */
class Rare {
  /** A weight's copies for kernels: one for each function that packs. */
  packed: PackedCopy[] | undefined = undefined;
  /** How the tensor was made. */
  trace: Trace | undefined = undefined;

  end(): void {
    this.trace?.ended();
    for (const copy of this.packed ?? []) copy.release();
  }
}

/** Whether two tensors' ranges of memory, from first to last element, have a byte in common. */
export let overlaps: (a: Tensor, b: Tensor) => boolean;

/** Tells the packed copies of a tensor's memory, and its trace, that an operation writes to it. */
export let noteWrite: (tensor: Tensor, operation: string) => void;

/** What a tensor knows of how it was made, for gradients. */
export let traceOf: (tensor: Tensor) => Trace | undefined;

/** Gives a tensor a trace, or takes it away; the one that it had has ended by then. */
export let setTrace: (tensor: Tensor, trace: Trace | undefined) => void;

/** What holds a tensor's elements, and counts the writes to them. */
export let countedMemory: (tensor: Tensor) => Counted;

/** Whether other tensors show the same memory, besides those that gradients hold. */
export let isShown: (tensor: Tensor) => boolean;

/** A tensor of the same elements for the time until gradients were computed, of no scope. */
export let holdTensor: <D extends DType>(tensor: Tensor<D>) => Tensor<D>;

/** Gives back what {@linkcode holdTensor} gave. */
export let releaseHeld: (tensor: Tensor) => void;

/** The elements of a new tensor, to write the first values: not counted as `data` is. */
export let firstElements: <D extends DType>(tensor: Tensor<D>) => DataOf[D];

/** The address of the copy of a tensor that `pack` makes, where there is no fresh one of it. */
export let packedAddress: (
  tensor: Tensor,
  bytesOf: (tensor: Tensor) => number,
  pack: Packer,
) => bigint;

/**
 * An array of numbers in pool memory, used again once the tensor is disposed of.
 *
 * @example
 * ```ts
 * import { Tensor } from "@quern/quern";
 *
 * using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
 * using turned = x.transpose();
 * console.log(x.shape, x.get(1, 2), x.data, turned.toArray());
 * ```
 */
export class Tensor<D extends DType = DType> implements Scoped {
  /** The sizes of the axes. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: D;
  #memory: Block | Storage | undefined;
  /** What the finalisation net gave for a block that no other tensor holds. */
  #token: EpochToken | undefined;
  /** Undefined for a dense tensor at the start of its memory, as new ones are. */
  #part: Part | undefined;
  /** What most tensors do not have. */
  #rare: Rare | undefined;

  static {
    firstElements = (tensor) => tensor.#show(tensor.#live("firstElements"));
    noteWrite = (tensor, operation) => {
      const memory = tensor.#live("noteWrite");
      if (tracing) {
        tensor.#rare?.trace?.wrote(operation);
        memoryNotes(memory).writer = operation;
      }
      countWrite(memory);
    };
    traceOf = (tensor) => tensor.#rare?.trace;
    setTrace = (tensor, trace) => {
      if (trace !== undefined) (tensor.#rare ??= new Rare()).trace = trace;
      else if (tensor.#rare !== undefined) tensor.#rare.trace = undefined;
    };
    countedMemory = (tensor) => tensor.#live("countedMemory");
    isShown = (tensor) => {
      const memory = tensor.#live("isShown");
      return !(memory instanceof Block) && memory.references - memoryNotes(memory).held > 1;
    };
    holdTensor = (tensor) => {
      const held = tensor.#view(0, tensor.shape, tensor.#part?.strides);
      leaveScope(held);
      memoryNotes(held.#live("holdTensor")).held++;
      return held;
    };
    releaseHeld = (held) => {
      memoryNotes(held.#live("releaseHeld")).held--;
      held.dispose();
    };
    packedAddress = (tensor, bytesOf, pack) => {
      const memory = tensor.#live("packedAddress");
      const copies = (tensor.#rare ??= new Rare()).packed ??= [];
      // Without a closure, which every call would make.
      let copy = copies.length > 0 && copies[0].pack === pack ? copies[0] : undefined;
      for (let i = 1; copy === undefined && i < copies.length; i++) {
        if (copies[i].pack === pack) copy = copies[i];
      }
      if (copy === undefined) copies.push(copy = new PackedCopy(bytesOf(tensor), pack));
      return copy.fresh(memory, tensor);
    };
    overlaps = (a, b) => {
      const first = a.#live("overlaps");
      const second = b.#live("overlaps");
      // The same memory begins at the same address, also when it was claimed a second time.
      if (first !== second && first.address !== second.address) return false;
      const start = a.#part === undefined ? 0 : a.#part.byteOffset;
      const other = b.#part === undefined ? 0 : b.#part.byteOffset;
      return start < other + b.#spanBytes() && other < start + a.#spanBytes();
    };
  }

  /**
   * A tensor over part of a storage, which it takes over one reference of, or of a block.
   * User code calls `Tensor.from`, `Tensor.zeros` and the like instead.
   *
   * @param memory The bytes; the caller's reference, or block, passes to the tensor.
   * @param byteOffset Where the tensor begins in them.
   * @param shape The sizes of the axes.
   * @param dtype The element type.
   * @param strides Elements between neighbours along each axis; row-major when left out.
   * @throws {RangeError} When the tensor does not fit into the memory.
   * @throws {TypeError} When a quantised tensor would not be row-major.
   */
  constructor(
    memory: Block | Storage,
    byteOffset: number,
    shape: Shape,
    dtype: D,
    strides?: readonly number[],
  ) {
    const layout = checkPlace(memory.byteLength, byteOffset, shape, dtype, strides);
    this.shape = keptShape(shape);
    this.dtype = dtype;
    this.#memory = memory;
    if (byteOffset !== 0 || layout !== undefined) {
      this.#part = new Part(memory, byteOffset, layout);
    }
    if (memory instanceof Block) {
      this.#token = pool.watch(memory);
      memory.writes = 0;
      observer?.allocated(this, memory.requested);
    }
    noteMade(this);
    enterScope(this);
    observer?.tensorMade?.(this, holderOf(memory, this));
  }

  /**
   * A tensor whose contents are unspecified, for results that are written in full.
   *
   * @param shape The sizes of the axes.
   * @param dtype The element type; float32 when left out.
   * @returns A new tensor.
   * @throws {RangeError} When it is not a shape.
   * @throws {OutOfMemoryError} When the pool has no memory for it.
   */
  static empty<D extends DType = "float32">(shape: Shape, dtype?: D): Tensor<D> {
    return make("Tensor.empty", shape, dtype ?? ("float32" as D));
  }

  /**
   * A tensor of one value.
   *
   * @param shape The sizes of the axes.
   * @param value The value of every element: a number, a bigint for int64, a boolean for bool.
   * @param dtype The element type; float32 when left out.
   * @returns A new tensor.
   * @throws {TypeError} When the value is something else.
   */
  static full<D extends PlainDType = "float32">(
    shape: Shape,
    value: ElementSource,
    dtype?: D,
  ): Tensor<D> {
    return makeFull("Tensor.full", shape, value, dtype);
  }

  /**
   * A tensor of zeros.
   *
   * @param shape The sizes of the axes.
   * @param dtype The element type; float32 when left out.
   * @returns A new tensor.
   */
  static zeros<D extends PlainDType = "float32">(shape: Shape, dtype?: D): Tensor<D> {
    return makeFull("Tensor.zeros", shape, 0, dtype);
  }

  /**
   * A tensor of ones.
   *
   * @param shape The sizes of the axes.
   * @param dtype The element type; float32 when left out.
   * @returns A new tensor.
   */
  static ones<D extends PlainDType = "float32">(shape: Shape, dtype?: D): Tensor<D> {
    return makeFull("Tensor.ones", shape, 1, dtype);
  }

  /**
   * A tensor of normally distributed numbers. An element depends on the seed and its
   * index only.
   *
   * @param shape The sizes of the axes.
   * @param options The dtype, float32 when left out; the seed, mean and deviation.
   * @returns A new tensor.
   * @throws {RangeError} When the seed is not an integer, or the deviation is negative.
   * @throws {TypeError} When the dtype does not stand for real numbers.
   */
  static randn<D extends Floating = "float32">(
    shape: Shape,
    options: RandomOptions<D> = {},
  ): Tensor<D> {
    return makeNormal(shape, options);
  }

  /**
   * A tensor of given values.
   *
   * @param values Nested arrays of numbers, all rows of equal length, or a typed array; for
   *   int64 also of bigints, for bool of booleans.
   * @param dtype The element type; float32 when left out.
   * @returns A new tensor.
   * @throws {RangeError} When the rows differ in length.
   * @throws {TypeError} When something in it is of another kind, or the dtype is quantised.
   */
  static from<D extends PlainDType = "float32">(values: Source, dtype?: D): Tensor<D> {
    return makeFrom(values, dtype);
  }

  /**
   * The numbers from `start`, `step` apart, before `stop`, as NumPy's `arange`. Of one
   * number alone: those from 0 before it.
   *
   * @param start The first.
   * @param stop What the last comes before.
   * @param step The distance, not 0; 1 when left out.
   * @param dtype Any but bool and the quantised; float32 when left out.
   * @returns A vector; an empty one when there is none between.
   * @throws {RangeError} When a number is not finite or, for integers, no integer that fits.
   *
   * @example
   * ```ts
   * import { Tensor } from "@quern/quern";
   *
   * using x = Tensor.arange(3);
   * using y = Tensor.arange(10, 0, -4, "int32");
   * console.log(x.toArray(), y.toArray()); // [0, 1, 2] [10, 6, 2]
   * ```
   */
  static arange<D extends SequenceDType = "float32">(
    start: number,
    stop?: number,
    step?: number,
    dtype?: D,
  ): Tensor<D> {
    return stop === undefined
      ? makeArange(0, start, step ?? 1, dtype)
      : makeArange(start, stop, step ?? 1, dtype);
  }

  /**
   * Numbers at equal distances, the first and the last of which are given.
   *
   * @param start The first.
   * @param stop The last.
   * @param count How many.
   * @param dtype A floating-point dtype; float32 when left out.
   * @returns A vector.
   * @throws {RangeError} When a number is not finite, or the count is no size.
   */
  static linspace<D extends Floating = "float32">(
    start: number,
    stop: number,
    count: number,
    dtype?: D,
  ): Tensor<D> {
    return makeLinspace(start, stop, count, dtype);
  }

  /**
   * A matrix with 1 on its diagonal and 0 elsewhere.
   *
   * @param rows How many rows.
   * @param cols How many columns; as many as rows when left out.
   * @param dtype The element type; float32 when left out.
   * @returns A new tensor.
   */
  static eye<D extends PlainDType = "float32">(
    rows: number,
    cols?: number,
    dtype?: D,
  ): Tensor<D> {
    return makeEye(rows, cols ?? rows, dtype);
  }

  /**
   * A tensor over memory that another isolate shared; both see what either writes.
   *
   * @param ticket What `share` returned there.
   * @returns A tensor, to be disposed of by itself.
   * @throws {TypeError} When it is not a ticket.
   * @throws {Error} When it was claimed as often as it was shared for, or the memory was given back.
   */
  static fromShared(ticket: SharedTensor): Tensor {
    return claimTicket(ticket, (memory, { byteOffset, shape, dtype, strides }) => {
      return new Tensor(memory, byteOffset, shape, dtype, strides);
    });
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Elements between neighbours along each axis. */
  get strides(): number[] {
    return this.#part?.strides?.slice() ?? stridesOf(this.shape);
  }

  /** Whether the elements lie side by side in row-major order. */
  get isContiguous(): boolean {
    return this.#part?.strides === undefined;
  }

  /** The bytes that the elements take. */
  get byteLength(): number {
    return byteLengthOf(this.dtype, this.size);
  }

  /** Whether the tensor was disposed of, or moved. */
  get disposed(): boolean {
    return this.#memory === undefined;
  }

  /** The native address of the first element, for kernels. */
  get address(): bigint {
    const memory = this.#live("Tensor.address");
    return this.#part === undefined ? memory.address : this.#part.address;
  }

  /**
   * The elements as a typed array: borrowed, and valid until the tensor is disposed of.
   * A view that is not contiguous has no such array: it throws a TypeError.
   */
  get data(): DataOf[D] {
    const memory = this.#live("Tensor.data");
    if (!this.isContiguous) throw noDataError(this);
    memory.writes = -1;
    return this.#show(memory);
  }

  /**
   * One element.
   *
   * @param indices One an axis; negative ones count from the end.
   * @returns A number; a bigint for int64; 0 or 1 for bool.
   * @throws {RangeError} When an index is out of range.
   * @throws {TypeError} When the dtype is quantised.
   */
  get(...indices: number[]): ElementOf<D> {
    const read = this.#reader("Tensor.get");
    return read(positionOf(indices, this.shape, this.#part?.strides, "Tensor.get"));
  }

  /**
   * All elements, copied.
   *
   * @returns Arrays nested as the shape is, of what `get` gives; one element for a scalar.
   */
  toArray(): Nested<ElementOf<D>> {
    return nest(this.#reader("Tensor.toArray"), this.shape, this.strides);
  }

  /**
   * The same elements in another shape: a view where the strides allow it, which
   * they always do for a contiguous tensor; else a copy.
   *
   * @param shape The new shape; one axis may be -1 and is worked out.
   * @returns A tensor, to be disposed of by itself.
   * @throws {RangeError} When the sizes differ.
   */
  reshape(shape: Shape): Tensor<D> {
    this.#live("Tensor.reshape");
    const resolved = resolveShape(shape, this.shape, "Tensor.reshape");
    const strides = this.isContiguous
      ? undefined
      : reshapeStrides(this.shape, this.strides, resolved);
    if (this.isContiguous || strides !== undefined) {
      return this.#reshaped(resolved, strides, "reshape");
    }
    const copy = this.clone();
    const reshaped = copy.#reshaped(resolved, undefined, "reshape");
    copy.dispose();
    return reshaped;
  }

  /**
   * Part of an axis, without a copy.
   *
   * @param start The first index; negative ones count from the end.
   * @param end The index after the last; the axis' size when left out.
   * @param options The axis, the first when left out.
   * @returns A view, to be disposed of by itself.
   * @throws {RangeError} When there is no such axis, or an index is not an integer.
   */
  slice(start: number, end?: number, options: SliceOptions = {}): Tensor<D> {
    this.#live("Tensor.slice");
    const axis = resolveIndex(options.axis ?? 0, this.shape.length, "Tensor.slice", "axis");
    const [first, last] = resolveRange(start, end, this.shape[axis], "Tensor.slice");
    const { strides } = this;
    const shape = this.shape.with(axis, last - first);
    const view = this.#view(byteLengthOf(this.dtype, first * strides[axis]), shape, strides);
    if (this.#rare?.trace === undefined) return view;
    return this.#derive(view, "slice", sliceGradient(this.shape, first, last, axis));
  }

  /**
   * The axes in another order, without a copy. Quantised tensors cannot be
   * transposed; `dequantize` them first.
   *
   * @param axes The axes in their new order, each once; reversed when left out.
   * @returns A view, to be disposed of by itself.
   * @throws {RangeError} When the axes are not those of the tensor.
   * @throws {TypeError} When the dtype is quantised.
   */
  transpose(...axes: number[]): Tensor<D> {
    this.#live("Tensor.transpose");
    const order = resolveAxes(axes, this.shape.length, "Tensor.transpose");
    const { strides } = this;
    const shape = order.map((axis) => this.shape[axis]);
    const view = this.#view(0, shape, order.map((axis) => strides[axis]));
    if (this.#rare?.trace === undefined) return view;
    return this.#derive(view, "transpose", transposeGradient(order));
  }

  /**
   * The same elements with one more axis, of size 1.
   *
   * @param axis Where it is in the result; counted from the end when negative.
   * @returns A view, to be disposed of by itself.
   * @throws {RangeError} When there is no such axis.
   */
  unsqueeze(axis: number): Tensor<D> {
    this.#live("Tensor.unsqueeze");
    const place = resolveIndex(axis, this.shape.length + 1, "Tensor.unsqueeze", "axis");
    const strides = this.strides.toSpliced(place, 0, 1);
    return this.#reshaped(this.shape.toSpliced(place, 0, 1), strides, "unsqueeze");
  }

  /**
   * The same elements without axes of size 1.
   *
   * @param axes Which; all of them when left out.
   * @returns A view, to be disposed of by itself.
   * @throws {RangeError} When a named axis is not of size 1.
   */
  squeeze(...axes: number[]): Tensor<D> {
    this.#live("Tensor.squeeze");
    const named = axes.length === 0 ? undefined : axes;
    const own = { shape: [...this.shape], strides: this.strides };
    const { shape, strides } = squeezeAxes(own, named, "Tensor.squeeze");
    return this.#reshaped(shape, strides, "squeeze");
  }

  /**
   * The elements repeated to fill a larger shape, without a copy, as NumPy broadcasts. A
   * view that shows an element more than once cannot be written to.
   *
   * @param shape The larger shape.
   * @returns A view, to be disposed of by itself.
   * @throws {RangeError} When the tensor does not broadcast to it.
   * @throws {TypeError} When the dtype is quantised.
   *
   * @example
   * ```ts
   * import { Tensor } from "@quern/quern";
   *
   * using column = Tensor.from([[1], [2]]);
   * using wide = column.broadcastTo([2, 3]);
   * console.log(wide.toArray()); // [[1, 1, 1], [2, 2, 2]]
   * ```
   */
  broadcastTo(shape: Shape): Tensor<D> {
    this.#live("Tensor.broadcastTo");
    const strides = broadcastStrides(shape, this.shape, this.strides, "Tensor.broadcastTo");
    const view = this.#view(0, shape, strides);
    if (this.#rare?.trace === undefined) return view;
    return this.#derive(view, "broadcastTo", broadcastGradient(this.shape));
  }

  /**
   * A diagonal of two axes, without a copy: its elements are the last axis of the view.
   *
   * @param offset How far right of the main diagonal; left of it when negative.
   * @param rows The axis of the rows.
   * @param cols The axis of the columns.
   * @returns A view, to be disposed of by itself.
   * @throws {RangeError} When the axes are not two of the tensor's.
   * @throws {TypeError} When the dtype is quantised.
   */
  diagonal(offset = 0, rows = 0, cols = 1): Tensor<D> {
    this.#live("Tensor.diagonal");
    const own = { shape: [...this.shape], strides: this.strides };
    const { shape, strides, start } = diagonalLayout(own, offset, [rows, cols], "Tensor.diagonal");
    const view = this.#view(byteLengthOf(this.dtype, start), shape, strides);
    if (this.#rare?.trace === undefined) return view;
    return this.#derive(view, "diagonal", diagonalGradient(this.shape, offset, rows, cols));
  }

  /**
   * The same elements in the same shape, side by side: a view when they are
   * already, else a copy.
   *
   * @returns A contiguous tensor, to be disposed of by itself.
   */
  contiguous(): Tensor<D> {
    this.#live("Tensor.contiguous");
    return this.isContiguous ? this.#reshaped(this.shape, undefined, "contiguous") : this.clone();
  }

  /**
   * A contiguous tensor of its own with the same elements.
   *
   * @returns A new tensor.
   */
  clone(): Tensor<D> {
    this.#live("Tensor.clone");
    const copy = fillCopy(make("Tensor.clone", this.shape, this.dtype), this, "Tensor.clone");
    return this.#rare?.trace === undefined ? copy : this.#derive(copy, "clone", sameGradient);
  }

  /**
   * Copies all elements of another tensor of the same dtype and size, in row-major
   * order. The two may share memory.
   *
   * @param source Where to copy from.
   * @returns This tensor.
   * @throws {RangeError} When the sizes differ.
   * @throws {TypeError} When the dtypes differ.
   */
  copyFrom(source: Tensor<D>): this {
    const operation = "Tensor.copyFrom";
    this.#live(operation);
    if (!(source instanceof Tensor)) throw new TypeError(`${operation}: the source is no tensor`);
    checkCopy(this, source, operation);
    noteWrite(this, operation);
    copyTensor(this, source, operation);
    if (source.#rare?.trace === undefined || source === this) return this;
    recorder().copied(source, this, operation, reshapeGradient(source.shape));
    return this;
  }

  /**
   * Whether gradients are computed of what is made from this tensor. Setting it makes a leaf
   * of the tensor, whose gradients are summed up in `grad`; a tensor that an operation made has
   * it where one of the operands had.
   *
   * @example
   * ```ts
   * import { mul, sum, Tensor } from "@quern/quern";
   *
   * using x = Tensor.from([1, 2, 3]);
   * x.requiresGrad = true;
   * using squares = mul(x, x);
   * using total = sum(squares);
   * total.backward();
   * console.log(x.grad?.toArray()); // [2, 4, 6]
   * ```
   */
  get requiresGrad(): boolean {
    return this.#rare?.trace?.requiresGrad === true;
  }

  set requiresGrad(wanted: boolean) {
    this.#live("Tensor.requiresGrad");
    const trace = this.#rare?.trace;
    if (wanted) {
      if (trace?.requiresGrad !== true) setTrace(this, recorder().leaf(this));
    } else if (trace !== undefined) {
      if (!trace.isLeaf) {
        throw new Error(
          "Tensor.requiresGrad: an operation made this tensor; use detach() for one without gradient",
        );
      }
      trace.ended();
      setTrace(this, undefined);
    }
  }

  /** The gradients of a leaf, summed up; undefined before the first, and after `zeroGrad`. */
  get grad(): Tensor<D> | undefined {
    return this.#rare?.trace?.gradient as Tensor<D> | undefined;
  }

  /** Gives the gradient back to the pool, if there is one. */
  zeroGrad(): void {
    this.#rare?.trace?.dropGradient();
  }

  /**
   * Computes the gradient of this tensor with respect to every leaf that it was made from, and
   * adds it to theirs. What the operations kept for that goes back to the pool on the way.
   *
   * @param options The gradient to begin with; whether to keep what the operations kept.
   * @throws {Error} When no operation was recorded, or what one of them needs was overwritten.
   * @throws {RangeError} When the tensor has more than one element, and no gradient is given.
   */
  backward(options: BackwardOptions = {}): void {
    this.#live("Tensor.backward");
    if (this.#rare?.trace === undefined) {
      throw new Error(
        "Tensor.backward: no operation that led to this tensor was recorded: set requiresGrad of " +
          "what it is made from, and make it outside of noGrad",
      );
    }
    this.#rare?.trace.backward(this, options);
  }

  /**
   * The same elements without their history: gradients do not pass through it.
   *
   * @returns A view, to be disposed of by itself.
   */
  detach(): Tensor<D> {
    this.#live("Tensor.detach");
    return this.#view(0, this.shape, this.#part?.strides);
  }

  /**
   * Passes the elements on to a new handle, which belongs to the scope that `move` is
   * called in. This one counts as disposed of: whoever still uses it gets an error.
   *
   * @returns A tensor with the same elements.
   */
  move(): Tensor<D> {
    const storage = this.#share("Tensor.move");
    const part = this.#part;
    const moved = new Tensor(storage, part?.byteOffset ?? 0, this.shape, this.dtype, part?.strides);
    setTrace(moved, this.#rare?.trace);
    setTrace(this, undefined);
    noteMoved(this);
    this.#leave();
    return moved;
  }

  /**
   * Lets other isolates (workers) use the same elements. The memory stays until all
   * have claimed it, also when this tensor is disposed of or this isolate ends before.
   *
   * @param options How many will claim it; 1 when left out.
   * @returns A ticket for `postMessage`, good for one `Tensor.fromShared` in each receiver.
   * @throws {RangeError} When the number of receivers is not an integer of 1 or more.
   *
   * @example
   * ```ts
   * import { Tensor } from "@quern/quern";
   *
   * const x = Tensor.from([1, 2, 3]);
   * const ticket = x.share();
   * x.dispose();
   * using same = Tensor.fromShared(ticket); // usually in a worker, after postMessage(ticket)
   * console.log(same.toArray()); // [1, 2, 3]
   * ```
   */
  share(options: ShareOptions = {}): SharedTensor {
    const storage = this.#share("Tensor.share");
    const memory = storage.share(options.receivers ?? 1);
    storage.writes = -1;
    return ticketOf(memory, this.#part?.byteOffset ?? 0, this);
  }

  /** Gives the memory back. Doing so again is harmless; using the tensor is an error. */
  dispose(): void {
    const memory = this.#memory;
    const token = this.#token;
    if (memory === undefined) return;
    noteEnded(this);
    this.#leave();
    if (memory instanceof Block) freeBlock(memory, token!, this);
    else memory.release();
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What `console.log` shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.#text();
  }

  /** What a notebook shows. */
  [Symbol.for("Jupyter.display")](): Record<string, string> {
    return { "text/plain": this.#text() };
  }

  #text(): string {
    const memory = this.#memory;
    if (memory === undefined) return formatTensor(this, endOf(this));
    if (!isPlain(this.dtype)) return formatTensor(this, "");
    return formatTensor(this, { read: this.#reader("Tensor"), strides: this.strides });
  }

  #live(operation: string): Block | Storage {
    if (this.#memory === undefined) throw endedError(this, operation);
    return this.#memory;
  }

  /** The memory as something that others can hold too. */
  #share(operation: string): Storage {
    const memory = this.#live(operation);
    if (!(memory instanceof Block)) return memory;
    const storage = new BlockStorage(memory, this.#token!, this);
    if (tracing) memoryNotes(storage).writer = memoryNotes(memory).writer;
    this.#token = undefined;
    return this.#memory = storage;
  }

  #leave(): void {
    this.#memory = undefined;
    this.#token = undefined;
    this.#part?.forget();
    this.#rare?.end();
    this.#rare = undefined;
    leaveScope(this);
  }

  #view(byteOffset: number, shape: Shape, strides?: readonly number[]): Tensor<D> {
    const storage = this.#share("Tensor.view");
    const offset = (this.#part?.byteOffset ?? 0) + byteOffset;
    // Made first: what it refuses must not leave a reference behind.
    const view = new Tensor(storage, offset, shape, this.dtype, strides);
    storage.retain();
    return view;
  }

  /** A view of the same elements in another shape. */
  #reshaped(shape: Shape, strides: readonly number[] | undefined, operation: string): Tensor<D> {
    const view = this.#view(0, shape, strides);
    if (this.#rare?.trace === undefined) return view;
    return this.#derive(view, operation, reshapeGradient(this.shape));
  }

  /** Records that a view or a copy was made of this tensor. */
  #derive<T extends Tensor>(result: T, operation: string, gradient: ViewGradient): T {
    recorder().derived(this, result, `Tensor.${operation}`, gradient);
    return result;
  }

  #spanBytes(): number {
    const strides = this.#part?.strides;
    if (strides === undefined) return this.byteLength;
    return byteLengthOf(this.dtype, spanOf(this.shape, strides));
  }

  /** The memory from first to last element; a block keeps what it showed. */
  #show(memory: Block | Storage): DataOf[D] {
    const bytes = this.#spanBytes();
    if (this.#part === undefined && memory instanceof Block) return memory.view(this.dtype, bytes);
    this.#part ??= new Part(memory, 0, undefined);
    return this.#part.show(memory, this.dtype, bytes);
  }

  #reader(operation: string): (place: number) => ElementOf<D> {
    const memory = this.#live(operation);
    const { dtype } = this;
    if (!isPlain(dtype)) throw notNumericError(dtype, operation);
    const data = this.#show(memory);
    return (place) => readElement(dtype, data, place) as ElementOf<D>;
  }
}
