/**
 * What is not a size, a count, an alignment, a dtype or a block is refused with
 * an error that says what was given and what is allowed; nothing is taken then.
 */
import { assertEquals, assertThrows } from "@std/assert";
import "../support/native.ts";
import { DisposedError, OutOfMemoryError } from "../../lib/core/errors.ts";
import { type PrewarmPlan, Storage } from "../../lib/memory/mod.ts";
import { pool } from "../../lib/memory/mod.ts";
import type { DType } from "../../lib/core/dtype.ts";
import { Block } from "../../lib/memory/block.ts";

/** A value of the wrong type, as JavaScript lets anyone pass it. */
function wrong<T>(value: unknown): T {
  return value as T;
}

type ErrorClass = abstract new (...args: never[]) => Error;
type Row = [title: string, call: () => unknown, errorClass: ErrorClass, words: string];

const size = "a block has 1 or more bytes, up to 2^53 - 1, not";
const length = "the length is an integer from 0 to 2^53 - 1, not";
const count = "the count is an integer from 0 to 65536, not";
const alignment = "an alignment is a power of two from 1 to 4096, not";

const bytesRows = (operation: string, call: (bytes: number) => unknown): Row[] => [
  ...[0, -1, 1.5, -0, NaN, Infinity, -Infinity, 2 ** 53, 0.1].map((bytes): Row => [
    `${operation} of ${bytes} bytes`,
    () => call(bytes),
    RangeError,
    `${operation}: ${size} ${bytes}`,
  ]),
  [`${operation} of null`, () => call(wrong(null)), TypeError, "a number of bytes, not null"],
  [`${operation} of a text`, () => call(wrong("64")), TypeError, "a number of bytes, not string"],
  [`${operation} of nothing`, () => call(wrong(undefined)), TypeError, "not undefined"],
];

const countRows = (operation: string, call: (count: number) => unknown): Row[] => [
  ...[-1, 1.5, NaN, Infinity, 65_537, 2 ** 32, 2 ** 53].map((value): Row => [
    `${operation} of ${value}`,
    () => call(value),
    RangeError,
    `${operation}: ${count} ${value}`,
  ]),
  [`${operation} of null`, () => call(wrong(null)), TypeError, "the count is a number, not null"],
];

const lengthRows = (operation: string, call: (length: number) => unknown): Row[] => [
  ...[-1, 1.5, NaN, Infinity, 2 ** 53].map((value): Row => [
    `${operation} of ${value} elements`,
    () => call(value),
    RangeError,
    `${operation}: ${length} ${value}`,
  ]),
  [
    `${operation} of more bytes than can be counted`,
    () => call(2 ** 52),
    RangeError,
    `${operation}: ${2 ** 52} elements of float32 are more than 2^53 - 1 bytes`,
  ],
  [`${operation} of a text`, () => call(wrong("4")), TypeError, "the length is a number, not str"],
  [`${operation} of undefined`, () => call(wrong(undefined)), TypeError, "not undefined"],
];

const dtypeRows = (operation: string, call: (dtype: DType) => unknown): Row[] => [
  ...["float31", "", "constructor", "toString", "FLOAT32"].map((dtype): Row => [
    `${operation} of ${dtype}`,
    () => call(wrong(dtype)),
    TypeError,
    `${operation}: there is no dtype "${dtype}"; use float32, float16`,
  ]),
  [`${operation} of dtype 3`, () => call(wrong(3)), TypeError, "there is no dtype number"],
  [`${operation} of dtype null`, () => call(wrong(null)), TypeError, "float32"],
  [
    `${operation} of a part of a block of q8_0`,
    () => call("q8_0"),
    RangeError,
    "33 elements of q8_0 do not fill whole blocks of 32",
  ],
];

