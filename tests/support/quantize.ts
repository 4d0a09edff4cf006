/**
 * Weights as GGUF stores them, made element by element in plain TypeScript.
 *
 * An independent reference for tests: nothing here is shared with the library's own kernels. The
 * roundings are those of ggml's reference quantisers, in single precision at each step, so that
 * the bytes are the same as theirs.
 *
 * @module
 */

/** The types that {@linkcode quantize} makes. */
export type WeightType = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_1";

/** Stored bytes, and the values that they stand for. */
export interface Quantized {
  data: Uint8Array<ArrayBuffer>;
  values: Float32Array<ArrayBuffer>;
}

const BLOCK = 32;
const f32 = Math.fround;

/** Stores `source` as `type`. For block types its length must be a multiple of 32. */
export function quantize(source: Float32Array, type: WeightType): Quantized {
  switch (type) {
    case "F32":
      return { data: bytesOf(source.slice()), values: source.slice() };
    case "F16": {
      const halves = new Float16Array(source);
      return { data: bytesOf(halves), values: new Float32Array(halves) };
    }
    case "BF16":
      return toBfloat16(source);
    case "Q8_0":
      return inBlocks(source, 34, toQ8_0);
    case "Q4_0":
      return inBlocks(source, 18, toQ4_0);
    case "Q4_1":
      return inBlocks(source, 20, toQ4_1);
  }
}

function bytesOf(array: Float32Array | Float16Array | Uint16Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}

/** Rounds to the nearest bfloat16, ties to even. */
function toBfloat16(source: Float32Array): Quantized {
  const bits = new Uint32Array(source.slice().buffer);
  const rounded = bits.map((bit) => bit + 0x7fff + (bit >>> 16 & 1) & 0xffff0000);
  const data = bytesOf(Uint16Array.from(rounded, (bit) => bit >>> 16));
  return { data, values: new Float32Array(rounded.buffer) };
}

type BlockQuantizer = (source: Float32Array, data: DataView, values: Float32Array) => void;

function inBlocks(source: Float32Array, blockBytes: number, quantizer: BlockQuantizer): Quantized {
  const blocks = source.length / BLOCK;
  if (!Number.isInteger(blocks)) throw new RangeError(`${source.length} is not whole blocks of 32`);
  const data = new Uint8Array(blocks * blockBytes);
  const values = new Float32Array(source.length);
  for (let i = 0; i < blocks; i++) {
    const at = [i * BLOCK, (i + 1) * BLOCK] as const;
    const view = new DataView(data.buffer, i * blockBytes, blockBytes);
    quantizer(source.subarray(...at), view, values.subarray(...at));
  }
  return { data, values };
}

/** Writes `value` as a half and returns what was written. */
function putHalf(data: DataView, at: number, value: number): number {
  data.setFloat16(at, value, true);
  return data.getFloat16(at, true);
}

/** A block is a half `d` and 32 signed bytes `q`: d · q. */
const toQ8_0: BlockQuantizer = (source, data, values) => {
  const largest = source.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const scale = f32(largest / 127);
  const inverse = scale === 0 ? 0 : f32(1 / scale);
  const stored = putHalf(data, 0, scale);
  source.forEach((x, i) => {
    const scaled = f32(x * inverse);
    // Half away from zero, as roundf() does it.
    const q = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    data.setInt8(2 + i, q);
    values[i] = f32(stored * q);
  });
};

/** A block is a half `d` and 32 nibbles `q`: d · (q - 8). Element i and i + 16 share a byte. */
const toQ4_0: BlockQuantizer = (source, data, values) => {
  const extreme = source.reduce((most, x) => Math.abs(x) > Math.abs(most) ? x : most, 0);
  const scale = f32(extreme / -8);
  const inverse = scale === 0 ? 0 : f32(1 / scale);
  const stored = putHalf(data, 0, scale);
  source.forEach((x, i) => {
    const q = Math.min(15, Math.trunc(f32(f32(x * inverse) + 8.5)));
    putNibble(data, 2, i, q);
    values[i] = f32(stored * (q - 8));
  });
};

/** A block is two halves `d` and `m` and 32 nibbles `q`: d · q + m. */
const toQ4_1: BlockQuantizer = (source, data, values) => {
  const least = Math.min(...source);
  const scale = f32(f32(Math.max(...source) - least) / 15);
  const inverse = scale === 0 ? 0 : f32(1 / scale);
  const stored = putHalf(data, 0, scale);
  const minimum = putHalf(data, 2, least);
  source.forEach((x, i) => {
    const q = Math.min(15, Math.trunc(f32(f32(f32(x - least) * inverse) + 0.5)));
    putNibble(data, 4, i, q);
    values[i] = f32(f32(stored * q) + minimum);
  });
};

/** Writes nibble `index` of 32 whose bytes begin at `start`: the first 16 are the low halves. */
function putNibble(data: DataView, start: number, index: number, value: number): void {
  const at = start + index % 16;
  data.setUint8(at, data.getUint8(at) | value << (index < 16 ? 0 : 4));
}
