import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { parseGguf } from "../../lib/formats/mod.ts";
import { TENSOR_TYPES_BY_CODE } from "../../lib/formats/gguf_types.ts";
import { file, ggufEntry, ggufHead, ggufInfo, padded, text, TYPE, u32, u64 } from "./bytes.ts";

/** A file with one uint32, a = 42, and one tensor t of F32 [2, 3], written out in hexadecimal. */
const SMALLEST = Uint8Array.fromHex(
  "47475546" + "03000000" + "0100000000000000" + "0100000000000000" + // GGUF, 3, one tensor, one entry
    "0100000000000000" + "61" + "04000000" + "2a000000" + // "a", uint32, 42
    "0100000000000000" + "74" + "02000000" + "0300000000000000" + "0200000000000000" + // "t", 3 × 2
    "00000000" + "0000000000000000" + // F32, at 0 of the data
    "0000000000000000000000000000" + // 82 bytes so far: padded to 96
    "00".repeat(24),
);

/** Metadata only, with these entries. */
function metadataOf(...entries: Uint8Array[]): ReturnType<typeof parseGguf> {
  return parseGguf(file(ggufHead(0, entries.length), ...entries));
}

/** One entry named k. */
function valueOf(type: number, ...value: Parameters<typeof file>): unknown {
  return metadataOf(file(ggufEntry("k", type, ...value))).metadata.get("k");
}

Deno.test("parseGguf() reads a file laid out by hand", () => {
  const gguf = parseGguf(SMALLEST);
  assertEquals(gguf, {
    version: 3,
    alignment: 32,
    metadata: new Map([["a", 42]]),
    types: new Map([["a", "uint32"]]),
    tensors: new Map([
      ["t", { name: "t", type: "F32", shape: [2, 3], offset: 96, byteLength: 24 }],
    ]),
    dataOffset: 96,
    byteLength: 120,
  });
});

Deno.test("parseGguf() reads version 2 as it reads version 3", () => {
  const older = SMALLEST.slice();
  older[4] = 2;
  assertEquals({ ...parseGguf(older), version: 3 }, parseGguf(SMALLEST));
});

Deno.test("parseGguf() reads a file that does not begin at the start of its buffer", () => {
  const shifted = file([1, 2, 3], SMALLEST, [4]).subarray(3, 3 + SMALLEST.length);
  assertEquals(parseGguf(shifted), parseGguf(SMALLEST));
});

Deno.test("parseGguf() reads every scalar type", () => {
  assertEquals(valueOf(TYPE.uint8, [200]), 200);
  assertEquals(valueOf(TYPE.int8, [200]), -56);
  assertEquals(valueOf(TYPE.uint16, [0xfe, 0xff]), 65534);
  assertEquals(valueOf(TYPE.int16, [0xfe, 0xff]), -2);
  assertEquals(valueOf(TYPE.uint32, u32(0xfffffffe)), 4294967294);
  assertEquals(valueOf(TYPE.int32, u32(0xfffffffe)), -2);
  assertEquals(valueOf(TYPE.float32, [0, 0, 0xc0, 0x3f]), 1.5);
  assertEquals(valueOf(TYPE.float64, [0, 0, 0, 0, 0, 0, 0xf8, 0xbf]), -1.5);
  assertEquals(valueOf(TYPE.bool, [1]), true);
  assertEquals(valueOf(TYPE.bool, [0]), false);
  assertEquals(valueOf(TYPE.string, text("Mühle ✓")), "Mühle ✓");
  assertEquals(valueOf(TYPE.string, text("")), "");
});

