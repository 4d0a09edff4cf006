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
    assertRefused(file(u64(length), "{}"), "not safetensors: the file begins with", 0);
  }
  assertRefused(file(u64(99), "{}"), "inside the header: 99 bytes needed, 2 left", 8);
  assertRefused(file(u64(1), "{"), "the header has 1 bytes", 0);
  assertRefused(file("PK\x03\x04", zeros(20)), "a ZIP archive", 0);
  assertRefused(file(u64(2), "[]"), "not safetensors", 0);
});

Deno.test("parseSafetensors() refuses headers that are not JSON as the format has it", () => {
  assertRefused(safetensors("{x}"), "the header is not valid JSON", 8);
  assertRefused(safetensors(["{".charCodeAt(0), 0xff]), "the header is not valid UTF-8", 8);
  assertRefused(safetensors('{"x":{"y":[[1]]}}'), "nests more than 3 deep", 19);
  assertRefused(safetensors("{".repeat(100000)), "nests more than 3 deep", 11);
  assertRefused(safetensors('{"x":1}'), 'tensor "x" is not described by an object', 9);
  assertRefused(safetensors('{"__metadata__":[]}'), "__metadata__ is not an object", 9);
  assertRefused(safetensors('{"__metadata__":{"a":1}}'), '"a", which is not a text', 9);
});

Deno.test("parseSafetensors() refuses a key that occurs twice, however it is spelled", () => {
  const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
  assertRefused(safetensors(`{"x":${entry},"x":${entry}}`, 1), 'the key "x" occurs twice', 61);
  assertRefused(safetensors(`{"x":${entry},"\\u0078":${entry}}`, 1), '"x" occurs twice', 61);
  assertRefused(safetensors('{"x":{"dtype":"U8","dtype":"U8"}}'), '"dtype" occurs twice', 27);
});

Deno.test("parseSafetensors() refuses tensors that contradict themselves", () => {
  assertRefused(one("F31", "[1]", "[0,4]", 4), 'unknown dtype "F31"', 9);
  assertRefused(one("F32", "[-1]", "[0,4]", 4), "a shape that is not whole sizes", 9);
  assertRefused(one("F32", "[1.5]", "[0,4]", 4), "a shape that is not whole sizes", 9);
  assertRefused(one("F32", "{}", "[0,4]", 4), "a shape that is not whole sizes", 9);
  assertRefused(one("F32", "[1]", "[4,0]", 4), "not a begin and an end", 9);
  assertRefused(one("F32", "[1]", "[0]", 4), "not a begin and an end", 9);
  assertRefused(one("F32", "[2]", "[0,4]", 4), "needs 8 bytes, but data_offsets give 4", 9);
  assertRefused(one("F4", "[3]", "[0,1]", 1), "needs 1.5 bytes", 9);
  assertRefused(one("F32", "[4294967296,4294967296]", "[0,0]"), "too many elements", 9);
  assertRefused(one("F32", "[0,9007199254740991]", "[0,0]"), "too many elements", 9);
});

Deno.test("parseSafetensors() refuses data with holes, overlaps, or more or less than claimed", () => {
  const pair = (first: string, second: string) =>
    `{"a":{"dtype":"U8","shape":[4],"data_offsets":${first}},` +
    `"b":{"dtype":"U8","shape":[4],"data_offsets":${second}}}`;
  assertEquals(parseSafetensors(safetensors(pair("[4,8]", "[0,4]"), 8)).tensors.size, 2);
  assertRefused(safetensors(pair("[0,4]", "[2,6]"), 8), "begins at 2 of the data and overlaps", 61);
  assertRefused(safetensors(pair("[0,4]", "[5,9]"), 9), "begins at 5 of the data and leaves", 61);
  assertRefused(one("U8", "[4]", "[0,4]", 3), "but the file has 3 bytes of data", 9);
  const longer = one("U8", "[4]", "[0,4]", 6);
  assertRefused(longer, "2 bytes after the last tensor belong to none", longer.length - 2);
});
