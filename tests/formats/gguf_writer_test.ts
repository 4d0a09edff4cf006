import { assertEquals, assertThrows } from "@std/assert";
import { layoutGguf, parseGguf, writeGguf } from "../../lib/formats/mod.ts";
import { smallGguf } from "../support/small_gguf.ts";
import {
  file,
  ggufEntry,
  ggufHead,
  ggufInfo,
  padded,
  text,
  TYPE,
  u32,
  u64,
  zeros,
} from "./bytes.ts";

Deno.test("writeGguf() writes the bytes that the specification asks for", () => {
  const data = Uint8Array.from({ length: 24 }, (_, i) => i);
  const written = writeGguf({
    metadata: [["a", 42], ["s", "Mühle"], ["l", Float32Array.of(1)], ["n", ["x", ""]]],
    tensors: [
      { name: "t", type: "F32", shape: [2, 3], data },
      { name: "q", type: "Q8_0", shape: [32], data: new Uint8Array(34).fill(9) },
    ],
  });
  const head = file(
    ggufHead(2, 4),
    ggufEntry("a", TYPE.uint32, u32(42)),
    ggufEntry("s", TYPE.string, text("Mühle")),
    ggufEntry("l", TYPE.array, u32(TYPE.float32), u64(1), [0, 0, 0x80, 0x3f]),
    ggufEntry("n", TYPE.array, u32(TYPE.string), u64(2), text("x"), text("")),
    ggufInfo("t", [3, 2], 0, 0),
    ggufInfo("q", [32], 8, 32),
  );
  const tensors = file(data, zeros(8), new Array(34).fill(9), zeros(30));
  assertEquals(written, file(padded(head, 32), tensors));
});

Deno.test("writeGguf() chooses the type that holds a value when none is given", () => {
  const { types } = parseGguf(writeGguf({
    metadata: [
      ["uint32", 2 ** 32 - 1],
      ["int32", -1],
      ["uint64", 2 ** 32],
      ["int64", -(2 ** 40)],
      ["uint64 from a bigint", 2n ** 64n - 1n],
      ["float32", 0.5],
      ["float64", 0.1],
      ["bool", true],
      ["string", ""],
      ["uint32[]", [1, 2]],
      ["int32[]", [1, -2]],
      ["float32[]", [1, 0.5]],
      ["float64[]", [1, 0.1]],
      ["uint8[]", new Uint8Array(1)],
      ["bool[]", [false]],
      ["string[]", ["a"]],
      ["array[]", [[1], ["a"]]],
    ],
    tensors: [],
  }));
  for (const [key, type] of types) assertEquals(type, key.split(" ")[0]);
});

Deno.test("writeGguf() writes again what parseGguf() read, byte for byte", () => {
  const head = file(
    ggufHead(1, 9),
    ggufEntry("general.alignment", TYPE.uint32, u32(64)),
    ggufEntry("i8", TYPE.int8, [0x80]),
    ggufEntry("u16", TYPE.uint16, [1, 2]),
    ggufEntry("whole float", TYPE.float32, [0, 0, 0x80, 0x3f]),
    ggufEntry("f64", TYPE.float64, [1, 2, 3, 4, 5, 6, 0xf8, 0x3f]),
    ggufEntry("i64", TYPE.int64, u64(-(2n ** 62n))),
    ggufEntry("i64s", TYPE.array, u32(TYPE.int64), u64(2), u64(-1), u64(5)),
    ggufEntry("bools", TYPE.array, u32(TYPE.bool), u64(2), [1, 0]),
    ggufEntry("deep", TYPE.array, u32(TYPE.array), u64(1), u32(TYPE.int16), u64(1), [1, 0]),
    ggufInfo("x", [4], 24, 0),
  );
  const bytes = file(padded(head, 64), [1, 2, 3, 4], zeros(60));
  const { metadata, types, tensors } = parseGguf(bytes);
  const again = writeGguf({
    metadata,
    types,
    tensors: Array.from(tensors.values(), (tensor) => ({
      ...tensor,
      data: bytes.subarray(tensor.offset, tensor.offset + tensor.byteLength),
    })),
  });
  assertEquals(again, bytes);
});

Deno.test("writeGguf() aligns as asked and says so in the file", () => {
  const data = new Uint8Array(4).fill(1);
  const tensors = ["a", "b"].map((name) => ({ name, type: "F32", shape: [1], data }));
  const gguf = parseGguf(writeGguf({ metadata: [], tensors, alignment: 4096 }));
  assertEquals(gguf.alignment, 4096);
  assertEquals(Array.from(gguf.tensors.values(), (tensor) => tensor.offset), [4096, 8192]);
});

