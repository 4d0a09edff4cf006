/**
 * Rows of vectors in native memory, to search through: float32, float16, or int8 with a
 * scale for each row, which is max|x| / 127.
 *
 * Rows lie in segments: first those of a mapped file, where there is one, then pool memory
 * that grows by more segments, each as large as all before it up to a limit. So a row
 * never moves when others are added, and no more than a segment is in reserve.
 */
import { check, native, NativeDType, Status, statusError } from "../ffi/mod.ts";
import { keep } from "../memory/mod.ts";
import { cast } from "../ops/mod.ts";
import { copyBytes, firstElements, Tensor } from "../tensor/mod.ts";

/** How the elements of a {@linkcode VectorStore} are stored. */
export type VectorDType = "float32" | "float16" | "int8";

const itemBytes: Readonly<Record<VectorDType, number>> = { float32: 4, float16: 2, int8: 1 };
const codes: Readonly<Record<VectorDType, number>> = {
  float32: NativeDType.F32,
  float16: NativeDType.F16,
  int8: NativeDType.I8,
};

/** The rows of a segment in memory; int8 are kept as their bytes. */
interface Segment {
  /** `[capacity, dimensions]`. */
  readonly rows: Tensor<"float32" | "float16" | "uint8">;
  /** `[capacity]`, of int8. */
  readonly scales: Tensor<"float32"> | undefined;
  readonly capacity: number;
  /** Rows in use. */
  count: number;
}

/** Some rows of one segment. */
export interface RowRange {
  /** The segment they are in. */
  readonly segment: Segment;
  /** The first, in the segment. */
  readonly from: number;
  /** How many. */
  readonly count: number;
}

const firstSegmentBytes = 1 << 18;
const mostSegmentBytes = 1 << 26;
const most = 2 ** 31 - 1;

/** Rows of one size and dtype, in order. */
export class VectorRows implements Disposable {
  readonly dtype: VectorDType;
  readonly dimensions: number;
  readonly #segments: Segment[] = [];
  #count = 0;

  /**
   * No rows yet.
   *
   * @param dtype How elements are stored.
   * @param dimensions Elements of a row.
   */
  constructor(dtype: VectorDType, dimensions: number) {
    this.dtype = dtype;
    this.dimensions = dimensions;
  }

  /** How many rows there are. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of a row, without its scale. */
  get rowBytes(): number {
    return this.dimensions * itemBytes[this.dtype];
  }

  /**
   * Takes rows over that lie in memory already.
   *
   * @param rows `[count, dimensions]`, in the dtype; of int8, their bytes.
   * @param scales `[count]`, of int8.
   */
  adopt(rows: Segment["rows"], scales: Segment["scales"]): void {
    const [count] = rows.shape;
    keep(rows);
    if (scales !== undefined) keep(scales);
    this.#segments.push({ rows, scales, count, capacity: count });
    this.#count += count;
  }

