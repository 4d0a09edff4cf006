import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { parseSafetensors } from "../../lib/formats/mod.ts";
import { file, type Part, u64, zeros } from "./bytes.ts";

/** The example of the specification's shape, laid out by hand: two tensors and metadata. */
const HEADER = '{"__metadata__":{"format":"pt"},' +
  '"b":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},' +
  '"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}   ';
const WHOLE = file(u64(HEADER.length), HEADER, zeros(28));

/** A file with this header and so many bytes of data. */
function safetensors(header: Part, bytes = 0): Uint8Array<ArrayBuffer> {
  return file(u64(file(header).length), header, zeros(bytes));
}

/** A file with one tensor, x, described so. Its key begins at 9. */
function one(dtype: string, shape: string, offsets: string, bytes = 0): Uint8Array<ArrayBuffer> {
  return safetensors(
    `{"x":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`,
    bytes,
  );
}

/** The description of one byte. */
const ENTRY = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';

function assertRefused(bytes: Uint8Array, what: string, offset: number): void {
  const parse = () => parseSafetensors(bytes, { name: "bad.safetensors" });
  const error = assertThrows(parse, SyntaxError, what);
  assertMatch(error.message, /^bad\.safetensors: .+, at offset \d+ \(.+\)$/);
  assert(error.message.includes(`, at offset ${offset} (`), error.message);
}

Deno.test("parseSafetensors() reads a header laid out by hand", () => {
  const dataOffset = 8 + HEADER.length;
  assertEquals(parseSafetensors(WHOLE), {
    metadata: new Map([["format", "pt"]]),
    tensors: new Map([
      ["a", { name: "a", dtype: "F16", shape: [1, 2], offset: dataOffset, byteLength: 4 }],
      ["b", { name: "b", dtype: "F32", shape: [2, 3], offset: dataOffset + 4, byteLength: 24 }],
    ]),
    dataOffset,
    byteLength: WHOLE.length,
  });
});

Deno.test("parseSafetensors() reads scalars, empty tensors, small elements and odd names", () => {
  assertEquals(parseSafetensors(safetensors("{}")).tensors.size, 0);
  assertEquals(parseSafetensors(one("I64", "[]", "[0,8]", 8)).tensors.get("x")?.shape, []);
  assertEquals(parseSafetensors(one("F32", "[0,5]", "[0,0]")).tensors.get("x")?.byteLength, 0);
  assertEquals(parseSafetensors(one("F4", "[4]", "[0,2]", 2)).tensors.get("x")?.byteLength, 2);
  const header = '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  assertEquals([...parseSafetensors(safetensors(header, 1)).tensors.keys()], ["__proto__"]);
});

Deno.test("parseSafetensors() refuses a file that is cut at any byte", () => {
  for (let length = 0; length < WHOLE.length; length++) {
    const parse = () => parseSafetensors(WHOLE.subarray(0, length));
    assertThrows(parse, SyntaxError, ", at offset ");
  }
});

Deno.test("parseSafetensors() reads or refuses each file whose header differs in one byte", () => {
  for (let at = 0; at < 8 + HEADER.length; at++) {
    const changed = WHOLE.slice();
    for (let value = 0; value < 256; value++) {
      changed[at] = value;
      try {
        parseSafetensors(changed);
      } catch (error) {
        assertInstanceOf(error, SyntaxError, `byte ${at} = ${value}: ${error}`);
      }
    }
  }
});

Deno.test("parseSafetensors() refuses header lengths beyond the limit or the file", () => {
  for (const length of [100_000_001, 2n ** 63n, 2n ** 64n - 1n]) {
    assertRefused(file(u64(length), "{}"), "the header claims", 0);
    assertRefused(file(u64(length), "xx"), "not safetensors: the file begins with", 0);
  }
  assertRefused(file(u64(99), "{}"), "inside the header: 99 bytes needed, 2 left", 8);
  assertRefused(file(u64(0)), "the header is empty", 0);
  assertRefused(file(u64(0), "{}"), "the header is empty", 0);
  assertRefused(file(u64(1), "{"), 'it ends where " should be', 9);
  assertRefused(file("PK\x03\x04", zeros(20)), "a ZIP archive", 0);
  assertRefused(file(u64(2), "[]"), "not safetensors", 0);
});

