/**
 * Saving named tensors as a safetensors file, whole or not at all: the bytes go to a
 * temporary file beside the target, are flushed to the disk, and are then renamed. Who
 * has the old file mapped keeps the old bytes.
 */
import type { Progress } from "../core/progress.ts";
import { formatShape } from "../core/shape.ts";
import {
  layoutSafetensors,
  type SafetensorsEntry,
  type SafetensorsLayout,
} from "../formats/mod.ts";
import { keep } from "../memory/mod.ts";
import { endedError } from "./lifetime.ts";
import { storedDType, storedDTypes } from "./safetensors_dtypes.ts";
import { firstElements, Tensor } from "./tensor.ts";

/** How tensors are saved. */
export interface SaveOptions {
  /** Texts about the file, for example `{ format: "pt" }`, which PyTorch's tools ask for. */
  metadata?: Readonly<Record<string, string>>;
  /** Ends the work; the call then throws the signal's reason, and the target is as it was. */
  signal?: AbortSignal;
  /** Told how far the work is. */
  onProgress?: (progress: Progress) => void;
}

/** What is written at a time, so that a signal is heard soon. */
const PIECE_BYTES = 1 << 24;
const OPERATION = "saveTensors";

/**
 * Saves tensors as a safetensors file. The tensors may be disposed of while it is
 * written; their elements must not be written to.
 *
 * @param path The file, which is replaced where it exists.
 * @param tensors The tensors by name: an object, a map or pairs. Views need not be contiguous.
 * @param options Metadata, and how to follow and end the work.
 * @throws {TypeError} When one is quantised, or no tensor.
 * @throws {RangeError} When a name occurs twice, or is not possible.
 * @throws {DisposedError} When a tensor was disposed of.
 *
 * @example
 * ```ts
 * import { saveTensors, Tensor } from "@quern/quern";
 *
 * async function save(path: string) {
 *   using weight = Tensor.randn([4, 8], { seed: 1 });
 *   using bias = Tensor.zeros([4]);
 *   await saveTensors(path, { weight, bias }, { metadata: { format: "pt" } });
 * }
 * console.log(typeof save); // function
 * ```
 */
export async function saveTensors(
  path: string,
  tensors: Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>>,
  options: SaveOptions = {},
): Promise<void> {
  options.signal?.throwIfAborted();
  const pairs = [...isIterable(tensors) ? tensors : Object.entries(tensors)];
  const entries = pairs.map(([name, tensor]) => describe(name, tensor));
  const layout = layoutSafetensors(entries, Object.entries(options.metadata ?? {}));
  // Views keep the memory while it is written, whoever disposes of the tensors meanwhile.
  const held = new Map(pairs.map(([name, tensor]) => [name, keep(viewOf(tensor))]));
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await writeFile(temporary, layout, held, options);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  } finally {
    for (const view of held.values()) view.dispose();
  }
}

async function writeFile(
  path: string,
  { header, tensors, byteLength }: SafetensorsLayout,
  held: ReadonlyMap<string, Tensor>,
  options: SaveOptions,
): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const writer = new Writer(file, byteLength, options);
  await writer.write(header);
  for (const { name } of tensors) await writeTensor(writer, held.get(name)!);
  await file.sync();
}

function isIterable(
  tensors: Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>>,
): tensors is Iterable<readonly [string, Tensor]> {
  return Symbol.iterator in tensors;
}

function describe(name: string, tensor: Tensor): SafetensorsEntry {
  if (!(tensor instanceof Tensor)) {
    throw new TypeError(`${OPERATION}: ${JSON.stringify(name)} is no tensor`);
  }
  if (tensor.disposed) throw endedError(tensor, OPERATION, JSON.stringify(name));
  const dtype = storedDType(tensor.dtype);
  if (dtype !== undefined) return { name, dtype, shape: tensor.shape };
  throw new TypeError(
    `${OPERATION}: ${JSON.stringify(name)} is ${tensor.dtype} ${formatShape(tensor.shape)}; ` +
      `a safetensors file holds ${storedDTypes}: use dequantize() first`,
  );
}

/** A view with the same strides. */
function viewOf(tensor: Tensor): Tensor {
  return tensor.transpose(...tensor.shape.keys());
}

async function writeTensor(writer: Writer, view: Tensor): Promise<void> {
  if (view.byteLength === 0) return;
  const dense = keep(view.contiguous());
  try {
    const { buffer, byteOffset, byteLength } = firstElements(dense);
    await writer.write(new Uint8Array(buffer, byteOffset, byteLength));
  } finally {
    dense.dispose();
  }
}

/** Writes bytes to a file, piece by piece. */
class Writer {
  readonly #file: Deno.FsFile;
  readonly #total: number;
  readonly #options: SaveOptions;
  #completed = 0;

  constructor(file: Deno.FsFile, total: number, options: SaveOptions) {
    this.#file = file;
    this.#total = total;
    this.#options = options;
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { signal, onProgress } = this.#options;
    for (let done = 0; done < bytes.length;) {
      signal?.throwIfAborted();
      const count = await this.#file.write(bytes.subarray(done, done + PIECE_BYTES));
      done += count;
      this.#completed += count;
      onProgress?.({
        stage: "saving tensors",
        completed: this.#completed,
        total: this.#total,
        unit: "bytes",
      });
    }
  }
}
