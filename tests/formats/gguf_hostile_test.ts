import { assert, assertEquals, assertInstanceOf, assertLess, assertMatch } from "@std/assert";
import { parseGguf } from "../../lib/formats/mod.ts";
import { smallGguf } from "../support/small_gguf.ts";
import {
  file,
  ggufEntry,
  ggufHead,
  ggufInfo,
  padded,
  type Part,
  text,
  TYPE,
  u32,
  u64,
  zeros,
} from "./bytes.ts";

const HUGE = 2n ** 63n;
const ALL_ONES = 2n ** 64n - 1n;

/** The message with which a file is refused; fails where it is read, or throws anything else. */
function refusal(bytes: Uint8Array): string {
  try {
    parseGguf(bytes, { name: "bad.gguf" });
  } catch (error) {
    assertInstanceOf(error, SyntaxError);
    assertMatch(error.message, /^bad\.gguf: [^\n]+, at offset \d+ \([^\n]+\)$/);
    return error.message;
  }
  throw new Error("the file was read");
}

/** Asserts that a file is refused with this text and this offset. */
function assertRefused(bytes: Uint8Array, what: string, offset: number): void {
  const message = refusal(bytes);
  assert(message.includes(what), `${message}\ndoes not say: ${what}`);
  assert(message.includes(`, at offset ${offset} (`), `${message}\nis not at ${offset}`);
}

/** A file with one entry, k, of this type. The entry begins at 24, its type at 33, its value at 37. */
function entry(type: number, ...value: Part[]): Uint8Array {
  return file(ggufHead(0, 1), ggufEntry("k", type, ...value));
}

/** A file with tensors and 4096 bytes of data. An info named t begins at 24. */
function tensors(...infos: Part[]): Uint8Array {
  return file(padded(file(ggufHead(infos.length, 0), ...infos), 32), zeros(4096));
}

/** One of everything: each value type, nested arrays, two tensors. No padding after the last. */
function everything(): Uint8Array {
  const head = file(
    ggufHead(2, 9),
    ggufEntry("general.alignment", TYPE.uint32, u32(32)),
    ggufEntry("b", TYPE.bool, [1]),
    ggufEntry("s", TYPE.string, text("Mühle")),
    ggufEntry("f", TYPE.float32, [0, 0, 0x80, 0x3f]),
    ggufEntry("l", TYPE.uint64, u64(7)),
    ggufEntry("words", TYPE.array, u32(TYPE.string), u64(2), text("a"), text("Ġb")),
    ggufEntry("ints", TYPE.array, u32(TYPE.int32), u64(2), u32(1), u32(2)),
    ggufEntry("wide", TYPE.array, u32(TYPE.int64), u64(1), u64(-1)),
    ggufEntry("deep", TYPE.array, u32(TYPE.array), u64(1), u32(TYPE.bool), u64(1), [0]),
    ggufInfo("x", [32, 2], 8, 0),
    ggufInfo("y", [3], 0, 96),
  );
  return file(padded(head, 32), zeros(96 + 12));
}

Deno.test("parseGguf() refuses a file that is cut at any byte", () => {
  const whole = everything();
  assertEquals(parseGguf(whole).tensors.size, 2);
  for (let length = 0; length < whole.length; length++) refusal(whole.subarray(0, length));
});

Deno.test("parseGguf() refuses a small model that is cut", () => {
  const { bytes } = smallGguf({ type: "Q4_0" });
  const { dataOffset, tensors } = parseGguf(bytes);
  const end = Math.max(...Array.from(tensors.values(), (t) => t.offset + t.byteLength));
  for (let length = 0; length < end; length += length < dataOffset ? 1 : 97) {
    refusal(bytes.subarray(0, length));
  }
  refusal(bytes.subarray(0, end - 1));
  assertEquals(parseGguf(bytes.subarray(0, end)).tensors, tensors);
});

Deno.test("parseGguf() reads or refuses each file that differs in one byte, at once", () => {
  const whole = everything();
  const { dataOffset } = parseGguf(whole);
  let [read, refused, slowest] = [0, 0, 0];
  for (let at = 0; at < dataOffset; at++) {
    const changed = whole.slice();
    for (let step = 1; step < 256; step++) {
      changed[at] = whole[at] + step;
      const start = performance.now();
      try {
        parseGguf(changed, { name: "bad.gguf" });
        read++;
      } catch (error) {
        assertInstanceOf(error, SyntaxError, `byte ${at} + ${step}: ${error}`);
        refused++;
      }
      slowest = Math.max(slowest, performance.now() - start);
    }
  }
  assert(read > 0 && refused > 0);
  // A loop over a claimed count would take minutes; the bound leaves room for a busy machine.
  assertLess(slowest, 2000);
});

