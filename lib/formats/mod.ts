/**
 * File formats of models and arrays: bytes in, descriptors out. Nothing here opens a file; every
 * reader is bounded and answers a malformed file with a `SyntaxError` that names the offset.
 *
 * @example
 * ```ts
 * import { readNpy, writeNpy } from "@quern/quern/formats";
 *
 * const bytes = writeNpy(new Float32Array([1, 2, 3, 4, 5, 6]), [2, 3]);
 * const { dtype, shape, data } = readNpy(bytes, { name: "six.npy" });
 * console.log(dtype, shape, data); // float32 [ 2, 3 ] Float32Array(6) [ 1, 2, 3, 4, 5, 6 ]
 * ```
 *
 * @module
 */
export { parseGguf } from "./gguf.ts";
export type {
  Gguf,
  GgufArray,
  GgufScalarType,
  GgufTensor,
  GgufTensorType,
  GgufValue,
} from "./gguf_types.ts";
export {
  type GgufContent,
  type GgufEntry,
  type GgufLayout,
  type GgufTensorData,
  layoutGguf,
  writeGguf,
} from "./gguf_writer.ts";
export {
  type FileDescription,
  type FileTotals,
  inspectFile,
  type JsonValue,
  type TensorDescription,
} from "./inspect.ts";
export {
  type NpyArray,
  type NpyData,
  type NpyDType,
  type NpyHeader,
  parseNpyHeader,
  readNpy,
  writeNpy,
} from "./npy.ts";
export { type NpzHeader, parseNpzHeaders, readNpz, writeNpz } from "./npz.ts";
export { parseSafetensors, type Safetensors, type SafetensorsTensor } from "./safetensors.ts";
export { parseSafetensorsIndex, type SafetensorsIndex } from "./safetensors_index.ts";
export {
  layoutSafetensors,
  type SafetensorsEntry,
  type SafetensorsLayout,
  writeSafetensors,
} from "./safetensors_writer.ts";