Deno.test("parseGguf() reads 64-bit integers as numbers where those are exact, else as bigints", () => {
  assertEquals(valueOf(TYPE.uint64, u64(2 ** 53 - 1)), 2 ** 53 - 1);
  assertEquals(valueOf(TYPE.uint64, u64(2n ** 53n)), 2n ** 53n);
  assertEquals(valueOf(TYPE.uint64, u64(2n ** 64n - 1n)), 2n ** 64n - 1n);
  assertEquals(valueOf(TYPE.int64, u64(-5)), -5);
  assertEquals(valueOf(TYPE.int64, u64(-(2n ** 63n))), -(2n ** 63n));
  assertEquals(valueOf(TYPE.array, u32(TYPE.uint64), u64(2), u64(1), u64(2)), [1, 2]);
  assertEquals(valueOf(TYPE.array, u32(TYPE.int64), u64(2), u64(-1), u64(2n ** 60n)), [
    -1n,
    2n ** 60n,
  ]);
});

Deno.test("parseGguf() copies arrays of numbers into typed arrays of their type", () => {
  const bytes = file(
    ggufHead(0, 1),
    ggufEntry("k", TYPE.array, u32(TYPE.int16), u64(3), [1, 0, 2, 0, 255, 255]),
  );
  const { metadata, types } = parseGguf(bytes);
  bytes.fill(0);
  assertEquals(metadata.get("k"), Int16Array.of(1, 2, -1));
  assertEquals(types.get("k"), "int16[]");
  const ones = [0, 0, 0x80, 0x3f];
  assertEquals(valueOf(TYPE.array, u32(TYPE.float32), u64(1), ones), Float32Array.of(1));
  assertEquals(valueOf(TYPE.array, u32(TYPE.uint8), u64(2), [7, 8]), Uint8Array.of(7, 8));
  assertEquals(valueOf(TYPE.array, u32(TYPE.uint32), u64(0)), new Uint32Array());
  assertEquals(valueOf(TYPE.array, u32(TYPE.bool), u64(2), [1, 0]), [true, false]);
});

Deno.test("parseGguf() reads arrays of strings and arrays of arrays", () => {
  assertEquals(
    valueOf(TYPE.array, u32(TYPE.string), u64(3), text("Ġthe"), text(""), text("日本語")),
    ["Ġthe", "", "日本語"],
  );
  const inner = file(u32(TYPE.uint8), u64(2), [1, 2]);
  const words = file(u32(TYPE.string), u64(1), text("a"));
  assertEquals(valueOf(TYPE.array, u32(TYPE.array), u64(2), inner, words), [
    Uint8Array.of(1, 2),
    ["a"],
  ]);
});

Deno.test("parseGguf() decodes strings of every length and kind as TextDecoder does", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  // deno-fmt-ignore
  const pieces = [[0x41], [0xc4, 0xa0], [0xe6, 0x97, 0xa5], [0xf0, 0x9f, 0x98, 0x80], [0xff], [0xc0, 0x80], [0xc3], [0xed, 0xa0, 0x80], [0]];
  for (const first of pieces) {
    for (const second of pieces) {
      for (let repeats = 0; repeats < 20; repeats++) {
        const bytes = file(...new Array(repeats).fill(first), second, [0x2e]);
        assertStrictEquals(valueOf(TYPE.string, text(bytes)), decoder.decode(bytes));
      }
    }
  }
});

Deno.test("parseGguf() keeps a byte order mark, which begins tokens of real vocabularies", () => {
  assertStrictEquals(valueOf(TYPE.string, text("\ufeffusing")), "\ufeffusing");
  assertStrictEquals(valueOf(TYPE.string, text("\ufeff" + "x".repeat(60)))?.toString().length, 61);
});

Deno.test("parseGguf() keeps keys and names that JavaScript's objects treat specially", () => {
  const bytes = padded(
    file(
      ggufHead(1, 2),
      ggufEntry("__proto__", TYPE.uint8, [7]),
      ggufEntry("constructor", TYPE.uint8, [8]),
      ggufInfo("__proto__", [], 0, 0),
    ),
    32,
  );
  const { metadata, tensors } = parseGguf(file(bytes, [0, 0, 0, 0]));
  assertEquals([...metadata], [["__proto__", 7], ["constructor", 8]]);
  assertEquals(tensors.get("__proto__")?.shape, []);
  assertEquals(tensors.get("__proto__")?.byteLength, 4);
});

