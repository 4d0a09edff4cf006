/**
 * Debug mode of the pool as users meet it: through tensors, buffers, batches, statistics and
 * errors.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DisposedError, OutOfMemoryError } from "../../lib/core/errors.ts";
import { debugMode, pool } from "../../lib/memory/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { withoutLeaks } from "../support/native.ts";

/** A test with debug mode turned on for its time. */
function inDebugMode(fn: () => void): () => void {
  return () => {
    const before = pool.debug;
    pool.debug = true;
    try {
      withoutLeaks(fn)();
    } finally {
      pool.debug = before;
    }
  };
}

const here = /debug_pool_test\.ts:\d+:\d+/;

/** The bytes behind an address. */
function bytesAt(address: bigint, length: number): Uint8Array {
  const pointer = Deno.UnsafePointer.create(address);
  assert(pointer !== null);
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

Deno.test(
  "debugMode() follows pool.debug",
  withoutLeaks(() => {
    const before = pool.debug;
    assertEquals(debugMode(), before);
    pool.debug = true;
    assert(debugMode() && pool.debug);
    pool.debug = before;
    assertEquals(debugMode(), before);
  }),
);

Deno.test(
  "debug mode is not turned off while a block of it is in use",
  inDebugMode(() => {
    const block = pool.acquire(100);
    assertThrows(() => (pool.debug = false), Error, "1 block is still in use");
    assert(pool.debug && debugMode());
    pool.release(block);
  }),
);

Deno.test("blocks from before debug mode are returned in it as usual", () => {
  const debug = pool.debug;
  pool.debug = false;
  const block = pool.acquire(1000);
  const tensor = Tensor.ones([10]);
  pool.debug = true;
  assertEquals(tensor.get(3), 1);
  tensor.dispose();
  pool.release(block);
  pool.debug = debug;
});

Deno.test(
  "memory of a new tensor reads as NaN in every float dtype",
  inDebugMode(() => {
    using floats = Tensor.empty([100]);
    assert(floats.data.every(Number.isNaN));
    using halves = Tensor.empty([100], "float16");
    assert(halves.data.every(Number.isNaN));
    using brains = Tensor.empty([100], "bfloat16");
    assert(brains.data.every((bits) => (bits & 0x7f80) === 0x7f80 && (bits & 0x7f) !== 0));
  }),
);

Deno.test(
  "the data of a disposed tensor is empty, and never that of its successor",
  inDebugMode(() => {
    const first = Tensor.from([1, 2, 3]);
    const { data } = first;
    first.dispose();
    using _second = Tensor.from([4, 5, 6]);
    assertEquals([data.length, data[0]], [0, undefined]);
    assertThrows(() => data.set([1]), TypeError);
  }),
);

Deno.test(
  "a view keeps the data of its tensor until it is disposed of too",
  inDebugMode(() => {
    const x = Tensor.from([1, 2, 3, 4]);
    const view = x.slice(1, 3);
    const { data } = view;
    x.dispose();
    assertEquals([...data], [2, 3]);
    view.dispose();
    assertEquals(data.length, 0);
  }),
);

Deno.test(
  "views of a tensor that was disposed of or moved are as outside debug mode",
  inDebugMode(() => {
    const x = Tensor.from([1, 2, 3, 4]);
    using view = x.slice(1);
    x.dispose();
    using part = view.slice(1);
    assertEquals(part.toArray(), [3, 4]);
    using y = Tensor.from([5, 6]);
    using moved = y.move();
    using reshaped = moved.reshape([2, 1]);
    assertEquals(reshaped.toArray(), [[5], [6]]);
  }),
);

Deno.test(
  "use after disposal tells where the tensor was made and disposed of",
  inDebugMode(() => {
    const x = Tensor.zeros([2, 3]);
    x.dispose();
    const { message } = assertThrows(() => x.data, DisposedError);
    assertStringIncludes(message, "float32 [2, 3]");
    assertEquals(message.match(/debug_pool_test\.ts:\d+:\d+/g)?.length, 2);
  }),
);

Deno.test(
  "use of a buffer after disposal tells where it was rented and returned",
  inDebugMode(() => {
    const buffer = pool.rent(16, "float32");
    const { data } = buffer;
    buffer.dispose();
    buffer.dispose();
    const { message } = assertThrows(() => buffer.data, DisposedError);
    assertMatch(message, /rented by .*debug_pool_test\.ts.* and returned by .*debug_pool_test\.ts/);
    assertEquals(data.length, 0);
  }),
);

Deno.test(
  "a write behind the end of a tensor is found when it is disposed of",
  inDebugMode(() => {
    const x = Tensor.zeros([5]);
    bytesAt(x.address, 24)[20] = 1;
    assertThrows(() => pool.checkGuards(), Error, "(float32 [5]) was written behind its end");
    const { message } = assertThrows(() => x.dispose(), Error);
    assertStringIncludes(message, "a block of 20 bytes (float32 [5]) was written behind its end");
    assertMatch(message, here);
    assert(x.disposed);
    x.dispose();
  }),
);

Deno.test(
  "a write after disposal is found by pool.trim()",
  inDebugMode(() => {
    const x = Tensor.zeros([5]);
    const { address } = x;
    x.dispose();
    bytesAt(address, 4).fill(0);
    assertThrows(() => pool.trim(), Error, "20 bytes (float32 [5]) was written after");
    pool.trim();
  }),
);

Deno.test(
  "a block that is released twice is refused also when its memory has a new holder",
  inDebugMode(() => {
    const block = pool.acquire(512);
    pool.release(block);
    const others = Array.from({ length: 100 }, () => pool.acquire(512));
    const { message } = assertThrows(() => pool.release(block), Error);
    assertStringIncludes(message, "released twice");
    assertMatch(message, here);
    for (const other of others) pool.release(other);
  }),
);

Deno.test(
  "batches have guards, and buffers of their own",
  inDebugMode(() => {
    const blocks = pool.acquireBatch(100, 5);
    assertEquals(new Set(blocks.map((block) => block.buffer)).size, 5);
    const views = blocks.map((block) => new Uint8Array(block.buffer).fill(1));
    pool.releaseBatch(blocks);
    assertEquals(views.map((view) => view.length), [0, 0, 0, 0, 0]);
    const damaged = pool.rentBatch(3, 8, "float32");
    bytesAt(damaged.address(1), 33)[32] = 0;
    assertThrows(() => damaged.dispose(), Error, "a block of 32 bytes");
  }),
);

Deno.test(
  "every alignment holds in debug mode",
  inDebugMode(() => {
    for (let alignment = 1; alignment <= 4096; alignment *= 2) {
      const block = pool.acquire(1000, alignment);
      assertEquals(block.address % BigInt(alignment), 0n);
      pool.release(block);
    }
  }),
);

Deno.test(
  "what waits in quarantine counts as cached and not as in use",
  inDebugMode(() => {
    const before = pool.stats();
    const block = pool.acquire(100_000);
    const during = pool.stats();
    assertEquals(during.outstanding - before.outstanding, 1);
    pool.release(block);
    const after = pool.stats();
    assertEquals(after.outstanding, before.outstanding);
    assertEquals(after.liveBytes, before.liveBytes);
    assert(after.cachedBytes >= 100_000);
  }),
);

Deno.test(
  "memory in quarantine is given up before a rent is refused",
  inDebugMode(() => {
    pool.trim();
    const { heldBytes } = pool.stats();
    pool.setBudget(heldBytes + (12 << 20));
    try {
      for (let i = 0; i < 20; i++) pool.release(pool.acquire(5 << 20));
    } finally {
      pool.setBudget(Infinity);
    }
  }),
);

Deno.test(
  "the out-of-memory text names tensors and where they were rented",
  inDebugMode(() => {
    pool.trim();
    using _held = Tensor.zeros([1024, 1024]);
    pool.setBudget(pool.stats().heldBytes + (1 << 20));
    try {
      const { message } = assertThrows(() => Tensor.zeros([2048, 1024]), OutOfMemoryError);
      assertMatch(message, /float32 \[1024, 1024\].*by Tensor\.zeros at .*debug_pool_test\.ts/);
    } finally {
      pool.setBudget(Infinity);
    }
  }),
);

Deno.test(
  "a snapshot tells the origin and the tensor of blocks in use, and what waits",
  inDebugMode(() => {
    using x = Tensor.zeros([300, 7]);
    using _row = x.slice(0, 1);
    using buffer = pool.rent(1234, "int32");
    pool.release(pool.acquire(777));
    const blocks = pool.snapshot().segments.flatMap((segment) => segment.blocks);
    const serving = (shape: string) =>
      blocks.find((block) => block.tensor?.shape.join(" x ") === shape);
    const tensor = serving("300 x 7");
    assertEquals([tensor?.tensor?.dtype, tensor?.requested], ["float32", 8400]);
    assertEquals(tensor?.state, "live");
    assertMatch(tensor?.origin ?? "", /^Tensor\.zeros at .*debug_pool_test\.ts/);
    const rented = serving("1234");
    assertEquals([rented?.tensor?.dtype, rented?.requested], ["int32", 4936]);
    assert(blocks.some((block) => block.state === "shelved"));
    assertNotEquals(x.address, buffer.address);
  }),
);
