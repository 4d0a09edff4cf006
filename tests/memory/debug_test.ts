/**
 * Debug mode shows every misuse of memory that it is for, and says where it happened.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { Block } from "../../lib/memory/block.ts";
import { DebugGuard, forgottenText } from "../../lib/memory/debug.ts";
import { rentNative, returnNative } from "../../lib/memory/native_blocks.ts";
import "../support/native.ts";

/** A guard over the native pool, which counts what it is given. */
class Bench implements Disposable {
  readonly taken = new Set<Block>();
  readonly kept = new Set<Block>();
  readonly guard = new DebugGuard({
    take: (bytes, alignment) => this.#take(bytes, alignment),
    keep: (native) => this.#move(native, this.taken, this.kept),
    give: (native) => this.#give(native),
    part: (native, offset, bytes, buffer) => partOf(native, offset, bytes, buffer),
  });

  #take(bytes: number, alignment: number): Block {
    const native = rentNative({ giveBack() {}, historyOf: () => undefined }, bytes, alignment);
    if (typeof native === "number") throw new Error(`status ${native}`);
    this.taken.add(native);
    return native;
  }

  #move(native: Block, from: Set<Block>, to: Set<Block>): void {
    assert(from.delete(native), "the block was in the state that it leaves");
    to.add(native);
  }

  #give(native: Block): void {
    assert(this.kept.delete(native), "the block was kept");
    returnNative([native], "test");
  }

  [Symbol.dispose](): void {
    this.guard[Symbol.dispose]();
    assertEquals([this.taken.size, this.kept.size], [0, 0], "blocks taken and kept at the end");
  }
}

function partOf(native: Block, offset: number, byteLength: number, buffer: ArrayBuffer): Block {
  const { owner, segmentAddress, segmentBytes, generation } = native;
  const address = native.address + BigInt(offset);
  const place = { address, byteLength, segmentAddress, segmentBytes, generation };
  const block = new Block(owner, place);
  block.ownBuffer = buffer;
  return block;
}

function bytesOf(block: Block): Uint8Array<ArrayBuffer> {
  return new Uint8Array(block.buffer, block.bufferOffset, block.byteLength);
}

/** What is around a block, through the buffer of its segment. */
function bytesAround(block: Block, before: number, after: number): Uint8Array {
  const pointer = Deno.UnsafePointer.create(block.address - BigInt(before));
  assert(pointer !== null);
  const length = before + block.byteLength + after;
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

Deno.test("a fresh block reads as NaN in every float dtype", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(256, 64);
  assert(new Float32Array(block.buffer).every(Number.isNaN));
  assert(new Float16Array(block.buffer).every(Number.isNaN));
  assertEquals(new Uint16Array(block.buffer)[7] & 0x7fff, 0x7fff);
  bench.guard.release(block);
});

Deno.test("a block has exactly the bytes that were asked for, at every size", () => {
  using bench = new Bench();
  for (const bytes of [1, 3, 64, 255, 256, 257, 4096, 65536, (1 << 20) + 1, 3 << 20]) {
    const block = bench.guard.acquire(bytes, 64);
    assertEquals(block.byteLength, bytes);
    assertEquals(block.buffer.byteLength, bytes);
    assertEquals(block.bufferOffset, 0);
    bytesOf(block).fill(7);
    bench.guard.checkGuards();
    bench.guard.release(block);
  }
});

Deno.test("every alignment holds between the guards", () => {
  using bench = new Bench();
  for (let alignment = 1; alignment <= 4096; alignment *= 2) {
    for (const bytes of [1, 100, 5000, 2 << 20]) {
      const block = bench.guard.acquire(bytes, alignment);
      assertEquals(block.address % BigInt(Math.max(alignment, 64)), 0n);
      bench.guard.release(block);
    }
  }
});

Deno.test("a large block is aligned to a page in debug mode too", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(2 << 20, 64);
  assertEquals(block.address % 4096n, 0n);
  bench.guard.release(block);
});

Deno.test("a byte behind the end of a block is found at its release", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(1000, 64);
  bytesAround(block, 0, 8)[1000] = 1;
  const { message } = assertThrows(() => bench.guard.release(block), Error);
  assertStringIncludes(message, "pool.release: a block of 1000 bytes was written behind its end");
  assertStringIncludes(message, "1 byte at offset 1000");
  assertMatch(message, /rented by .*debug_test\.ts:\d+:\d+/);
  assertEquals(bench.kept.size, 1, "the block was returned all the same");
});

Deno.test("bytes before the beginning of a block are found at its release", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(64, 64);
  bytesAround(block, 12, 0).fill(0, 0, 12);
  const { message } = assertThrows(() => bench.guard.release(block), Error);
  assertStringIncludes(message, "was written before it begins, 12 bytes at offset -12");
});

Deno.test("the whole of the rest that was granted is a guard", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(257, 64);
  const [native] = bench.taken;
  const offset = Number(block.address - native.address);
  const rest = native.byteLength - offset - 257;
  assert(rest >= 64);
  bytesAround(block, 0, rest)[257 + rest - 1] = 0;
  assertThrows(() => bench.guard.release(block), Error, `offset ${257 + rest - 1}`);
});

Deno.test("checkGuards() names a damaged block that is in use, and how many more", () => {
  using bench = new Bench();
  const blocks = [1, 2, 3].map(() => bench.guard.acquire(128, 64));
  bench.guard.checkGuards();
  for (const block of blocks.slice(1)) bytesAround(block, 0, 1)[128] = 0;
  const { message } = assertThrows(() => bench.guard.checkGuards(), Error);
  assertStringIncludes(message, "pool.checkGuards: a block of 128 bytes was written");
  assertStringIncludes(message, "(and 1 more like it)");
  bench.guard.release(blocks[0]);
  for (const block of blocks.slice(1)) assertThrows(() => bench.guard.release(block), Error);
});

