import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { parseNpzHeaders, readNpz, writeNpy, writeNpz } from "../../lib/formats/mod.ts";
import { readZip, writeZip } from "../../lib/formats/zip.ts";
import { file, u16, u32, zeros } from "./bytes.ts";

/** numpy.savez(f, x=numpy.float32([[1, -2, 0.5]]), é=numpy.arange(3, dtype="i2")), numpy 2.4.6. */
const SAVED = Uint8Array.fromBase64(
  "UEsDBC0AAAAAAAAAIQAmm460//////////8FABQAeC5ucHkBABAAjAAAAAAAAACMAAAAAAAAAJNOVU1QWQEAdgB7J2Rl" +
    "c2NyJzogJzxmNCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgxLCAzKSwgfSAgICAgICAgICAgICAg" +
    "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAACAPwAAAMAAAAA/UEsDBC0AAAgAAAAA" +
    "IQBqz/JR//////////8GABQAw6kubnB5AQAQAIYAAAAAAAAAhgAAAAAAAACTTlVNUFkBAHYAeydkZXNjcic6ICc8aTIn" +
    "LCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMywpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAg" +
    "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgCgAAAQACAFBLAQItAy0AAAAAAAAAIQAmm460jAAAAIwAAAAF" +
    "AAAAAAAAAAAAAACAAQAAAAB4Lm5weVBLAQItAy0AAAgAAAAAIQBqz/JRhgAAAIYAAAAGAAAAAAAAAAAAAACAAcMAAADD" +
    "qS5ucHlQSwUGAAAAAAIAAgBnAAAAgQEAAAAA",
);
/** The same by numpy.savez_compressed(). */
const COMPRESSED = Uint8Array.fromBase64(
  "UEsDBC0AAAAIAAAAIQAmm460//////////8FABQAeC5ucHkBABAAjAAAAAAAAABRAAAAAAAAAJvsF+obEMnIUMZQrZ6S" +
    "WpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6CsaaOgq1CmQDLgaGBnsGBoYDQGwPAFBL" +
    "AwQtAAAICAAAACEAas/yUf//////////BgAUAMOpLm5weQEAEACGAAAAAAAAAEoAAAAAAAAAm+wX6hsQychQxlCtnpJa" +
    "nFykbqWgbpNppK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjqaOgq1ChQALgYGRgYmBgBQSwECLQMtAAAA" +
    "CAAAACEAJpuOtFEAAACMAAAABQAAAAAAAAAAAAAAgAEAAAAAeC5ucHlQSwECLQMtAAAICAAAACEAas/yUUoAAACGAAAA" +
    "BgAAAAAAAAAAAAAAgAGIAAAAw6kubnB5UEsFBgAAAAACAAIAZwAAAAoBAAAAAA==",
);
/** numpy.savez(f, o=numpy.array([{1: 2}], dtype=object)): a pickle. */
const PICKLED = Uint8Array.fromBase64(
  "UEsDBC0AAAAAAAAAIQB7PU1C//////////8FABQAby5ucHkBABAAGwEAAAAAAAAbAQAAAAAAAJNOVU1QWQEAdgB7J2Rl" +
    "c2NyJzogJ3xPJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAg" +
    "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKgASVkAAAAAAAAACMFm51bXB5Ll9jb3Jl" +
    "Lm11bHRpYXJyYXmUjAxfcmVjb25zdHJ1Y3SUk5SMBW51bXB5lIwHbmRhcnJheZSTlEsAhZRDAWKUh5RSlChLAUsBhZRo" +
    "A4wFZHR5cGWUk5SMAk84lImIh5RSlChLA4wBfJROTk5K/////0r/////Sz90lGKJXZR9lEsBSwJzYXSUYi5QSwECLQMt" +
    "AAAAAAAAACEAez1NQhsBAAAbAQAABQAAAAAAAAAAAAAAgAEAAAAAby5ucHlQSwUGAAAAAAEAAQAzAAAAUgEAAAAA",
);

const ARRAYS = new Map<string, { data: Float32Array<ArrayBuffer>; shape: number[] }>([
  ["x", { data: new Float32Array(1000).fill(1.5), shape: [10, 100] }],
  ["sub/é", { data: Float32Array.of(7), shape: [] }],
  ["__proto__", { data: new Float32Array(), shape: [0, 3] }],
]);

/** An archive of one file, whose directory entry says something else than what is true. */
function lying(
  field: "bytes" | "packed",
  value: number,
  deflate: boolean,
): Uint8Array<ArrayBuffer> {
  const archive = writeZip([["x.npy", writeNpy(new Float32Array(1000), [1000])]], { deflate });
  const view = new DataView(archive.buffer);
  // The directory's entry: 46 bytes and the name, before an end record of 22.
  const entry = archive.length - 22 - 46 - 5;
  view.setUint32(entry + (field === "bytes" ? 24 : 20), value, true);
  return archive;
}

function assertRefused(bytes: Uint8Array, what: string): void {
  const error = assertThrows(() => readNpz(bytes, { name: "bad.npz" }), SyntaxError, what);
  assert(error.message.startsWith("bad.npz: "), error.message);
  assert(/, at offset \d+ \(.+\)$/.test(error.message), error.message);
}

