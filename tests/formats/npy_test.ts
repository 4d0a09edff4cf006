import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { type NpyData, parseNpyHeader, readNpy, writeNpy } from "../../lib/formats/mod.ts";
import { file, u16, u32, zeros } from "./bytes.ts";

/** What numpy 2 writes for numpy.save(f, numpy.array([[1, -2, 0.5]], dtype="<f4")). */
const NUMPY_FLOAT32 = file(
  [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 0x01, 0x00, 0x76, 0x00],
  "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }".padEnd(117) + "\n",
  [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f],
);

/** A version 1 file with this header. The header begins at 10. */
function npy(header: string, data: number[] = []): Uint8Array<ArrayBuffer> {
  return file([0x93], "NUMPY", [1, 0], u16(header.length), header, data);
}

/** A header's dictionary. `descr` begins at 20, `shape` at 60 when descr has three characters. */
function dictionary(descr: string, shape: string, order = "False"): string {
  return `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
}

function assertRefused(bytes: Uint8Array, what: string, offset: number): void {
  const error = assertThrows(() => readNpy(bytes, { name: "bad.npy" }), SyntaxError, what);
  assertMatch(error.message, /^bad\.npy: .+, at offset \d+ \(.+\)$/);
  assert(error.message.includes(`, at offset ${offset} (`), error.message);
}

Deno.test("readNpy() reads a file that numpy wrote", () => {
  assertEquals(readNpy(NUMPY_FLOAT32), {
    dtype: "float32",
    shape: [1, 3],
    data: Float32Array.of(1, -2, 0.5),
  });
});

Deno.test("writeNpy() writes what numpy writes", () => {
  assertEquals(writeNpy(Float32Array.of(1, -2, 0.5), [1, 3]), NUMPY_FLOAT32);
});

Deno.test("readNpy() reads every element type that writeNpy() writes", () => {
  const arrays: [string, NpyData][] = [
    ["float16", Float16Array.of(1.5, -2)],
    ["float32", Float32Array.of(1.5, NaN)],
    ["float64", Float64Array.of(0.1, -Infinity)],
    ["int8", Int8Array.of(-1, 2)],
    ["int16", Int16Array.of(-1, 2)],
    ["int32", Int32Array.of(-1, 2)],
    ["int64", BigInt64Array.of(-1n, 2n ** 62n)],
    ["uint8", Uint8Array.of(255, 2)],
    ["uint16", Uint16Array.of(65535, 2)],
    ["uint32", Uint32Array.of(1, 2)],
    ["uint64", BigUint64Array.of(1n, 2n ** 64n - 1n)],
  ];
  for (const [dtype, data] of arrays) {
    assertEquals(readNpy(writeNpy(data, [2, 1])), { dtype, shape: [2, 1], data } as never);
  }
});

Deno.test("writeNpy() aligns the elements to 64 bytes, whatever the shape", () => {
  for (let rank = 0; rank < 30; rank++) {
    const shape = new Array<number>(rank).fill(1);
    const bytes = writeNpy(Float64Array.of(7), shape);
    assertEquals(parseNpyHeader(bytes).dataOffset % 64, 0);
    assertEquals(readNpy(bytes).shape, shape);
  }
  assertEquals(readNpy(writeNpy(new Float32Array(), [3, 0])).shape, [3, 0]);
});

Deno.test("writeNpy() refuses a shape that does not fit the data", () => {
  const message = "writeNpy: data has 3 elements, but the shape is [2]";
  assertThrows(() => writeNpy(new Float32Array(3), [2]), RangeError, message);
  assertThrows(() => writeNpy(new Float32Array(1), [-1, -1]), RangeError, "shape is [-1,-1]");
});

Deno.test("readNpy() reads versions 2 and 3, other quotes, spacing and key order", () => {
  const header = `{"shape":(2L,),'fortran_order' : True,"descr":'|u1'}\n`;
  for (const version of [2, 3]) {
    const bytes = file([0x93], "NUMPY", [version, 0], u32(header.length), header, [7, 8]);
    assertEquals(parseNpyHeader(bytes), {
      version,
      descr: "|u1",
      dtype: "uint8",
      fortranOrder: true,
      shape: [2],
      dataOffset: 12 + header.length,
      byteLength: 2,
    });
    assertEquals(readNpy(bytes).data, Uint8Array.of(7, 8));
  }
  assertEquals(readNpy(npy(dictionary("|b1", "()"), [1])), {
    dtype: "bool",
    shape: [],
    data: Uint8Array.of(1),
  });
});

Deno.test("readNpy() refuses a file that is cut at any byte", () => {
  for (let length = 0; length < NUMPY_FLOAT32.length; length++) {
    assertThrows(() => readNpy(NUMPY_FLOAT32.subarray(0, length)), SyntaxError, ", at offset ");
  }
});

Deno.test("readNpy() reads or refuses each file whose header differs in one byte", () => {
  for (let at = 0; at < NUMPY_FLOAT32.length - 12; at++) {
    const changed = NUMPY_FLOAT32.slice();
    for (let value = 0; value < 256; value++) {
      changed[at] = value;
      try {
        readNpy(changed);
      } catch (error) {
        assertInstanceOf(error, SyntaxError, `byte ${at} = ${value}: ${error}`);
      }
    }
  }
});

Deno.test("readNpy() refuses element types that are not little-endian numbers, and says why", () => {
  assertRefused(npy(dictionary("|O", "(1,)")), "holds Python objects", 20);
  assertRefused(npy(dictionary(">f4", "(1,)"), zeros(4)), '">f4" is not little-endian', 20);
  assertRefused(npy(dictionary("<c8", "(1,)"), zeros(8)), '"<c8" is not supported', 20);
  assertRefused(npy(dictionary("<U5", "(1,)"), zeros(20)), '"<U5" is not supported', 20);
  assertRefused(npy(dictionary("constructor", "(1,)")), '"constructor" is not supported', 20);
  const structured = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }";
  assertRefused(npy(structured), "holds structures", 20);
});

Deno.test("readNpy() refuses an array in Fortran order, which it would transpose silently", () => {
  assertRefused(npy(dictionary("|u1", "(2, 2)", "True"), zeros(4)), "in Fortran order", 6);
  assertEquals(readNpy(npy(dictionary("|u1", "(4,)", "True"), zeros(4))).shape, [4]);
});

Deno.test("readNpy() refuses shapes beyond the file or beyond counting", () => {
  const claim = npy(dictionary("<f4", "(9,)"), zeros(35));
  const end = claim.length - 35;
  assertRefused(claim, "shape (9) of <f4 needs 36 bytes, but 35 are left", end);
  const huge = npy(dictionary("<f4", "(1024, 1048576)"), zeros(64));
  assertRefused(
    huge,
    "shape (1024,1048576) of <f4 needs 4294967296 bytes, but 64",
    huge.length - 64,
  );
  for (
    const shape of ["(9007199254740993,)", "(4294967296, 4294967296)", "(0, 9007199254740993)"]
  ) {
    assertRefused(npy(dictionary("<f4", shape)), "beyond what an array can have", 60);
  }
  assertRefused(npy(dictionary("<f4", `(${"1,".repeat(65)})`), zeros(4)), "beyond what", 60);
  for (const shape of ["(-1,)", "(1.5,)", "(1e3,)", "('1',)", "(99999999999999999999,)", "(1 2)"]) {
    assertThrows(() => readNpy(npy(dictionary("<f4", shape))), SyntaxError, ", at offset 6");
  }
});

Deno.test("readNpy() evaluates nothing and refuses headers of any other form", () => {
  const cases: [string, string, number][] = [
    ["__import__('os')", 'the header has "_" where { should be', 10],
    ["{'descr': open('x')}", 'the header has "o" where a string should be', 20],
    ["{'descr': '<f4', 'descr': '<f4'}", `the header's key "descr" occurs twice`, 27],
    ["{'descr': '<f4'}", "the header is not descr, fortran_order and shape", 10],
    [dictionary("<f4", "(1,)").replace("}", "'x': True}"), "is not descr, fortran_order", 10],
    [dictionary("<f4", "(1,)") + "{}", "goes on after its dictionary", 67],
    ["{'descr': '<f4", "a string without an end", 20],
    ["{'descr': '\\x3cf4'", "an escape in a string", 20],
    ["{'descr': '<f4'", "the header has its end where , should be", 25],
  ];
  for (const [header, what, offset] of cases) assertRefused(npy(header), what, offset);
});

Deno.test("readNpy() refuses unknown versions and headers beyond the limit", () => {
  assertRefused(file([0x93], "NUMPY", [4, 0], zeros(8)), "npy version 4.0 is not known", 6);
  assertRefused(file([0x93], "NUMPY", [1, 9], zeros(8)), "npy version 1.9 is not known", 6);
  const claim = file([0x93], "NUMPY", [2, 0], u32(0xffffffff), zeros(8));
  assertRefused(claim, "the header claims 4294967295 bytes, more than 65536", 8);
  assertRefused(file("PK\x03\x04"), "a ZIP archive", 0);
});