const alignmentRows: Row[] = [0, -64, 3, 48, 65, 4097, 8192, 2 ** 31, 2 ** 32, NaN, 0.5, Infinity]
  .map((value): Row => [
    `pool.acquire at ${value}`,
    () => pool.acquire(1000, value),
    RangeError,
    `pool.acquire: ${alignment} ${value}`,
  ]);

const planRows: Row[] = ([
  ["no plan", null, TypeError, "a plan is an object, not null"],
  ["no size", { count: 1 }, TypeError, "one of shape, length and bytes"],
  ["two sizes", { count: 1, bytes: 1, length: 1 }, TypeError, "one of shape, length and bytes"],
  ["no count", { bytes: 1 }, RangeError, "the count is an integer from 1 to 2^32 - 1, not undef"],
  ["a count of 0", { bytes: 1, count: 0 }, RangeError, "not 0"],
  ["a count of -1", { bytes: 1, count: -1 }, RangeError, "not -1"],
  ["a count of 1.5", { bytes: 1, count: 1.5 }, RangeError, "not 1.5"],
  ["a count of 2^32", { bytes: 1, count: 2 ** 32 }, RangeError, "not 4294967296"],
  ["0 bytes", { bytes: 0, count: 1 }, RangeError, size],
  ["NaN bytes", { bytes: NaN, count: 1 }, RangeError, size],
  ["a shape that is none", { shape: [-1], count: 1 }, RangeError, "shape [-1] is not made of"],
  [
    "a shape that is a number",
    { shape: 4, count: 1 },
    TypeError,
    "a shape is an array, not number",
  ],
  ["a length of 1.5", { length: 1.5, count: 1 }, RangeError, length],
  ["an unknown dtype", { length: 1, dtype: "f8", count: 1 }, TypeError, 'no dtype "f8"'],
  ["more than all bytes", { bytes: 2 ** 50, count: 2 ** 20 }, RangeError, "more than 2^53 - 1"],
] as [string, unknown, ErrorClass, string][]).map(([title, plan, errorClass, words]) => [
  `pool.prewarm of ${title}`,
  () => pool.prewarm(wrong<PrewarmPlan>(plan)),
  errorClass,
  words,
]);

const governingRows: Row[] = [
  ...["lots", "", 0, -1, NaN, 1.5, "0.1", wrong<number>(-Infinity)].map((value): Row => [
    `pool.setBudget to ${value}`,
    () => pool.setBudget(value),
    RangeError,
    "",
  ]),
  ...[0, -1, 1.5, NaN, 2 ** 32, -Infinity].map((value): Row => [
    `pool.setIdle to ${value}`,
    () => pool.setIdle(value),
    RangeError,
    `pool.setIdle: a time is an integer from 1 to 2^32 - 1 milliseconds, or Infinity, not ${value}`,
  ]),
  ...[0, -1, 1.01, NaN].map((value): Row => [
    `pool.autoTune to ${value}`,
    () => pool.autoTune(value),
    RangeError,
    `not ${value}`,
  ]),
];

const notBlocks: [string, unknown][] = [
  ["null", null],
  ["undefined", undefined],
  ["a number", 7],
  ["an address", 0x7f0000000000n],
  ["an object that looks like one", { held: true, owner: pool, byteLength: 256, sizeClass: 0 }],
  ["an object with its prototype", { __proto__: Block.prototype }],
];

const releaseRows: Row[] = notBlocks.flatMap(([title, value]): Row[] => [
  [`pool.release of ${title}`, () => pool.release(wrong(value)), TypeError, "only a block that"],
  [`pool.releaseBatch of ${title}`, () => pool.releaseBatch([wrong(value)]), TypeError, "only a"],
]);

const hugeRows: Row[] = [2 ** 47, 2 ** 50, Number.MAX_SAFE_INTEGER].map((bytes) => [
  `pool.acquire of ${bytes} bytes`,
  () => pool.acquire(bytes),
  OutOfMemoryError,
  "asked for",
]);