Deno.test("a stale typed array is empty after its block was returned", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(64, 64);
  const stale = new Float32Array(block.buffer);
  stale.fill(1);
  bench.guard.release(block);
  assertEquals(stale.length, 0);
  assertThrows(() => new Float32Array(stale.buffer), TypeError);
});

Deno.test("a write after the return is found, with both origins, and before the memory is used again", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(512, 64);
  const stale = bytesAround(block, 0, 0);
  bench.guard.release(block);
  stale.fill(0, 40, 44);
  const { message } = assertThrows(() => bench.guard.checkGuards(), Error);
  assertStringIncludes(message, "a block of 512 bytes was written after it was returned");
  assertStringIncludes(message, "4 bytes at offset 40");
  assertMatch(message, /rented by .*debug_test\.ts:\d+:\d+ and returned by .*debug_test\.ts:\d+/);
  assertThrows(() => bench.guard.flush(), Error, "written after it was returned");
  assertEquals(bench.kept.size, 0, "what was written is passed on all the same");
});

Deno.test("a write after the return is thrown by the rent that makes the memory leave its quarantine", () => {
  using bench = new Bench();
  const first = bench.guard.acquire(512, 64);
  const stale = bytesAround(first, 0, 0);
  bench.guard.release(first);
  stale[0] = 0;
  const found = assertThrows(() => {
    for (let i = 0; i < 200; i++) bench.guard.release(bench.guard.acquire(512, 64));
  }, Error);
  assertStringIncludes(found.message, "written after it was returned");
});

Deno.test("returned memory is not used again at once", () => {
  using bench = new Bench();
  const addresses = new Set<bigint>();
  for (let i = 0; i < 32; i++) {
    const block = bench.guard.acquire(512, 64);
    addresses.add(block.address);
    bench.guard.release(block);
  }
  assertEquals(addresses.size, 32);
});

Deno.test("the quarantine is bounded in blocks and in bytes", () => {
  using bench = new Bench();
  for (let i = 0; i < 300; i++) bench.guard.release(bench.guard.acquire(256, 64));
  assert(bench.kept.size <= 65, `${bench.kept.size} blocks wait`);
  for (let i = 0; i < 10; i++) bench.guard.release(bench.guard.acquire(8 << 20, 64));
  assert(bench.kept.size <= 3, `${bench.kept.size} blocks of 8 MiB wait`);
});

Deno.test("returning a block twice names where it was rented and returned", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(2048, 64);
  bench.guard.release(block);
  const { message } = assertThrows(() => bench.guard.release(block), Error);
  assertMatch(
    message,
    /^pool\.release: a block of 2\.00 KiB was released twice; rented by .* and returned by .*/,
  );
  const other = bench.guard.acquire(2048, 64);
  assertThrows(() => bench.guard.release(block), Error, "released twice");
  bench.guard.release(other);
});

Deno.test("a block of another guard is refused", () => {
  using bench = new Bench();
  using other = new Bench();
  const block = other.guard.acquire(64, 64);
  assertThrows(() => bench.guard.release(block), Error, "not one that this pool rented out");
  other.guard.release(block);
});

Deno.test("the history of a block tells where it was rented and returned", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(64, 64);
  assertMatch(bench.guard.history(block) ?? "", /^rented by .*debug_test\.ts:\d+:\d+$/);
  assertMatch(bench.guard.originOf(block) ?? "", /debug_test\.ts/);
  bench.guard.release(block);
  assertMatch(bench.guard.history(block) ?? "", /^rented by .* and returned by .*debug_test\.ts/);
  assertEquals(bench.guard.originOf(block), undefined);
});

Deno.test("a surrendered block is detached but keeps its contents and its memory", () => {
  using bench = new Bench();
  const block = bench.guard.acquire(64, 64);
  const stale = bytesOf(block).fill(5);
  const native = bench.guard.surrender(block);
  assertEquals(stale.length, 0);
  const contents = new Uint8Array(native.buffer, native.bufferOffset, native.byteLength);
  assertEquals(contents[Number(block.address - native.address)], 5);
  assertThrows(() => bench.guard.release(block), Error, "released twice");
  assert(bench.taken.delete(native));
  returnNative([native], "test");
});

Deno.test("known() describes blocks in use and in quarantine by their native addresses", () => {
  using bench = new Bench();
  const [kept, gone] = [bench.guard.acquire(100, 64), bench.guard.acquire(200, 64)];
  const [keptNative, goneNative] = bench.taken;
  bench.guard.release(gone);
  const known = bench.guard.known();
  assertEquals(known.size, 2);
  assertEquals(known.get(keptNative.address)?.requested, 100);
  assertEquals(known.get(keptNative.address)?.shelved, false);
  assertMatch(known.get(keptNative.address)?.origin ?? "", /debug_test\.ts/);
  assertEquals(known.get(goneNative.address)?.shelved, true);
  bench.guard.release(kept);
});

Deno.test("the text on forgotten blocks sums them, and lists where they were rented", () => {
  const block = { requestedBytes: 1024, ageMs: 1500, origin: "linear at app.ts:1:2" };
  assertEquals(
    forgottenText([block]),
    "Quern: 1 block was never disposed of (1.00 KiB), and came back only with a garbage " +
      "collection. Bind tensors with `using`, or dispose of them:\n" +
      "  1.00 KiB, 1.5 s ago, rented by linear at app.ts:1:2",
  );
  const many = forgottenText(new Array(30).fill({ ...block, origin: undefined }));
  assertStringIncludes(many, "30 blocks were never disposed of (30.0 KiB)");
  assertStringIncludes(many, "rented by code before debug mode");
  assertMatch(many, /and 10 more$/);
});
