/**
 * Named tensors over mapped safetensors files: one file, or the several of a model
 * that is split, told by its index.
 *
 *     TensorFile ──▶ MappedStorage, one a file ◀── the tensors that were opened
 *
 * Nothing is read before it is used and nothing is copied, but for tensors that do not
 * lie on a multiple of their elements' size, which kernels cannot use: old writers did
 * not pad the header. What a tensor over the file writes stays in this process.
 */
import { type DType, dtypeLayout, type PlainDType } from "../core/dtype.ts";
import { checkShape, type Shape } from "../core/shape.ts";
import {
  parseSafetensors,
  parseSafetensorsIndex,
  type Safetensors,
  type SafetensorsTensor,
} from "../formats/mod.ts";
import { MappedStorage } from "../memory/mod.ts";
import { copyBytes } from "./copy.ts";
import { dtypeOfStored, storedDTypes } from "./safetensors_dtypes.ts";
import { Tensor } from "./tensor.ts";

const SUFFIX = ".safetensors";
const INDEX_SUFFIX = ".safetensors.index.json";

/** One mapped file. */
interface Part {
  readonly path: string;
  readonly storage: MappedStorage;
  readonly parsed: Safetensors;
}

/** A tensor, and the file that holds it. */
interface Place {
  readonly part: Part;
  readonly tensor: SafetensorsTensor;
}

/**
 * Named tensors of safetensors files, each made when it is asked for. The tensors keep
 * the mapping alive, also when this is disposed of.
 */
export class TensorFile implements Disposable {
  /** The path that was opened, for messages. */
  readonly name: string;
  /** The texts that the files hold about themselves. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly #places: ReadonlyMap<string, Place>;
  #storages: readonly MappedStorage[];

  /**
   * Takes mapped files over; user code calls `openTensors` instead.
   *
   * @param name The path that was opened.
   * @param parts The files.
   * @param places Where each tensor is.
   * @internal
   */
  constructor(name: string, parts: readonly Part[], places: ReadonlyMap<string, Place>) {
    this.name = name;
    this.metadata = new Map(parts.flatMap(({ parsed }) => [...parsed.metadata]));
    this.#places = places;
    this.#storages = parts.map(({ storage }) => storage);
  }

  /** The names of all tensors, in the order of their data. */
  get names(): string[] {
    return [...this.#places.keys()];
  }

  /** Whether this was disposed of. */
  get disposed(): boolean {
    return this.#storages.length === 0;
  }

  /**
   * Whether there is a tensor.
   *
   * @param name Its name.
   * @returns True when there is.
   */
  has(name: string): boolean {
    return this.#places.has(name);
  }

  /**
   * The shape of a tensor.
   *
   * @param name Its name.
   * @returns The shape; undefined when there is none of that name.
   */
  shape(name: string): Shape | undefined {
    return this.#places.get(name)?.tensor.shape;
  }

  /**
   * The type of a tensor's elements, as the file names it.
   *
   * @param name Its name.
   * @returns For example `F32`, also one that `open` refuses; undefined when there is no such tensor.
   */
  storedDType(name: string): string | undefined {
    return this.#places.get(name)?.tensor.dtype;
  }

  /**
   * A tensor over the file.
   *
   * @param name The name of one that there is.
   * @returns The tensor, the caller's to dispose of.
   * @throws {RangeError} When there is none of that name, or its type or shape is not supported.
   * @throws {SyntaxError} When it is of bools and holds something else.
   */
  open(name: string): Tensor<PlainDType> {
    const place = this.#place(name);
    const { path } = place.part;
    const { dtype: stored, shape } = place.tensor;
    const dtype = dtypeOfStored(stored);
    if (dtype === undefined) {
      throw new RangeError(
        `${path}: tensor ${name} is stored as ${stored}, which is not supported; ` +
          `use a file with ${storedDTypes}`,
      );
    }
    checkShape(shape, `${path}: tensor ${name}`);
    if (dtype === "bool") checkBools(place);
    return openAt(place, dtype);
  }

  /**
   * The bytes of a tensor, whatever its type, over the file.
   *
   * @param name The name of one that there is.
   * @returns The bytes of each row, `[rows, …]`, the caller's to dispose of; of a vector or a
   * scalar, a vector.
   * @throws {RangeError} When there is none of that name.
   */
  openBytes(name: string): Tensor<"uint8"> {
    const { part, tensor } = this.#place(name);
    const [rows] = tensor.shape.length > 1 ? tensor.shape : [0];
    const shape = rows > 0 ? [rows, tensor.byteLength / rows] : [tensor.byteLength];
    checkShape(shape, `${part.path}: tensor ${name}`);
    return openAt({ part, tensor: { ...tensor, shape } }, "uint8");
  }

  #place(name: string): Place {
    const place = this.#places.get(name);
    if (this.disposed) throw new Error(`${this.name}: a tensor was opened after disposal`);
    if (place !== undefined) return place;
    throw new RangeError(`${this.name} has no tensor ${JSON.stringify(name)}`);
  }