Deno.test("parseSafetensors() refuses headers that are not JSON as the format has it", () => {
  const cases: [Part, string, number][] = [
    ["{x}", 'has "x" where " should be', 9],
    ["{}x", "goes on after its value", 10],
    ["{}\0", "goes on after its value", 10],
    ["{", 'ends where " should be', 9],
    [`{"x":${ENTRY},}`, 'has "}" where " should be', 61],
    ['{"x":1}', 'tensor "x" is not described by an object', 9],
    ['{"x":null}', 'tensor "x" is not described by an object', 9],
    ['{"x":["U8",[1],[0,1]]}', 'tensor "x" is not described by an object', 9],
    [file('{"', [0xff]), "a string without an end", 9],
    [file('{"', [0xff], '":1}'), "is not valid UTF-8", 9],
    [file('{"', [0xed, 0xa0, 0x80], '":1}'), "is not valid UTF-8", 9],
    ['{"a\n":1}', "a control character in a string", 11],
    ['{"\\q":1}', "a bad escape in a string", 9],
    ['{"\\ud800":1}', "half a surrogate pair", 9],
    ['{"\\ud800\\u0041":1}', "half a surrogate pair", 9],
    ['{"__metadata__":[]}', "__metadata__ is not an object", 9],
    ['{"__metadata__":{"a":1}}', '"a", which is not a text', 25],
    ['{"__metadata__":{"a":null}}', '"a", which is not a text', 25],
    ['{"__metadata__":{"a":"\\udc00"}}', "half a surrogate pair", 29],
    ['{"__metadata__":{},"\\u005f_metadata__":{}}', "__metadata__ occurs twice", 27],
  ];
  for (const [header, what, offset] of cases) assertRefused(safetensors(header), what, offset);
  assertThrows(() => parseSafetensors(safetensors(" [] ")), SyntaxError, "is not an object");
});

Deno.test("parseSafetensors() judges what it does not know as the format's library does", () => {
  // The unknown value behind them at 64.
  const withMember = (value: string) => safetensors(`{"x":${ENTRY.slice(0, -1)},"z":${value}}}`, 1);
  const values = ["[[1,{}]]", "true", "1e-999", '"\\ud83d\\ude00"', "-0.5E+3", '{"a":1,"a":2}'];
  for (const value of [...values, "[".repeat(125) + "]".repeat(125)]) {
    assertEquals(parseSafetensors(withMember(value)).tensors.size, 1, value);
  }
  assertRefused(withMember("[".repeat(126) + "]".repeat(126)), "nests more than 127 deep", 189);
  assertRefused(withMember("[".repeat(100000)), "nests more than 127 deep", 189);
  assertRefused(withMember("1e999"), "a number out of range", 64);
  assertRefused(withMember("9".repeat(400)), "a number out of range", 64);
  for (const bad of ["01", "1.", "-", "+1", "1e", ".5", "--1", "1e5.5"]) {
    assertThrows(() => parseSafetensors(withMember(bad)), SyntaxError, "not valid JSON");
  }
  assertRefused(withMember("tru"), "where a value should be", 64);
  assertRefused(withMember("nul"), "where a value should be", 64);
  assertRefused(withMember(""), "where a value should be", 64);
});

Deno.test("parseSafetensors() takes the last of equal names, as the format's library does", () => {
  const longer = '{"dtype":"U8","shape":[2],"data_offsets":[0,2]}';
  for (const name of ["x", "\\u0078"]) {
    const { tensors } = parseSafetensors(safetensors(`{"x":${longer},"${name}":${ENTRY}}`, 1));
    assertEquals(Array.from(tensors.values(), ({ name, shape }) => [name, shape]), [["x", [1]]]);
  }
  assertRefused(safetensors(`{"x":{"dtype":"U9"},"x":${ENTRY}}`, 1), 'unknown dtype "U9"', 9);
  const twice = '{"x":{"dtype":"U8","dtype":"U8"}}';
  assertRefused(safetensors(twice), 'tensor "x" has two members dtype', 9);
  const metadata = '{"__metadata__":{"a":"1","a":"2"}}';
  assertEquals(parseSafetensors(safetensors(metadata)).metadata, new Map([["a", "2"]]));
});

