import { assertEquals, assertThrows } from "@std/assert";
import {
  layoutSafetensors,
  parseSafetensors,
  type SafetensorsEntry,
  writeSafetensors,
} from "../../lib/formats/mod.ts";
import { file, u64 } from "./bytes.ts";

/** Bytes 0, 1, 2 and so on. */
const counting = (count: number) => Uint8Array.from({ length: count }, (_, i) => i);

/** Tensors whose order, alignment and names are each a matter of their own. */
const ENTRIES = [
  { name: "b", dtype: "F16", shape: [2], data: counting(4) },
  { name: "a", dtype: "F32", shape: [3], data: counting(12) },
  { name: 'é\n"\\\x1f\x7f\u2028', dtype: "I64", shape: [1], data: counting(8) },
  { name: "😀", dtype: "F32", shape: [], data: counting(4) },
  { name: "\uffee", dtype: "F32", shape: [1, 1], data: counting(4) },
  { name: "1", dtype: "BOOL", shape: [0, 3], data: counting(0) },
  { name: "u", dtype: "U8", shape: [5], data: counting(5) },
  { name: "bf", dtype: "BF16", shape: [1], data: counting(2) },
];

/** What safetensors.serialize() of the Python package 0.8.0 makes of the same tensors. */
const REFERENCE = Uint8Array.fromBase64(
  "+AEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdFxiXHQifSwiw6lcblwiXFxcdTAwMWZ/4oCoIjp7ImR0" +
    "eXBlIjoiSTY0Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMCw4XX0sImEiOnsiZHR5cGUiOiJGMzIiLCJzaGFw" +
    "ZSI6WzNdLCJkYXRhX29mZnNldHMiOls4LDIwXX0sIu+/riI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMSwxXSwiZGF0" +
    "YV9vZmZzZXRzIjpbMjAsMjRdfSwi8J+YgCI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbXSwiZGF0YV9vZmZzZXRzIjpb" +
    "MjQsMjhdfSwiYmYiOnsiZHR5cGUiOiJCRjE2Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMjgsMzBdfSwiYiI6" +
    "eyJkdHlwZSI6IkYxNiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzMwLDM0XX0sInUiOnsiZHR5cGUiOiJVOCIs" +
    "InNoYXBlIjpbNV0sImRhdGFfb2Zmc2V0cyI6WzM0LDM5XX0sIjEiOnsiZHR5cGUiOiJCT09MIiwic2hhcGUiOlswLDNd" +
    "LCJkYXRhX29mZnNldHMiOlszOSwzOV19fSAgICAAAQIDBAUGBwABAgMEBQYHCAkKCwABAgMAAQIDAAEAAQIDAAECAwQ=",
);

Deno.test("writeSafetensors() writes the bytes that the format's own library writes", () => {
  assertEquals(writeSafetensors(ENTRIES, [["format", "pt\b\t"]]), REFERENCE);
  assertEquals(writeSafetensors(ENTRIES.toReversed(), [["format", "pt\b\t"]]), REFERENCE);
  assertEquals(writeSafetensors([]), file(u64(8), "{}      "));
});

Deno.test("parseSafetensors() reads what writeSafetensors() writes", () => {
  const { metadata, tensors } = parseSafetensors(REFERENCE);
  assertEquals(metadata, new Map([["format", "pt\b\t"]]));
  assertEquals(tensors.size, ENTRIES.length);
  for (const { name, dtype, shape, data } of ENTRIES) {
    const tensor = tensors.get(name)!;
    assertEquals([tensor.dtype, tensor.shape], [dtype, shape]);
    assertEquals(REFERENCE.slice(tensor.offset, tensor.offset + tensor.byteLength), data);
  }
});

Deno.test("layoutSafetensors() aligns every tensor to its elements", () => {
  const { tensors, byteLength, header } = layoutSafetensors(ENTRIES);
  const bytes = new Map([["I64", 8], ["F32", 4], ["F16", 2], ["BF16", 2]]);
  let end = header.length;
  for (const { dtype, offset, byteLength } of tensors) {
    assertEquals(offset % (bytes.get(dtype) ?? 1), 0);
    assertEquals(offset, end);
    end += byteLength;
  }
  assertEquals(byteLength, end);
});

Deno.test("layoutSafetensors() keeps names that mean something to JavaScript", () => {
  const names = ["__proto__", "constructor", "2", "10", ""];
  const entries = names.map((name) => ({ name, dtype: "U8", shape: [1], data: counting(1) }));
  const parsed = parseSafetensors(writeSafetensors(entries, [["__proto__", "x"]]));
  assertEquals([...parsed.tensors.keys()], ["", "10", "2", "__proto__", "constructor"]);
  assertEquals(parsed.metadata, new Map([["__proto__", "x"]]));
});

Deno.test("layoutSafetensors() refuses what a reader would refuse", () => {
  const refused = (entry: Partial<SafetensorsEntry>, message: string) => {
    const whole = { name: "x", dtype: "F32", shape: [1], ...entry };
    assertThrows(() => layoutSafetensors([whole]), undefined, message);
  };
  refused({ dtype: "float32" }, 'has the dtype "float32"; the format has BOOL, F4');
  refused({ name: "__metadata__" }, "has the name of the metadata");
  refused({ name: "\ud800" }, "is not a well-formed text");
  refused({ shape: [-1] }, "[-1] of F32 is not a shape that fills whole bytes");
  refused({ shape: [0.5] }, "[0.5] of F32");
  refused({ shape: [2 ** 52, 2] }, "of F32 is not a shape");
  refused({ dtype: "F4", shape: [3] }, "[3] of F4 is not a shape that fills whole bytes");
  const twice = [
    { name: "x", dtype: "F32", shape: [1] },
    { name: "y", dtype: "F32", shape: [1] },
    { name: "x", dtype: "U8", shape: [1] },
  ];
  assertThrows(() => layoutSafetensors(twice), RangeError, 'the tensor "x" occurs twice');
  const pairs = [["a", "1"], ["a", "2"]] as const;
  assertThrows(() => layoutSafetensors([], pairs), RangeError, 'the metadata key "a" occurs twice');
  const long = [["a", "x".repeat(100_000_000)]] as const;
  assertThrows(() => layoutSafetensors([], long), RangeError, "more than 100000000");
});

Deno.test("writeSafetensors() refuses bytes that do not fit their shape", () => {
  const write = () =>
    writeSafetensors([{ name: "x", dtype: "F32", shape: [2], data: counting(4) }]);
  assertThrows(write, RangeError, 'tensor "x" needs 8 bytes, but data has 4');
});
