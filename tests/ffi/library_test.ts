import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import "../support/native.ts";
import { OutOfMemoryError } from "../../lib/core/errors.ts";
import {
  cacheSizes,
  instructionSets,
  native,
  selectInstructionSet,
  setThreads,
  Status,
  statusError,
  threads,
} from "../../lib/ffi/mod.ts";
import { headerHash } from "../../lib/ffi/symbols.ts";

Deno.test("the library was built from the header of this checkout", () => {
  assertEquals(native().symbols.qn_header_hash(), headerHash);
});

Deno.test("a function is bound once, and is the same from then on", () => {
  const { symbols } = native();
  const { get, value } = Object.getOwnPropertyDescriptor(symbols, "qn_threads")!;
  assertEquals(get, undefined);
  assertEquals(symbols.qn_threads, value);
});

Deno.test("cacheSizes() has three data caches, each at least as large as the one before", () => {
  const sizes = cacheSizes();
  assertEquals(sizes.length, 3);
  assert(sizes[0] >= 4096 && sizes[0] < sizes[1] && sizes[1] <= sizes[2], `${sizes}`);
});

Deno.test("instructionSets() has generic first and exactly one that is selected", () => {
  const sets = instructionSets();
  assertEquals(sets[0].name, "generic");
  assert(sets[0].supported);
  assertEquals(sets.filter(({ selected }) => selected).length, 1);
});

Deno.test("selectInstructionSet() takes every supported name, and the best without one", () => {
  const before = instructionSets().find(({ selected }) => selected)!.name;
  const supported = instructionSets().filter((isa) => isa.supported);
  for (const { name } of supported) {
    selectInstructionSet(name);
    assertEquals(instructionSets().find(({ selected }) => selected)!.name, name);
  }
  selectInstructionSet();
  assertEquals(instructionSets().find(({ selected }) => selected)!.name, supported.at(-1)!.name);
  selectInstructionSet(before);
});

Deno.test("selectInstructionSet() refuses other names, and says which there are", () => {
  for (const name of ["", "AVX2", "sse9", "avx2 "]) {
    const { message } = assertThrows(() => selectInstructionSet(name), RangeError);
    assertStringIncludes(message, JSON.stringify(name));
    assertStringIncludes(message, "generic");
  }
});

Deno.test("setThreads() takes 1 to 256", () => {
  const before = threads();
  for (const count of [1, 3, 256]) {
    setThreads(count);
    assertEquals(threads(), count);
  }
  setThreads(before);
  for (const count of [0, -1, 257, 1.5, NaN, Infinity]) {
    assertThrows(() => setThreads(count), RangeError, "setThreads");
  }
  assertEquals(threads(), before);
});

Deno.test("statusError() has a class and a text for every status", () => {
  const kinds: Record<string, new () => Error> = {
    OUT_OF_MEMORY: OutOfMemoryError,
    OVER_BUDGET: OutOfMemoryError,
    BAD_SIZE: RangeError,
    BAD_INDEX: RangeError,
    BAD_DTYPE: TypeError,
    FILE_NOT_FOUND: Deno.errors.NotFound,
    FILE_DENIED: Deno.errors.PermissionDenied,
  };
  for (const [name, status] of Object.entries(Status)) {
    const error = statusError(status, "operation", "x [1]");
    assertInstanceOf(error, kinds[name] ?? Error);
    assertStringIncludes(error.message, "operation: ");
    assertStringIncludes(error.message, "(x [1])");
    assert(!error.message.includes("native status"), error.message);
  }
  assertStringIncludes(statusError(9999, "operation", "").message, "native status 9999");
});