Deno.test("parseGguf() places tensors by the file's own alignment, in any order, with gaps", () => {
  const head = file(
    ggufHead(3, 1),
    ggufEntry("general.alignment", TYPE.uint32, u32(64)),
    ggufInfo("second", [32], 8, 128),
    ggufInfo("first", [1, 1, 1, 5], 0, 0),
    ggufInfo("none", [4, 0], 0, 0),
  );
  const dataOffset = Math.ceil(head.length / 64) * 64;
  const bytes = new Uint8Array(dataOffset + 128 + 34);
  bytes.set(head);
  const gguf = parseGguf(bytes);
  assertEquals(gguf.alignment, 64);
  assertEquals(gguf.dataOffset, dataOffset);
  assertEquals([...gguf.tensors.values()], [
    { name: "second", type: "Q8_0", shape: [32], offset: dataOffset + 128, byteLength: 34 },
    { name: "first", type: "F32", shape: [5, 1, 1, 1], offset: dataOffset, byteLength: 20 },
    { name: "none", type: "F32", shape: [0, 4], offset: dataOffset, byteLength: 0 },
  ]);
});

Deno.test("the table of tensor types agrees with the sizes of ggml's blocks", () => {
  // Elements and bytes of a block as the structures in ggml-common.h add up; d is a half.
  const half = 2;
  const structures: Record<string, [number, number]> = {
    F32: [1, 4],
    F16: [1, 2],
    BF16: [1, 2],
    F64: [1, 8],
    I8: [1, 1],
    I16: [1, 2],
    I32: [1, 4],
    I64: [1, 8],
    Q4_0: [32, half + 16],
    Q4_1: [32, 2 * half + 16],
    Q5_0: [32, half + 4 + 16],
    Q5_1: [32, 2 * half + 4 + 16],
    Q8_0: [32, half + 32],
    Q8_1: [32, 2 * half + 32],
    Q2_K: [256, 16 + 64 + 2 * half],
    Q3_K: [256, 32 + 64 + 12 + half],
    Q4_K: [256, 2 * half + 12 + 128],
    Q5_K: [256, 2 * half + 12 + 32 + 128],
    Q6_K: [256, 128 + 64 + 16 + half],
    Q8_K: [256, 4 + 256 + 32],
    IQ2_XXS: [256, half + 64],
    IQ2_XS: [256, half + 64 + 8],
    IQ2_S: [256, half + 64 + 8 + 8],
    IQ3_XXS: [256, half + 96],
    IQ3_S: [256, half + 64 + 8 + 32 + 4],
    IQ1_S: [256, half + 32 + 16],
    IQ1_M: [256, 32 + 16 + 8],
    IQ4_NL: [32, half + 16],
    IQ4_XS: [256, half + 2 + 4 + 128],
    TQ1_0: [256, 48 + 4 + half],
    TQ2_0: [256, 64 + half],
    MXFP4: [32, 1 + 16],
    NVFP4: [64, 4 + 32],
    Q1_0: [128, half + 16],
    Q2_0: [64, half + 16],
  };
  for (const { name, blockSize, blockBytes } of TENSOR_TYPES_BY_CODE.values()) {
    if (/_[48]_[48]$/.test(name)) assertEquals([blockSize, blockBytes], [32, 18], name);
    else assertEquals([blockSize, blockBytes], structures[name], name);
  }
  assertEquals(TENSOR_TYPES_BY_CODE.size, Object.keys(structures).length + 6);
});

Deno.test("parseGguf() names the file in its errors", () => {
  assertThrows(() => parseGguf(new Uint8Array(), { name: "m.gguf" }), SyntaxError, "m.gguf: ");
  assertThrows(() => parseGguf(new Uint8Array()), SyntaxError, "GGUF file: the file is empty");
});
