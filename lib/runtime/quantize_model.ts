/**
 * A GGUF file with its weights in another type.
 *
 * Weights go from the mapped file to the new one some rows at a time, so memory does not grow with
 * the model. What models are sensitive to, and what has few elements, stays in a wider type, as in
 * llama.cpp.
 */
import type { Progress } from "../core/progress.ts";
import {
  type Gguf,
  type GgufTensor,
  type GgufValue,
  layoutGguf,
  parseGguf,
} from "../formats/mod.ts";
import { writeWholeFile } from "../formats/whole_file.ts";
import { MappedStorage } from "../memory/mod.ts";
import { dtypeOfGgml, type GgmlType, ggmlTypes, GgufTensors } from "../models/mod.ts";
import { cast, dequantize, max, min, quantize } from "../ops/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** How {@linkcode quantizeModel} works. */
export interface QuantizeModelOptions {
  /** Ends the work; the call then throws the signal's reason, and the file is as it was. */
  signal?: AbortSignal;
  /** Told how far the work is. */
  onProgress?: (progress: Progress) => void;
}

/** What {@linkcode quantizeModel} wrote. */
export interface QuantizedModel {
  /** How many tensors there are. */
  readonly tensors: number;
  /** How many elements they have. */
  readonly parameters: number;
  /** The size of the file that was read. */
  readonly bytesBefore: number;
  /** The size of the file that was written. */
  readonly bytesAfter: number;
  /** The bytes of the tensors of each type. */
  readonly bytesByType: Readonly<Record<string, number>>;
}

/** What `general.file_type` says of each type, by llama.cpp's numbers. */
const FILE_TYPES: Readonly<Record<GgmlType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  BF16: 32,
};

const LARGEST_HALF = 65504;
const BLOCK = 32;
/** Elements that are worked on at a time. */
const CHUNK = 1 << 21;
/** Matrices that are added to, not multiplied with: rounding them spares nothing. */
const KEPT = /^(?:position_embd|token_types)\.weight$/;

/**
 * Writes a model with its weights in another type. Vectors stay in F32. With a type of four bits
 * the matrix that makes the logits becomes Q8_0, since rounding it costs the most; a matrix whose
 * rows are not whole blocks of 32 becomes F16 in place of a type with blocks. Metadata stays as it
 * is, but for what says how the file was made.
 *
 * @param source A GGUF file.
 * @param target The file to write, which is replaced once the new one is whole.
 * @param type The type: F32, F16, BF16, Q8_0, Q4_0 or Q4_1.
 * @param options How to follow and end the work.
 * @returns What was written.
 * @throws {SyntaxError} When the file is malformed.
 * @throws {RangeError} When the type is not one of these, a tensor is stored in a type that cannot
 * be read, or holds a number that is not finite or too large for the type.
 *
 * @example
 * ```ts ignore
 * import { quantizeModel } from "@quern/quern/models";
 *
 * const { bytesAfter } = await quantizeModel("book/model.gguf", "book-q8_0.gguf", "Q8_0");
 * console.log(bytesAfter);
 * ```
 */
export async function quantizeModel(
  source: string,
  target: string,
  type: GgmlType,
  options: QuantizeModelOptions = {},
): Promise<QuantizedModel> {
  if (!ggmlTypes.includes(type)) {
    throw new RangeError(`quantizeModel: the type is one of ${ggmlTypes.join(", ")}, not ${type}`);
  }
  const storage = MappedStorage.map(source);
  try {
    const bytes = new Uint8Array(storage.buffer);
    const gguf = parseGguf(bytes, { name: source });
    const converter = new Converter(new GgufTensors(gguf, storage, source), gguf, bytes, type);
    const { tensors, byteLength } = converter.layout;
    const stage = `quantizing to ${type}`;
    await writeWholeFile(target, converter.pieces(), { total: byteLength, stage, ...options });
    return { ...summaryOf(tensors), bytesBefore: bytes.length, bytesAfter: byteLength };
  } finally {
    storage.release();
  }
}

function summaryOf(tensors: readonly GgufTensor[]) {
  const bytesByType: Record<string, number> = {};
  let parameters = 0;
  for (const { type, shape, byteLength } of tensors) {
    bytesByType[type] = (bytesByType[type] ?? 0) + byteLength;
    parameters += shape.reduce((product, size) => product * size, 1);
  }
  return { tensors: tensors.length, parameters, bytesByType };
}