Deno.test("readNpz() reads files that numpy wrote, stored and deflated", () => {
  for (const bytes of [SAVED, COMPRESSED]) {
    assertEquals([...readNpz(bytes)], [
      ["x", { dtype: "float32", shape: [1, 3], data: Float32Array.of(1, -2, 0.5) }],
      ["é", { dtype: "int16", shape: [3], data: Int16Array.of(0, 1, 2) }],
    ]);
    const headers = Array.from(parseNpzHeaders(bytes), ([name, { descr, shape }]) => [
      name,
      descr,
      shape,
    ]);
    assertEquals(headers, [["x", "<f4", [1, 3]], ["é", "<i2", [3]]]);
  }
});

Deno.test("readNpz() reads what writeNpz() writes, and deflating makes it smaller", () => {
  const stored = writeNpz(ARRAYS);
  const deflated = writeNpz(ARRAYS, { deflate: true });
  assert(deflated.length < stored.length / 4);
  for (const bytes of [stored, deflated]) {
    const expected = Array.from(ARRAYS, ([name, array]) => [name, { dtype: "float32", ...array }]);
    assertEquals([...readNpz(bytes)], expected as never);
    assertEquals([...parseNpzHeaders(bytes).keys()], [...ARRAYS.keys()]);
  }
  assertEquals(readNpz(writeNpz([])).size, 0);
});

Deno.test("readNpz() leaves out what is no array, and keeps elements apart from the file", () => {
  const x = writeNpy(Float32Array.of(1), [1]);
  const bytes = writeZip([["notes.txt", new Uint8Array(3)], ["x.npy", x]]);
  const array = readNpz(bytes).get("x")!;
  bytes.fill(0);
  assertEquals([...array.data], [1]);
});

Deno.test("readNpz() refuses pickled objects, and says which array they are", () => {
  const message = 'bad.npz: "o": the array holds Python objects';
  assertThrows(() => readNpz(PICKLED, { name: "bad.npz" }), SyntaxError, message);
  assertThrows(() => parseNpzHeaders(PICKLED, { name: "bad.npz" }), SyntaxError, message);
});

Deno.test("readNpz() refuses claims beyond the file without making room for them", () => {
  assertRefused(lying("bytes", 2 ** 32 - 2, true), "claims 4294967294 bytes, more than");
  assertRefused(
    lying("bytes", 2 ** 32 - 2, false),
    "unpacks to 4128 bytes, but the directory says",
  );
  assertRefused(lying("bytes", 4127, true), "unpacks to 4128 bytes, but the directory says 4127");
  assertRefused(lying("bytes", 100, true), "unpacks to more bytes than the directory says, 100");
  assertRefused(lying("bytes", 4129, true), "unpacks to 4128 bytes, but the directory says 4129");
  assertRefused(lying("packed", 2 ** 32 - 2, false), '"x.npy" ends after the file');
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1073741824,), }";
  const npy = file([0x93], "NUMPY", [1, 0], u16(header.length), header, zeros(4));
  for (const deflate of [false, true]) {
    const bytes = writeZip([["x.npy", npy]], { deflate });
    const message = '"x": shape (1073741824) of <f4 needs 4294967296 bytes, but 4 are left';
    assertRefused(bytes, message);
    assertThrows(() => parseNpzHeaders(bytes), SyntaxError, message);
  }
});

Deno.test("readNpz() refuses archives that contradict themselves", () => {
  const x = writeNpy(Float32Array.of(1), [1]);
  assertRefused(writeZip([["x.npy", x], ["x.npy", x]]), 'the array "x" occurs twice');
  const changed = SAVED.slice();
  // The last byte of the first array.
  changed[194] ^= 1;
  assertRefused(changed, "has another CRC-32 than the directory says");
  assertRefused(file([0x93], "NUMPY"), "the file is an npy file, not npz");
  assertRefused(file("PK\x03\x04", zeros(40)), "no end record was found");
  const wide = file("PK\x05\x06", zeros(6), u16(0xffff), zeros(10));
  assertRefused(wide, "a zip64 archive");
  const beyond = file("PK\x05\x06", u16(0), u16(0), u16(1), u16(1), u32(99), u32(0), u16(0));
  assertRefused(beyond, "the zip directory at 0 ends after the file");
});

Deno.test("readNpz() refuses a file that is cut at any byte", () => {
  for (const bytes of [SAVED, COMPRESSED]) {
    for (let length = 0; length < bytes.length; length++) {
      assertThrows(() => readNpz(bytes.subarray(0, length)), SyntaxError, ", at offset ");
    }
  }
});

Deno.test("readNpz() reads or refuses each file that differs in one byte", () => {
  for (const whole of [SAVED, COMPRESSED]) {
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff, whole[at] ^ 1, whole[at] ^ 0x20]) {
        try {
          readNpz(whole.with(at, value));
          parseNpzHeaders(whole.with(at, value));
        } catch (error) {
          assertInstanceOf(error, SyntaxError, `byte ${at} = ${value}: ${error}`);
        }
      }
    }
  }
});

Deno.test("writeNpz() refuses names that occur twice, and shapes that do not fit", () => {
  const x = { data: Float32Array.of(1), shape: [1] };
  assertThrows(() => writeNpz([["x", x], ["x", x]]), RangeError, 'the array "x" occurs twice');
  assertThrows(() => writeNpz([["x", { ...x, shape: [2] }]]), RangeError, "the shape is [2]");
  assertThrows(() => writeNpz([["x".repeat(70000), x]]), RangeError, "more than 65535");
});

Deno.test("writeZip() stores what deflating would not make smaller", () => {
  const noise = Uint8Array.from({ length: 64 }, (_, i) => (i * 97 + 31 * i * i) & 0xff);
  const [entry] = readZip(writeZip([["a", noise]], { deflate: true }), "a.zip");
  assertEquals([entry.method, entry.compressedBytes], [0, 64]);
});
