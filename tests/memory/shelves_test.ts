/**
 * Shelves and size classes, looked at by themselves.
 */
import { assert, assertEquals } from "@std/assert";
import "../support/native.ts";
import { PoolSize } from "../../lib/ffi/symbols.ts";
import { Block, type BlockOwner } from "../../lib/memory/block.ts";
import { LargeShelf, largeShelfBytes } from "../../lib/memory/large_shelf.ts";
import { Shelf } from "../../lib/memory/shelf.ts";
import { alignedSizeClassOf, classBytes, sizeClassOf } from "../../lib/memory/size_class.ts";
import { pool } from "../../lib/memory/mod.ts";

const mib = 1 << 20;

const owner: BlockOwner = { giveBack() {}, historyOf: () => undefined };

/** A block that stands for memory that is not there. */
function blockOf(byteLength: number): Block {
  const place = { address: 4096n, segmentAddress: 4096n, segmentBytes: byteLength, generation: 1 };
  return new Block(owner, { ...place, byteLength });
}

Deno.test("sizeClassOf() names the smallest class that fits, and none for what is no size", () => {
  for (let sizeClass = 0; sizeClass < PoolSize.CLASSES; sizeClass++) {
    const bytes = classBytes(sizeClass);
    assertEquals(sizeClassOf(bytes), sizeClass);
    assertEquals(sizeClassOf(bytes + 1), sizeClass + 1);
  }
  assertEquals([1, 255, 2 ** 31 - 1].map(sizeClassOf), [0, 0, 49]);
  for (const bytes of [0, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 32 + 1, 2 ** 53]) {
    assertEquals(sizeClassOf(bytes), -1, `${bytes}`);
  }
});

Deno.test("the classes are those of the native pool", () => {
  const native = pool.classStats().map(({ bytes }) => bytes);
  assertEquals(native.slice(0, -1), native.slice(0, -1).map((_, index) => classBytes(index)));
});

Deno.test("alignedSizeClassOf() names a class whose size is a multiple of the alignment", () => {
  for (let alignment = 64; alignment <= 4096; alignment *= 2) {
    for (const bytes of [1, 300, 1000, 5000, 70_000, mib - 1]) {
      const sizeClass = alignedSizeClassOf(bytes, alignment);
      assert(classBytes(sizeClass) >= bytes);
      assertEquals(classBytes(sizeClass) % alignment, 0);
    }
  }
  assertEquals([mib + 1, 0, -1].map((bytes) => alignedSizeClassOf(bytes, 4096)), [49, -1, -1]);
});

Deno.test("a shelf holds 1 MiB, but at least 4 blocks and at most 256", () => {
  const limits = pool.classStats().slice(0, -1).map((_, sizeClass) => new Shelf(sizeClass).limit);
  assertEquals([limits[0], limits[16], limits[24], limits[48]], [256, 256, 64, 4]);
  const bytes = limits.reduce((sum, limit, sizeClass) => sum + limit * classBytes(sizeClass), 0);
  assert(bytes < 50 * mib, `${bytes}`);
});

Deno.test("a shelf gives what it got last, and refuses more than its limit", () => {
  const shelf = new Shelf(0);
  shelf.tune(3);
  const blocks = [1, 2, 3, 4].map(() => blockOf(256));
  assertEquals(blocks.map((block) => shelf.push(block)), [true, true, true, false]);
  assertEquals([...shelf], blocks.slice(0, 3));
  assert([blocks[2], blocks[1], blocks[0], undefined].every((block) => shelf.pop() === block));
});

Deno.test("a shelf whose limit was lowered gives what it has, and takes no more", () => {
  const shelf = new Shelf(0);
  for (let i = 0; i < 10; i++) shelf.push(blockOf(256));
  shelf.tune(2);
  assert(!shelf.push(blockOf(256)));
  assertEquals(shelf.count, 10);
  for (let i = 0; i < 9; i++) shelf.pop();
  assert(shelf.push(blockOf(256)) && !shelf.push(blockOf(256)));
});

Deno.test("the shelf of large blocks serves sizes that differ by less than 64 KiB", () => {
  const shelf = new LargeShelf();
  const block = blockOf(3 * mib);
  shelf.push(block, []);
  for (const bytes of [3 * mib + 1, 3 * mib - 65_536, mib + 1, 6 * mib, 32 * mib]) {
    assertEquals(shelf.pop(bytes), undefined, `${bytes}`);
  }
  assertEquals(shelf.pop(3 * mib - 65_535), block);
  assertEquals(shelf.bytes, 0);
});

Deno.test("the shelf of large blocks stays within its bytes, whatever is put there", () => {
  const shelf = new LargeShelf();
  let seed = 7;
  for (let i = 0; i < 20_000; i++) {
    seed = seed * 48271 % 0x7fffffff;
    const bytes = mib + 4096 * (1 + seed % 12_000);
    const displaced: Block[] = [];
    if (seed % 3 === 0) {
      const block = shelf.pop(bytes);
      assert(
        block === undefined || (block.byteLength >= bytes && block.byteLength < bytes + 65_536),
      );
      continue;
    }
    const had = [...shelf];
    const block = blockOf(bytes);
    const fits = shelf.push(block, displaced);
    assertEquals(fits, bytes <= largeShelfBytes);
    const has = [...shelf];
    assertEquals(has.length + displaced.length, had.length + (fits ? 1 : 0));
    assertEquals(has.reduce((sum, { byteLength }) => sum + byteLength, 0), shelf.bytes);
    assert(shelf.bytes <= largeShelfBytes);
    assertEquals(has.includes(block), fits);
  }
});

Deno.test("sizes that were used once leave the shelf of large blocks for those in use", () => {
  const shelf = new LargeShelf();
  for (let i = 0; i < 20; i++) shelf.push(blockOf(mib + (i + 1) * 65_536), []);
  for (let i = 0; i < 40; i++) shelf.push(shelf.pop(8 * mib) ?? blockOf(8 * mib), []);
  assert(shelf.pop(8 * mib) !== undefined);
});

Deno.test("a shelf that serves nobody for some time is emptied when another is used", async () => {
  pool.trim();
  pool.setIdle(50);
  try {
    pool.releaseBatch([pool.acquire(300_000), pool.acquire(3 * mib)]);
    const isAlone = () => pool.stats().shelvedBytes === 256;
    for (let i = 0; i < 100 && !isAlone(); i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      pool.release(pool.acquire(100));
    }
    assert(isAlone(), `${pool.stats().shelvedBytes} bytes on shelves`);
  } finally {
    pool.setIdle(10_000);
  }
});