Deno.test("writeGguf() refuses what a reader would refuse", () => {
  const tensor = { name: "t", type: "Q4_0", shape: [2, 32], data: new Uint8Array(36) };
  const write = (change: Partial<typeof tensor>) => () =>
    writeGguf({ metadata: [], tensors: [{ ...tensor, ...change }] });
  assertEquals(parseGguf(write({})()).tensors.get("t")?.byteLength, 36);
  assertThrows(write({ data: new Uint8Array(35) }), RangeError, "needs 36 bytes, but data has 35");
  assertThrows(write({ shape: [32, 2] }), RangeError, "not whole blocks of 32 (Q4_0)");
  assertThrows(write({ shape: [1, 1, 1, 1, 32] }), RangeError, "at most 4 whole sizes");
  assertThrows(write({ shape: [-1, 32] }), RangeError, "is not a shape");
  assertThrows(write({ type: "Q9_9" }), TypeError, 'unknown type "Q9_9"');
  assertThrows(write({ name: "" }), RangeError, 'tensor name "" has not 1 to 65535 bytes');
  const twice = { metadata: [], tensors: [tensor, tensor] };
  assertThrows(() => writeGguf(twice), RangeError, '"t" occurs twice');
});

Deno.test("writeGguf() refuses values that do not have their type", () => {
  const write = (value: string | number | bigint | number[], type: string) => () =>
    writeGguf({ metadata: [["k", value]], tensors: [], types: new Map([["k", type]]) });
  assertThrows(write(256, "uint8"), RangeError, 'writeGguf: "k": 256 is out of range for uint8');
  assertThrows(write(-129, "int8"), RangeError, "-129 is out of range for int8");
  assertThrows(write(1.5, "int32"), RangeError, "1.5 is out of range for int32");
  assertThrows(write(2n ** 64n, "uint64"), RangeError, "out of range for uint64");
  assertThrows(write([1, 256], "uint8[]"), RangeError, "256 is out of range for uint8");
  assertThrows(write("x", "uint8"), TypeError, '"x" is not of type uint8');
  assertThrows(write(1, "string"), TypeError, "1 is not of type string");
  assertThrows(write(1, "bool"), TypeError, "1 is not of type bool");
  assertThrows(write(1, "int32[]"), TypeError, "1 is not an array");
  assertThrows(write(1, "int31"), TypeError, 'unknown value type "int31"');
  const alignment = () => writeGguf({ metadata: [], tensors: [], alignment: 24 });
  assertThrows(alignment, RangeError, "power of two of at least 8, not 24");
});

Deno.test("the small model for tests is the same in every run and can be changed", () => {
  const { bytes, weights } = smallGguf({ type: "Q8_0", seed: 7 });
  assertEquals(smallGguf({ type: "Q8_0", seed: 7 }).bytes, bytes);
  const { tensors, metadata } = parseGguf(bytes);
  assertEquals(tensors.get("token_embd.weight")?.type, "Q8_0");
  assertEquals(tensors.get("token_embd.weight")?.shape, [300, 64]);
  assertEquals((metadata.get("tokenizer.ggml.tokens") as string[]).length, 300);
  assertEquals(weights.size, tensors.size);
  const changed = parseGguf(
    smallGguf({
      layers: 1,
      tied: false,
      metadata: { "general.architecture": "mamba", "llama.block_count": undefined },
      tensors: { "output_norm.weight": undefined },
    }).bytes,
  );
  assertEquals(changed.metadata.get("general.architecture"), "mamba");
  assertEquals(changed.metadata.has("llama.block_count"), false);
  assertEquals(changed.tensors.has("output_norm.weight"), false);
  assertEquals(changed.tensors.has("output.weight"), true);
  assertEquals(changed.tensors.has("blk.1.attn_q.weight"), false);
});

Deno.test("layoutGguf() says where the bytes of writeGguf() lie", () => {
  const tensors = [
    { name: "a", type: "F32", shape: [3], data: new Uint8Array(12).fill(1) },
    { name: "b", type: "Q8_0", shape: [2, 32], data: new Uint8Array(68).fill(2) },
    { name: "none", type: "F16", shape: [0, 4], data: new Uint8Array(0) },
  ];
  const metadata: [string, string][] = [["general.architecture", "llama"]];
  for (const alignment of [8, 32, 256]) {
    const file = writeGguf({ metadata, tensors, alignment });
    const layout = layoutGguf({ metadata, tensors, alignment });
    assertEquals(file.subarray(0, layout.header.length), layout.header);
    assertEquals(layout.byteLength, file.length);
    assertEquals(layout.tensors, [...parseGguf(file).tensors.values()]);
  }
});
