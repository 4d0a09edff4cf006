/**
 * Saving named tensors as a safetensors file.
 */
import { formatShape } from "../core/shape.ts";
import type { SafetensorsEntry } from "../formats/mod.ts";
import { keep } from "../memory/mod.ts";
import { endedError } from "./lifetime.ts";
import { storedDType, storedDTypes } from "./safetensors_dtypes.ts";
import { firstElements, Tensor } from "./tensor.ts";
import { type SaveOptions, writeSafetensorsFile } from "./write_safetensors.ts";

const OPERATION = "saveTensors";

/** Tensors by name, as layers and files have them. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

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
  tensors: Iterable<readonly [string, Tensor]> | NamedTensors,
  options: SaveOptions = {},
): Promise<void> {
  options.signal?.throwIfAborted();
  const pairs = [...isIterable(tensors) ? tensors : Object.entries(tensors)];
  const entries = pairs.map(([name, tensor]) => describe(name, tensor));
  // Views keep the memory while it is written, whoever disposes of the tensors meanwhile.
  const held = new Map(pairs.map(([name, tensor]) => [name, keep(viewOf(tensor))]));
  try {
    await writeSafetensorsFile(path, entries, (name) => piecesOf(held.get(name)!), options);
  } finally {
    for (const view of held.values()) view.dispose();
  }
}

function isIterable(
  tensors: Iterable<readonly [string, Tensor]> | NamedTensors,
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

function* piecesOf(view: Tensor): Generator<Uint8Array<ArrayBuffer>, void, void> {
  if (view.byteLength === 0) return;
  const dense = keep(view.contiguous());
  try {
    const { buffer, byteOffset, byteLength } = firstElements(dense);
    yield new Uint8Array(buffer, byteOffset, byteLength);
  } finally {
    dense.dispose();
  }
}