Deno.test("parseGguf() names what a file is that is not GGUF", () => {
  const cases: [Part, string][] = [
    ["", "the file is empty"],
    ["GGU", "not GGUF: the file begins with the bytes 47 47 55"],
    ["nonsense", "begins with the bytes 6e 6f 6e 73"],
    ["version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"],
    ["<!DOCTYPE html>", "a web page"],
    ["PK\x03\x04....", "a ZIP archive"],
    ["lmgg....", "GGUF's predecessor"],
    [file([0x93], "NUMPY"), "an npy file"],
  ];
  for (const [part, what] of cases) assertRefused(file(part), what, 0);
});

Deno.test("parseGguf() refuses other versions and big-endian files", () => {
  assertRefused(file(ggufHead(0, 0, 1)), "GGUF version 1 is not supported", 4);
  assertRefused(file(ggufHead(0, 0, 4)), "GGUF version 4 is not supported", 4);
  assertRefused(file(ggufHead(0, 0, 0)), "GGUF version 0 is not supported", 4);
  assertRefused(file("GGUF", [0, 0, 0, 3], zeros(16)), "the file is big-endian", 4);
});

Deno.test("parseGguf() refuses counts beyond the file, whatever their size", () => {
  for (const count of [1, 2 ** 31, 2n ** 32n, 2n ** 53n + 1n, HUGE, ALL_ONES]) {
    assertRefused(file(ggufHead(count, 0)), `claims ${count} tensors, but only 0 bytes`, 8);
    assertRefused(file(ggufHead(0, count)), `claims ${count} metadata entries, but only`, 16);
  }
});

Deno.test("parseGguf() refuses string lengths beyond the file", () => {
  for (const length of [7, 2n ** 32n, HUGE, ALL_ONES]) {
    const claim = `${length} bytes claimed`;
    const key = file(ggufHead(0, 1), u64(length), "short.");
    assertRefused(key, `inside the key of metadata entry 0: ${claim}, 6 left`, 24);
    const value = entry(TYPE.string, u64(length), "short.");
    assertRefused(value, `inside the value of "k": ${claim}, 6 left`, 37);
    const element = entry(TYPE.array, u32(TYPE.string), u64(2), text("a"), u64(length), "short.");
    assertRefused(element, `inside element 1 of the value of "k": ${claim}, 6 left`, 58);
    const name = file(ggufHead(1, 0), u64(length), "short.", zeros(19));
    if (length !== 7) assertRefused(name, `inside the name of tensor 0: ${claim}, 25 left`, 24);
  }
});

Deno.test("parseGguf() refuses array lengths beyond the file", () => {
  for (const [name, type] of Object.entries(TYPE)) {
    for (const length of [9, 2n ** 32n, 2n ** 61n, HUGE, ALL_ONES]) {
      const bytes = entry(TYPE.array, u32(type), u64(length), zeros(8));
      assertRefused(bytes, `claims ${length} elements of type ${name}, but only 8 bytes`, 41);
    }
  }
});

Deno.test("parseGguf() refuses arrays that are nested too deep or too often", () => {
  const level = file(u32(TYPE.array), u64(1));
  const deep = file(...new Array<Part>(10000).fill(level));
  assertRefused(entry(TYPE.array, deep), "beyond the limit of 4 deep", 77);
  const empty = file(u32(TYPE.uint8), u64(0));
  const many = new Uint8Array(12 * 65537);
  for (let i = 0; i < 65537; i++) many.set(empty, 12 * i);
  const header = file(ggufHead(0, 1), ggufEntry("k", TYPE.array, u32(TYPE.array), u64(65537)));
  const bytes = new Uint8Array(header.length + many.length);
  bytes.set(header);
  bytes.set(many, header.length);
  assertRefused(bytes, "beyond the limit of 65536 in number", 41);
});

Deno.test("parseGguf() refuses unknown value types and impossible values", () => {
  assertRefused(entry(13, [0]), `the value of "k" has the unknown type 13`, 33);
  assertRefused(entry(0xffffffff, [0]), "unknown type 4294967295", 33);
  assertRefused(entry(TYPE.array, u32(13), u64(0)), "unknown type 13", 37);
  assertRefused(entry(TYPE.bool, [2]), "a bool of value 2", 37);
  const bools = entry(TYPE.array, u32(TYPE.bool), u64(2), [1, 255]);
  assertRefused(bools, `element 1 of the value of "k" is a bool of value 255`, 50);
});

