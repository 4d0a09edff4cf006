import { assertEquals, assertThrows } from "@std/assert";
import { inspectFile, writeGguf, writeNpy, writeNpz } from "../../lib/formats/mod.ts";
import { file, u64, zeros } from "./bytes.ts";

Deno.test("inspectFile() describes a GGUF file, its long arrays abbreviated", () => {
  const bytes = writeGguf({
    metadata: [
      ["name", "Mill\n"],
      ["epsilon", Math.fround(1e-5)],
      ["huge", 2n ** 64n - 1n],
      ["nothing", NaN],
      ["few", [1, 2, 3]],
      ["many", Float32Array.from({ length: 65 }, () => Math.fround(0.1))],
      ["deep", [[1], ["a"]]],
    ],
    tensors: [
      { name: "q", type: "Q4_0", shape: [2, 32], data: new Uint8Array(36) },
      { name: "x", type: "F32", shape: [3], data: new Uint8Array(12) },
      { name: "y", type: "F32", shape: [8], data: new Uint8Array(32) },
    ],
  });
  const description = inspectFile(bytes, "m.gguf");
  assertEquals(description.format, "gguf");
  assertEquals(description.version, 3);
  assertEquals(description.metadata, [
    ["name", "string", '"Mill\\n"'],
    ["epsilon", "float32", "0.00001"],
    ["huge", "uint64", "18446744073709551615"],
    ["nothing", "float32", "NaN"],
    ["few", "uint32[]", "[1, 2, 3]"],
    ["many", "float32[]", "[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, … 65 in all]"],
    ["deep", "array[]", '[[1], ["a"]]'],
  ]);
  assertEquals(description.values, {
    name: "Mill\n",
    epsilon: Math.fround(1e-5),
    huge: "18446744073709551615",
    nothing: "NaN",
    few: [1, 2, 3],
    many: { type: "float32[]", length: 65 },
    deep: [[1], ["a"]],
  });
  const [q, x] = description.tensors;
  assertEquals([q.name, q.dtype, q.shape, q.bytes], ["q", "Q4_0", [2, 32], 36]);
  assertEquals(x.offset, q.offset + 64);
  assertEquals(description.totals, {
    tensors: 3,
    parameters: 75,
    tensorBytes: 80,
    fileBytes: bytes.length,
    bytesByDType: { F32: 44, Q4_0: 36 },
  });
});

Deno.test("inspectFile() describes a safetensors file", () => {
  const header = '{"__metadata__":{"format":"pt"},' +
    '"x":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}';
  const bytes = file(u64(header.length), header, zeros(12));
  const { format, metadata, tensors, totals } = inspectFile(bytes, "m.safetensors");
  assertEquals(format, "safetensors");
  assertEquals(metadata, [["format", "string", '"pt"']]);
  const offset = 8 + header.length;
  assertEquals(tensors, [{ name: "x", dtype: "BF16", shape: [2, 3], offset, bytes: 12 }]);
  assertEquals(totals.parameters, 6);
});

Deno.test("inspectFile() describes an npy file", () => {
  const { format, version, values, tensors } = inspectFile(
    writeNpy(new Int32Array(6), [2, 3]),
    "a",
  );
  assertEquals([format, version], ["npy", 1]);
  assertEquals(values, { descr: "<i4", fortran_order: false });
  assertEquals(tensors, [{ name: "", dtype: "int32", shape: [2, 3], offset: 128, bytes: 24 }]);
});

Deno.test("inspectFile() describes an npz file", () => {
  const arrays = [["a", { data: new Int32Array(6), shape: [2, 3] }], ["b", {
    data: new Float32Array(500),
    shape: [500],
  }]] as const;
  const { format, tensors, totals } = inspectFile(writeNpz(arrays, { deflate: true }), "m.npz");
  assertEquals(format, "npz");
  assertEquals(tensors.map(({ name, dtype, shape, bytes }) => [name, dtype, shape, bytes]), [
    ["a", "int32", [2, 3], 24],
    ["b", "float32", [500], 2000],
  ]);
  assertEquals([tensors[0].offset, totals.parameters, totals.tensorBytes], [0, 506, 2024]);
});

Deno.test("inspectFile() refuses other files with their name", () => {
  const message = "a.bin: not GGUF";
  assertThrows(() => inspectFile(new Uint8Array(64), "a.bin"), SyntaxError, message);
  assertThrows(() => inspectFile(new Uint8Array(), "a.bin"), SyntaxError, "the file is empty");
});

Deno.test("inspectFile() gives values that JSON can write, whatever the keys", () => {
  const bytes = writeGguf({ metadata: [["__proto__", 2n ** 60n]], tensors: [] });
  assertEquals(
    JSON.stringify(inspectFile(bytes, "m").values),
    '{"__proto__":"1152921504606846976"}',
  );
});
