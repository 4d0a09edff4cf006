/**
 * A text for each row of a store: those of a mapped file, which are decoded when they are
 * asked for, and behind them those that were added since.
 *
 * In a file they are two tensors: `name.bytes`, the texts in UTF-8 one behind the other, and
 * `name.offsets` of int64, where each begins and at last where the last ends.
 */
import type { SafetensorsEntry } from "../formats/mod.ts";
import { keep } from "../memory/mod.ts";
import { firstElements, type Tensor, type TensorFile } from "../tensor/mod.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is encoded at a time when texts are saved. */
const textsTogether = 4096;

/** Texts by row. */
export class TextColumn implements Disposable {
  readonly name: string;
  #bytes: Tensor<"uint8"> | undefined;
  #offsets: Tensor<"int64"> | undefined;
  #mapped = 0;
  readonly #added: string[] = [];

  /**
   * No texts yet.
   *
   * @param name What the file calls them.
   */
  constructor(name: string) {
    this.name = name;
  }

  /** How many texts there are. */
  get count(): number {
    return this.#mapped + this.#added.length;
  }

  /**
   * Takes the texts of a file; nothing is read yet.
   *
   * @param file The file.
   * @param rows How many there must be.
   * @throws {SyntaxError} When they do not fit the rows.
   */
  open(file: TensorFile, rows: number): void {
    const [bytes, offsets] = [`${this.name}.bytes`, `${this.name}.offsets`];
    const fits = file.storedDType(bytes) === "U8" && file.shape(bytes)?.length === 1 &&
      file.storedDType(offsets) === "I64" && file.shape(offsets)?.length === 1 &&
      file.shape(offsets)?.[0] === rows + 1;
    if (!fits) {
      throw new SyntaxError(`${file.name}: ${this.name} are no texts of ${rows} rows`);
    }
    this.#bytes = keep(file.open(bytes) as Tensor<"uint8">);
    this.#offsets = keep(file.open(offsets) as Tensor<"int64">);
    this.#mapped = rows;
  }

  /**
   * Appends texts.
   *
   * @param texts The texts.
   */
  append(texts: Iterable<string>): void {
    for (const text of texts) this.#added.push(text);
  }

  /**
   * The text of a row.
   *
   * @param row From 0 to count - 1.
   * @returns The text.
   * @throws {SyntaxError} When the file is damaged there.
   */
  get(row: number): string {
    return row < this.#mapped
      ? decoder.decode(this.#bytesOf(row))
      : this.#added[row - this.#mapped];
  }

  #bytesOf(row: number): Uint8Array<ArrayBuffer> {
    const bytes = firstElements(this.#bytes!);
    const offsets = firstElements(this.#offsets!);
    const [from, end] = [Number(offsets[row]), Number(offsets[row + 1])];
    if (from >= 0 && from <= end && end <= bytes.length) return bytes.subarray(from, end);
    throw new SyntaxError(
      `${this.name}: the text of row ${row} is outside of the file's; it is damaged, make it again`,
    );
  }

  /**
   * A column of some of the texts.
   *
   * @param rows Which, in order.
   * @returns A new one, without the file.
   */
  select(rows: Iterable<number>): TextColumn {
    const column = new TextColumn(this.name);
    for (const row of rows) column.#added.push(this.get(row));
    return column;
  }

  /** The same texts, which stay as they are whatever becomes of these. */
  share(): TextColumn {
    const shared = new TextColumn(this.name);
    shared.#mapped = this.#mapped;
    shared.#bytes = this.#bytes && keep(this.#bytes.contiguous());
    shared.#offsets = this.#offsets && keep(this.#offsets.contiguous());
    shared.append(this.#added);
    return shared;
  }

  /** What the tensors of a file with these texts are. */
  entries(): SafetensorsEntry[] {
    let byteLength = 0;
    for (const bytes of this.#encoded()) byteLength += bytes.length;
    return [
      { name: `${this.name}.bytes`, dtype: "U8", shape: [byteLength] },
      { name: `${this.name}.offsets`, dtype: "I64", shape: [this.count + 1] },
    ];
  }

  /** The bytes of a tensor of a file with these texts, in pieces. */
  *pieces(tensor: string): Generator<Uint8Array<ArrayBuffer>, void, void> {
    if (tensor === `${this.name}.bytes`) yield* joined(this.#encoded());
    else yield* this.#offsetPieces();
  }

  *#offsetPieces(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    let end = 0n;
    let some = [end];
    for (const bytes of this.#encoded()) {
      some.push(end += BigInt(bytes.length));
      if (some.length < textsTogether) continue;
      yield new Uint8Array(BigInt64Array.from(some).buffer);
      some = [];
    }
    yield new Uint8Array(BigInt64Array.from(some).buffer);
  }

  *#encoded(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    const encoder = new TextEncoder();
    for (let row = 0; row < this.#mapped; row++) yield this.#bytesOf(row);
    for (const text of this.#added) yield encoder.encode(text);
  }

  /** Lets the file go. */
  [Symbol.dispose](): void {
    this.#bytes?.dispose();
    this.#offsets?.dispose();
    this.#bytes = this.#offsets = undefined;
    this.#mapped = 0;
    this.#added.length = 0;
  }
}

/** Small pieces as fewer large ones. */
function* joined(
  pieces: Iterable<Uint8Array<ArrayBuffer>>,
): Generator<Uint8Array<ArrayBuffer>, void, void> {
  let room = new Uint8Array(1 << 16);
  let used = 0;
  for (const piece of pieces) {
    if (used + piece.length > room.length) {
      if (used > 0) yield room.subarray(0, used);
      room = new Uint8Array(Math.max(1 << 16, piece.length));
      used = 0;
    }
    room.set(piece, used);
    used += piece.length;
  }
  if (used > 0) yield room.subarray(0, used);
}