/** Makes the bytes of the new file. */
class Converter {
  readonly layout: { header: Uint8Array<ArrayBuffer>; tensors: GgufTensor[]; byteLength: number };
  readonly #stored: GgufTensors;
  readonly #gguf: Gguf;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  constructor(stored: GgufTensors, gguf: Gguf, bytes: Uint8Array<ArrayBuffer>, type: GgmlType) {
    this.#stored = stored;
    this.#gguf = gguf;
    this.#bytes = bytes;
    const output = gguf.tensors.has("output.weight") ? "output.weight" : "token_embd.weight";
    const tensors = [...gguf.tensors.values()].map((tensor) => ({
      ...tensor,
      type: typeFor(tensor, type, tensor.name === output),
    }));
    this.layout = layoutGguf({ metadata: metadataFor(gguf, type), types: gguf.types, tensors });
  }

  /** The file from its first byte to its last; each piece is used before the next is made. */
  *pieces(): Generator<Uint8Array<ArrayBuffer>, void, void> {
    const { header, tensors, byteLength } = this.layout;
    yield header;
    for (let i = 0; i < tensors.length; i++) {
      const { name, type, offset, byteLength: size } = tensors[i];
      yield* this.#piecesOf(this.#gguf.tensors.get(name)!, type);
      yield new Uint8Array((tensors[i + 1]?.offset ?? byteLength) - offset - size);
    }
  }

  *#piecesOf(tensor: GgufTensor, type: string): Generator<Uint8Array<ArrayBuffer>, void, void> {
    const { name, offset, byteLength } = tensor;
    if (tensor.type === type) {
      yield this.#bytes.subarray(offset, offset + byteLength);
      return;
    }
    using whole = this.#stored.open(name);
    const cols = whole.shape.at(-1) ?? 1;
    if (whole.size === 0) return;
    using matrix = whole.reshape([whole.size / cols, cols]);
    const step = Math.max(1, Math.floor(CHUNK / cols));
    for (let row = 0; row < matrix.shape[0]; row += step) {
      using rows = matrix.slice(row, row + step);
      using wide = dequantize(rows);
      this.#check(wide, name, type as GgmlType);
      using result = narrowed(wide, type as GgmlType);
      yield bytesOf(result);
    }
  }

  /** What is not finite would spread over its block, and what is too large become infinite. */
  #check(wide: Tensor<"float32">, name: string, type: GgmlType): void {
    using highest = max(wide);
    using lowest = min(wide);
    const largest = Math.max(highest.data[0], -lowest.data[0]);
    // Scales are halves too; this is far above any weight.
    const limit = type === "F32" || type === "BF16" ? Number.MAX_VALUE : LARGEST_HALF;
    if (largest <= limit) return;
    const what = Number.isFinite(largest) ? `${largest}, too large for ${type}` : `${largest}`;
    throw new RangeError(
      `${this.#stored.name}: tensor ${name} holds ${what}; ` +
        (Number.isFinite(largest) ? "use BF16" : "the model is damaged, or its training diverged"),
    );
  }
}

function typeFor({ name, type, shape }: GgufTensor, wanted: GgmlType, isOutput: boolean): string {
  // Indices and the like.
  if (/^I\d+$/.test(type) || type === "F64") return type;
  if (shape.length < 2 || KEPT.test(name)) return "F32";
  if (!wanted.startsWith("Q")) return wanted;
  if (shape[shape.length - 1] % BLOCK !== 0) return "F16";
  return isOutput && wanted.startsWith("Q4") ? "Q8_0" : wanted;
}

function metadataFor({ metadata }: Gguf, type: GgmlType): Map<string, GgufValue> {
  const changed = new Map(metadata);
  changed.set("general.file_type", FILE_TYPES[type]);
  changed.delete("general.quantization_version");
  // The version of ggml's blocks since 2023.
  if (type.startsWith("Q")) changed.set("general.quantization_version", 2);
  return changed;
}

function narrowed(wide: Tensor<"float32">, type: GgmlType): Tensor {
  const dtype = dtypeOfGgml(type);
  if (dtype === "q8_0" || dtype === "q4_0" || dtype === "q4_1") return quantize(wide, dtype);
  return cast(wide, dtype);
}

function bytesOf({ data, byteLength }: Tensor): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer, data.byteOffset, byteLength);
}