  /**
   * Appends rows.
   *
   * @param x `[count, dimensions]`, finite.
   * @throws {RangeError} When there would be 2^31 rows.
   */
  append(x: Tensor<"float32">): void {
    this.#room(x.shape[0], (segment, from, done, count) => {
      using source = x.slice(done, done + count);
      this.#store(segment, from, source);
    });
  }

  /**
   * Appends rows of another that has the same dtype and dimensions, as they are.
   *
   * @param range The rows.
   */
  appendRange(range: RowRange): void {
    const { rowBytes } = this;
    this.#room(range.count, (segment, from, done, count) => {
      const first = range.from + done;
      const place = segment.rows.address + BigInt(from * rowBytes);
      const source = range.segment.rows.address + BigInt(first * rowBytes);
      copyBytes(place, source, count * rowBytes, "VectorStore");
      if (segment.scales === undefined || range.segment.scales === undefined) return;
      using scales = segment.scales.slice(from, from + count);
      using others = range.segment.scales.slice(first, first + count);
      scales.copyFrom(others);
    });
  }

  /**
   * Drops the last rows.
   *
   * @param count How many rows stay.
   */
  truncate(count: number): void {
    for (let last = this.#segments.at(-1); last && this.#count > count;) {
      const dropped = Math.min(this.#count - count, last.count);
      last.count -= dropped;
      this.#count -= dropped;
      if (last.count > 0) return;
      release(last);
      this.#segments.pop();
      last = this.#segments.at(-1);
    }
  }

  /** Calls a function for each segment's part of some new rows, making segments on the way. */
  #room(
    count: number,
    fill: (segment: Segment, from: number, done: number, count: number) => void,
  ): void {
    if (this.#count + count > most) {
      throw new RangeError(`VectorStore: ${this.#count} rows and ${count} more are 2^31 or more`);
    }
    for (let done = 0; done < count;) {
      const segment = this.#lastWithRoom(count - done);
      const part = Math.min(segment.capacity - segment.count, count - done);
      fill(segment, segment.count, done, part);
      segment.count += part;
      this.#count += part;
      done += part;
    }
  }

  #lastWithRoom(wanted: number): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.count < last.capacity) return last;
    const { dimensions, rowBytes } = this;
    const share = Math.max(firstSegmentBytes, wanted * rowBytes, this.#count * rowBytes);
    const capacity = Math.max(1, Math.floor(Math.min(share, mostSegmentBytes) / rowBytes));
    const dtype = this.dtype === "int8" ? "uint8" : this.dtype;
    const rows = keep(Tensor.empty([capacity, dimensions], dtype));
    const scales = this.dtype === "int8" ? keep(Tensor.empty([capacity])) : undefined;
    const segment = { rows, scales, capacity, count: 0 };
    this.#segments.push(segment);
    return segment;
  }

  #store({ rows, scales }: Segment, from: number, source: Tensor<"float32">): void {
    const [count, cols] = source.shape;
    using place = rows.slice(from, from + count);
    if (scales === undefined) {
      cast(source, place.dtype, { out: place });
      return;
    }
    using factors = scales.slice(from, from + count);
    check(
      native().symbols.qn_quantize_rows(
        place.address,
        factors.address,
        source.address,
        count,
        cols,
      ),
      "VectorStore.add",
    );
  }

  /**
   * All rows, in pieces of at most so many.
   *
   * @param most The most rows of a piece.
   */
  *ranges(most: number): Generator<RowRange, void, void> {
    for (const segment of this.#segments) {
      for (let from = 0; from < segment.count; from += most) {
        yield { segment, from, count: Math.min(most, segment.count - from) };
      }
    }
  }

  /**
   * Goes on with a search through some rows.
   *
   * @param best The results so far, `[queries, k]`, which are changed.
   * @param queries `[queries, dimensions]`.
   * @param range The rows that come next.
   * @param first How many rows there were before.
   */
  search(
    best: { readonly scores: Tensor<"float32">; readonly indices: Tensor<"int32"> },
    queries: Tensor<"float32">,
    range: RowRange,
    first: number,
  ): void {
    const [count, k] = best.scores.shape;
    const { rows, scales } = range.segment;
    const status = native().symbols.qn_search(
      best.scores.address,
      best.indices.address,
      queries.address,
      rows.address + BigInt(range.from * this.rowBytes),
      scales === undefined ? 0n : scales.address + BigInt(4 * range.from),
      count,
      range.count,
      this.dimensions,
      k,
      Math.min(first, k),
      first,
      codes[this.dtype],
    );
    if (status !== Status.OK) throw statusError(status, "VectorStore.search", `k ${k}`);
  }

  /**
   * One row, widened to float32.
   *
   * @param index Which, from 0 to count - 1.
   * @returns A copy.
   */
  row(index: number): Float32Array<ArrayBuffer> {
    let before = 0;
    let at = 0;
    while (before + this.#segments[at].count <= index) before += this.#segments[at++].count;
    const { rows, scales } = this.#segments[at];
    using row = rows.slice(index - before, index - before + 1);
    if (scales === undefined) {
      using wide = cast(row, "float32");
      return wide.data.slice();
    }
    const scale = scales.get(index - before) as number;
    const bytes = Int8Array.from(row.data as Uint8Array);
    return Float32Array.from(bytes, (value) => value * scale);
  }

  /** A holder of the same segments: their memory stays while one of both is alive. */
  share(): VectorRows {
    const shared = new VectorRows(this.dtype, this.dimensions);
    for (const { rows, scales, count } of this.#segments) {
      if (count === 0) continue;
      shared.adopt(rows.slice(0, count), scales?.slice(0, count));
    }
    return shared;
  }

  /** The bytes of all rows, or of their scales, in order; each piece is used at once. */
  *bytes(what: "rows" | "scales"): Generator<Uint8Array<ArrayBuffer>, void, void> {
    for (const segment of this.#segments) {
      const whole = segment[what];
      if (whole === undefined || segment.count === 0) continue;
      using used = keep(whole.slice(0, segment.count));
      const { buffer, byteOffset, byteLength } = firstElements(used);
      yield new Uint8Array(buffer, byteOffset, byteLength);
    }
  }

  /** Gives all memory back. */
  [Symbol.dispose](): void {
    for (const segment of this.#segments) release(segment);
    this.#segments.length = 0;
    this.#count = 0;
  }
}

function release({ rows, scales }: Segment): void {
  rows.dispose();
  scales?.dispose();
}