const overflowRows: Row[] = [
  [
    "a batch of more bytes than can be counted",
    () => pool.acquireBatch(2 ** 50, 16),
    RangeError,
    "pool.acquireBatch: 16 × 1125899906842624 are more than 2^53 - 1 bytes",
  ],
  [
    "a batch of more elements than can be counted",
    () => pool.rentBatch(65_536, 2 ** 36),
    RangeError,
    "pool.rentBatch: 65536 × 274877906944 are more than 2^53 - 1 bytes",
  ],
  [
    "a batch of more bytes than there are",
    () => pool.acquireBatch(2 ** 46, 64),
    OutOfMemoryError,
    "64.0 TiB",
  ],
  ["rent of more bytes than there are", () => pool.rent(2 ** 48), OutOfMemoryError, "1024 TiB"],
];

const buffer = pool.rent(10);
buffer.dispose();
const batch = pool.rentBatch(2, 10);
const openBatch = pool.rentBatch(2, 10);
batch.dispose();

const disposedRows: Row[] = [
  ["data of a disposed buffer", () => buffer.data, DisposedError, "PooledBuffer float32 [10] was"],
  ["address of a disposed buffer", () => buffer.address, DisposedError, "used after it was disp"],
  [
    "data of a disposed batch",
    () => batch.data(0),
    DisposedError,
    "PooledBatch of 2 × float32 [10]",
  ],
  ["address of a disposed batch", () => batch.address(1), DisposedError, "used after it was disp"],
  ...[-1, 2, 0.5, NaN].flatMap((index): Row[] => [
    [
      `buffer ${index} of a batch`,
      () => openBatch.data(index),
      RangeError,
      `no buffer ${index} in`,
    ],
    [`address ${index} of a batch`, () => openBatch.address(index), RangeError, "a batch of 2"],
  ]),
];

const claimRows: Row[] = [
  ["nothing", {}],
  ["an address as a number", { address: 4096, generation: 1, byteOffset: 0 }],
  ["no generation", { address: 4096n, byteOffset: 0 }],
  ["a generation of 1.5", { address: 4096n, generation: 1.5, byteOffset: 0 }],
].map(([title, ticket]): Row => [
  `Storage.claim of ${title}`,
  () => Storage.claim(wrong(ticket)),
  TypeError,
  "not a ticket for shared memory",
]);

const table: Row[] = [
  ...bytesRows("pool.acquire", (bytes) => pool.acquire(bytes)),
  ...bytesRows("pool.acquire", (bytes) => pool.acquire(bytes, 4096)),
  ...bytesRows("pool.acquireBatch", (bytes) => pool.acquireBatch(bytes, 1)),
  ...bytesRows("pool.acquireBatch", (bytes) => pool.acquireBatch(bytes, 0)),
  ...countRows("pool.acquireBatch", (count) => pool.acquireBatch(64, count)),
  ...countRows("pool.rentBatch", (count) => pool.rentBatch(count, 64)),
  ...lengthRows("pool.rent", (length) => pool.rent(length)),
  ...lengthRows("pool.rentBatch", (length) => pool.rentBatch(1, length)),
  ...dtypeRows("pool.rent", (dtype) => pool.rent(33, dtype)),
  ...dtypeRows("pool.rentBatch", (dtype) => pool.rentBatch(1, 33, dtype)),
  ...alignmentRows,
  ...planRows,
  ...governingRows,
  ...releaseRows,
  ...hugeRows,
  ...overflowRows,
  ...disposedRows,
  ...claimRows,
];

for (const [index, [title, call, errorClass, words]] of table.entries()) {
  Deno.test(`${index + 1}: ${title} is refused`, () => {
    const { outstanding, requestedBytes } = pool.stats();
    assertThrows(call, errorClass, words);
    const after = pool.stats();
    assertEquals(after.outstanding, outstanding);
    assertEquals(after.requestedBytes, requestedBytes);
  });
}
