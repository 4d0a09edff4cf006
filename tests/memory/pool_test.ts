import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import "../support/native.ts";
import { OutOfMemoryError } from "../../lib/core/errors.ts";
import { pool } from "../../lib/memory/mod.ts";

Deno.test("pool.acquire() grants aligned blocks with at most 25 % waste above 256 bytes", () => {
  for (
    const bytes of [1, 255, 256, 257, 320, 321, 1000, 4096, 4097, 65_537, 1 << 20, (1 << 20) + 1]
  ) {
    const block = pool.acquire(bytes);
    assertEquals(block.address % 64n, 0n);
    assert(block.byteLength >= bytes);
    if (bytes > 256) {
      assert(block.byteLength <= bytes * 1.25 + 64, `${bytes} → ${block.byteLength}`);
    }
    assertEquals(block.segmentAddress + BigInt(block.segmentOffset), block.address);
    pool.release(block);
  }
});

Deno.test("pool.acquire() gives the block that was returned last", () => {
  const first = pool.acquire(1000);
  pool.release(first);
  const second = pool.acquire(1010);
  assertStrictEquals(second, first);
  pool.release(second);
});

Deno.test("pool.stats() counts rents, returns, hits and live bytes exactly", () => {
  pool.release(pool.acquire(5000));
  pool.resetStats();
  const before = pool.stats();
  const block = pool.acquire(5000);
  const during = pool.stats();
  pool.release(block);
  const after = pool.stats();
  assertEquals(during.rents, 1);
  assertEquals(during.hits, 1);
  assertEquals(during.outstanding, before.outstanding + 1);
  assertEquals(during.liveBytes, before.liveBytes + block.byteLength);
  assertEquals(after.returns, 1);
  assertEquals(after.outstanding, before.outstanding);
  assertEquals(after.liveBytes, before.liveBytes);
  assertEquals(after.hitRate, 1);
});

Deno.test("pool.acquire() refuses sizes that are not positive integers", () => {
  for (const bytes of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(() => pool.acquire(bytes), RangeError, "1 or more bytes");
  }
});

Deno.test("pool.acquire() says what it cannot give, and what is live", () => {
  const error = assertThrows(() => pool.acquire(2 ** 50), OutOfMemoryError);
  assert(error.message.includes("asked for 1 PiB") || error.message.includes("asked for 1024 TiB"));
  assert(error.message.includes("live"));
});

Deno.test("pool.setBudget() limits what may be live, shelves not counted", () => {
  const held = pool.acquire(1 << 20);
  try {
    pool.setBudget(pool.stats().liveBytes + (1 << 20));
    pool.release(pool.acquire(1000));
    const second = pool.acquire(1 << 20);
    const error = assertThrows(() => pool.acquire(1 << 20), OutOfMemoryError);
    assert(error.message.includes("budget"), error.message);
    pool.release(second);
  } finally {
    pool.setBudget(Infinity);
    pool.release(held);
  }
});

Deno.test("pool.setBudget() refuses what is not a size", () => {
  assertThrows(() => pool.setBudget("lots"), RangeError);
  assertThrows(() => pool.setBudget(0), RangeError);
  assertThrows(() => pool.setBudget(-1), RangeError);
});

Deno.test("pool.trim() gives returned memory back and leaves live blocks alone", () => {
  const kept = pool.acquire(8 << 20);
  const other = pool.acquire(8 << 20);
  pool.release(other);
  const released = pool.trim();
  assert(released >= 8 << 20, `${released}`);
  assertEquals(pool.stats().liveBytes >= kept.byteLength, true);
  pool.release(kept);
});