Deno.test("parseSafetensors() reads white space around the header, and metadata of null", () => {
  assertEquals(parseSafetensors(safetensors("\n\t {} \r\n")).tensors.size, 0);
  assertEquals(parseSafetensors(safetensors('{"__metadata__":null}')).metadata.size, 0);
});

Deno.test("parseSafetensors() refuses tensors that contradict themselves", () => {
  assertRefused(one("F31", "[1]", "[0,4]", 4), 'unknown dtype "F31"', 9);
  assertRefused(one("u8", "[1]", "[0,1]", 1), 'unknown dtype "u8"', 9);
  for (const shape of ["[-1]", "[1.5]", "[1.0]", "[1e0]", "[-0]", '["1"]', "[true]", "[null]"]) {
    assertRefused(one("U8", shape, "[0,1]", 1), "a shape that is not all whole sizes", 9);
  }
  assertRefused(one("F32", "{}", "[0,4]", 4), "a shape that is not an array", 9);
  assertRefused(one("F32", "[1]", "null", 4), "a data_offsets that is not an array", 9);
  assertRefused(one("F32", "[1]", "[4,0]", 4), "end before they begin", 9);
  assertRefused(one("F32", "[1]", "[0]", 4), "not a begin and an end", 9);
  assertRefused(one("F32", "[1]", "[0,4,4]", 4), "not a begin and an end", 9);
  assertRefused(one("F32", "[2]", "[0,4]", 4), "8 bytes, but data_offsets give 4", 9);
  assertRefused(one("F4", "[3]", "[0,1]", 1), "1.5 bytes, but data_offsets give 1", 9);
  assertRefused(safetensors('{"x":{"shape":[1],"data_offsets":[0,1]}}', 1), "has no dtype", 9);
  assertRefused(safetensors('{"x":{"dtype":"U8","data_offsets":[0,1]}}', 1), "has no shape", 9);
  assertRefused(safetensors('{"x":{"dtype":"U8","shape":[1]}}', 1), "has no data_offsets", 9);
});

Deno.test("parseSafetensors() multiplies sizes in 64 bits, in their order", () => {
  const huge = 2 ** 52;
  for (const shape of [[0, huge, huge], [huge, 0, huge, huge], [0, Number.MAX_SAFE_INTEGER]]) {
    assertEquals(
      parseSafetensors(one("F32", `[${shape}]`, "[0,0]")).tensors.get("x")?.shape,
      shape,
    );
  }
  assertRefused(one("F32", `[${huge},4096,0]`, "[0,0]"), "too many elements", 9);
  assertRefused(one("F32", "[4294967296,4294967296]", "[0,0]"), "too many elements", 9);
  const beyond = parseSafetensors(one("F64", "[18446744073709551615,0]", "[0,0]")).tensors.get("x");
  assertEquals(beyond?.shape, [2 ** 64, 0]);
  assertRefused(one("U8", "[0,18446744073709551616]", "[0,0]"), "not all whole sizes", 9);
  const wide = "2305843009213693951";
  assertRefused(one("U8", `[${wide}]`, `[0,${wide}]`), "the file has 0 bytes", 9);
  assertRefused(one("F64", "[8,4503599627370496,8]", "[0,8]", 8), "too many elements", 9);
});

Deno.test("parseSafetensors() refuses data with holes, overlaps, or more or less than claimed", () => {
  const pair = (first: string, second: string) =>
    `{"a":{"dtype":"U8","shape":[4],"data_offsets":${first}},` +
    `"b":{"dtype":"U8","shape":[4],"data_offsets":${second}}}`;
  assertEquals(parseSafetensors(safetensors(pair("[4,8]", "[0,4]"), 8)).tensors.size, 2);
  assertRefused(safetensors(pair("[0,4]", "[2,6]"), 8), "begins at 2 of the data and overlaps", 61);
  assertRefused(safetensors(pair("[0,4]", "[5,9]"), 9), "begins at 5 of the data and leaves", 61);
  assertRefused(one("U8", "[4]", "[0,4]", 3), "but the file has 3 bytes of it", 9);
  const longer = one("U8", "[4]", "[0,4]", 6);
  assertRefused(longer, "2 bytes after the last tensor belong to none", longer.length - 2);
});