Deno.test("parseGguf() refuses keys and names that are empty, not UTF-8, too long or repeated", () => {
  const one = (key: Part) => file(ggufHead(0, 1), ggufEntry(key, TYPE.uint8, [1]), zeros(1));
  assertRefused(one(""), "the key of metadata entry 0 is empty", 24);
  assertRefused(one([0xff, 0x61]), "the key of metadata entry 0 is not valid UTF-8", 32);
  assertRefused(one(zeros(65536)), "has 65536 bytes, more than 65535", 24);
  const twice = ggufEntry("k", TYPE.uint8, [1]);
  assertRefused(file(ggufHead(0, 2), twice, twice), `the key "k" occurs twice`, 38);
  assertRefused(tensors(ggufInfo("", [1], 0, 0)), "the name of tensor 0 is empty", 24);
  assertRefused(tensors(ggufInfo([0xc3], [1], 0, 0)), "name of tensor 0 is not valid UTF-8", 32);
  const same = ggufInfo("t", [1], 0, 0);
  assertRefused(tensors(same, same), `the tensor "t" occurs twice`, 57);
});

Deno.test("parseGguf() refuses an alignment that the format does not allow", () => {
  const aligned = (type: number, ...value: Part[]) =>
    file(ggufHead(0, 1), ggufEntry("general.alignment", type, ...value));
  for (const value of [0, 1, 4, 24, 33, 0xffffffff]) {
    assertRefused(aligned(TYPE.uint32, u32(value)), `general.alignment is ${value} of`, 49);
  }
  assertRefused(aligned(TYPE.uint64, u64(32)), "is 32 of type uint64, not a uint32", 49);
  assertRefused(aligned(TYPE.string, text("32")), "is 32 of type string, not a uint32", 49);
  const list = aligned(TYPE.array, u32(TYPE.uint32), u64(1), u32(32));
  assertRefused(list, "is an array of type uint32[]", 49);
});

Deno.test("parseGguf() refuses unknown tensor types, with the tensor and the code", () => {
  for (const code of [4, 5, 43, 1000, 0xffffffff]) {
    const bytes = tensors(ggufInfo("blk.0.w", [32], code, 0));
    assertRefused(bytes, `tensor "blk.0.w" has the unknown type code ${code}`, 51);
  }
});

Deno.test("parseGguf() refuses shapes that are too long, overflow or do not fit their blocks", () => {
  assertRefused(tensors(ggufInfo("t", [1, 1, 1, 1, 1], 0, 0)), "has 5 dimensions, more than 4", 33);
  const claimed = file(ggufHead(1, 0), text("t"), u32(0xffffffff), zeros(64));
  assertRefused(claimed, "has 4294967295 dimensions", 33);
  const overflow = (...sizes: (number | bigint)[]) => tensors(ggufInfo("t", sizes, 0, 0));
  assertRefused(overflow(HUGE), `too many elements: dimension 0 is ${HUGE}`, 37);
  assertRefused(overflow(2 ** 30, 2 ** 30), "too many elements: dimension 1 is 1073741824", 45);
  assertRefused(overflow(2n ** 32n, 2n ** 32n), "dimension 1 is 4294967296", 45);
  assertRefused(overflow(0, ALL_ONES), `too many elements: dimension 1 is ${ALL_ONES}`, 45);
  assertRefused(overflow(2 ** 52), "has too many bytes: [4503599627370496] of F32", 45);
  const rows = tensors(ggufInfo("t", [33, 32], 2, 0));
  assertRefused(rows, "rows of 33 elements, which is not a multiple of Q4_0's block of 32", 53);
});

Deno.test("parseGguf() refuses tensors past the end, misaligned or overlapping", () => {
  const at = (offset: number | bigint, size = 8) => tensors(ggufInfo("t", [size], 0, offset));
  assertRefused(at(4096), "needs 32 bytes at 4096 of the data that begins at 64", 49);
  assertRefused(at(4096 - 32, 9), "but the file has 4160 bytes", 49);
  assertEquals(parseGguf(at(4096 - 32)).tensors.get("t")?.offset, 4128);
  for (const offset of [2n ** 32n, 2n ** 53n - 1n, HUGE, ALL_ONES, ALL_ONES - 31n]) {
    assertRefused(at(offset), `needs 32 bytes at ${offset} of the data`, 49);
  }
  assertRefused(at(8), "is at 8 of the data, which is not a multiple of the alignment 32", 49);
  const overlapping = tensors(
    ggufInfo("late", [8], 0, 32),
    ggufInfo("early", [9], 0, 0),
  );
  assertRefused(overlapping, `tensor "late" at 32 of the data overlaps tensor "early"`, 52);
});

Deno.test("parseGguf() escapes and shortens what it repeats from a file", () => {
  const name = "\x1b[2J\n" + "x".repeat(5000);
  const message = refusal(tensors(ggufInfo(name, [32], 99, 0)));
  assert(message.includes('"\\u001b[2J\\n'), message);
  assertLess(message.length, 300);
});