  /** Lets the files go; those that a tensor shows stay mapped. */
  dispose(): void {
    for (const storage of this.#storages) storage.release();
    this.#storages = [];
  }

  /** What `using` calls: the same as `dispose`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Opens safetensors files as named tensors over mapped memory.
 *
 * @param path A `.safetensors` file; a `.safetensors.index.json`; or a folder with one of them.
 * @returns The tensors by name, to be disposed of.
 * @throws {SyntaxError} When a file is malformed, or the index does not fit the files.
 * @throws {Deno.errors.NotFound} When a file is missing.
 *
 * @example
 * ```ts
 * import { openTensors, saveTensors, Tensor } from "@quern/quern";
 *
 * async function roundTrip(path: string) {
 *   using x = Tensor.from([[1, 2], [3, 4]]);
 *   await saveTensors(path, { x });
 *   using file = openTensors(path);
 *   using same = file.open("x");
 *   console.log(file.names, same.shape, same.toArray()); // [ "x" ] [ 2, 2 ] [ [ 1, 2 ], [ 3, 4 ] ]
 * }
 * console.log(typeof roundTrip); // function
 * ```
 */
export function openTensors(path: string): TensorFile {
  const file = Deno.statSync(path).isDirectory ? fileOfFolder(path) : path;
  const parts: Part[] = [];
  try {
    if (!file.endsWith(INDEX_SUFFIX)) {
      parts.push(openPart(file));
      return new TensorFile(path, parts, placesOf(parts[0]));
    }
    return openIndexed(path, file, parts);
  } catch (error) {
    for (const { storage } of parts) storage.release();
    throw error;
  }
}

/** Opens the files of an index, each of which goes to `parts` at once. */
function openIndexed(path: string, index: string, parts: Part[]): TensorFile {
  const { fileOf, files } = parseSafetensorsIndex(Deno.readFileSync(index), { name: index });
  const folder = index.replace(/[^\\/]*$/, "");
  const partOf = new Map<string, Part>();
  for (const file of files) {
    const part = openPart(folder + file);
    parts.push(part);
    partOf.set(file, part);
  }
  const places = new Map<string, Place>();
  for (const [name, file] of fileOf) {
    const part = partOf.get(file)!;
    const tensor = part.parsed.tensors.get(name);
    if (tensor === undefined) {
      throw new SyntaxError(
        `${index}: tensor ${JSON.stringify(name)} is not in ${file}; the files are of different ` +
          "models: fetch them again",
      );
    }
    places.set(name, { part, tensor });
  }
  return new TensorFile(path, parts, places);
}

/** The file that stands for a folder: what writers call it, or else the only one there is. */
function fileOfFolder(folder: string): string {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  const known = ["model" + SUFFIX, "model" + INDEX_SUFFIX].find((name) => names.includes(name));
  if (known !== undefined) return `${folder}/${known}`;
  for (const suffix of [INDEX_SUFFIX, SUFFIX]) {
    const found = names.filter((name) => name.endsWith(suffix));
    if (found.length === 1) return `${folder}/${found[0]}`;
    if (found.length > 1) {
      throw new RangeError(
        `${folder} holds ${found.length} files that could be meant, ${found.join(", ")}; name one`,
      );
    }
  }
  throw new RangeError(`${folder} holds no ${SUFFIX} file; name a file, or another folder`);
}

function openPart(path: string): Part {
  const storage = MappedStorage.map(path);
  try {
    const parsed = parseSafetensors(new Uint8Array(storage.buffer), { name: path });
    return { path, storage, parsed };
  } catch (error) {
    storage.release();
    throw error;
  }
}

function placesOf(part: Part): Map<string, Place> {
  const { tensors } = part.parsed;
  return new Map(Array.from(tensors, ([name, tensor]) => [name, { part, tensor }]));
}

function openAt<D extends DType>({ part, tensor }: Place, dtype: D): Tensor<D> {
  const { storage } = part;
  const { shape, offset, byteLength } = tensor;
  if (offset % dtypeLayout(dtype).blockBytes === 0) {
    const opened = new Tensor(storage, offset, shape, dtype);
    storage.retain();
    return opened;
  }
  const copy = Tensor.empty(shape, dtype);
  const source = storage.address + BigInt(offset);
  if (byteLength > 0) copyBytes(copy.address, source, byteLength, "openTensors");
  return copy;
}

/** A byte that is neither 0 nor 1 would be a truth that equals no other. */
function checkBools({ part, tensor }: Place): void {
  const { path, storage } = part;
  const bytes = new Uint8Array(storage.buffer, tensor.offset, tensor.byteLength);
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong < 0) return;
  throw new SyntaxError(
    `${path}: tensor ${tensor.name} is of bools, but holds ${bytes[wrong]}, at offset ` +
      `${tensor.offset + wrong} (the file is damaged: fetch or make it again)`,
  );
}
