/**
 * Random operations beside a model that only counts: after each, no two blocks
 * in use overlap, and the statistics are exactly the model's.
 */
import { assert, assertEquals } from "@std/assert";
import "../support/native.ts";
import { type Block, pool } from "../../lib/memory/mod.ts";

const mib = 1 << 20;
const steps = 20_000;
/** Bytes in use at one time, at most. */
const most = 256 * mib;

/** Numbers that are the same on every run. */
function randomIntegers(seed: number): (below: number) => number {
  return (below) => {
    seed = seed * 48271 % 0x7fffffff;
    return seed % below;
  };
}

interface Held {
  bytes: number;
  block: Block;
  mark: number;
}

class Model {
  readonly #random = randomIntegers(20_260);
  readonly #held: Held[] = [];
  readonly #before = pool.stats();
  #rents = 0;
  #returns = 0;
  #mark = 0;

  step(): void {
    const action = this.#random(1000);
    if (action === 0) pool.trim();
    else if (action === 1) pool.autoTune();
    else if (action < 20) this.#releaseBatch();
    else if (action < 40) this.#acquireBatch();
    else if (action < 520 || this.#liveBytes() > most) this.#release();
    else this.#acquire();
  }

  check(): void {
    const stats = pool.stats();
    const { liveBytes, requestedBytes, outstanding } = this.#before;
    assertEquals(stats.rents, this.#rents);
    assertEquals(stats.returns, this.#returns);
    assertEquals(stats.outstanding, outstanding + this.#held.length);
    assertEquals(stats.liveBytes, liveBytes + this.#liveBytes());
    const requested = this.#held.reduce((sum, { bytes }) => sum + bytes, 0);
    assertEquals(stats.requestedBytes, requestedBytes + requested);
    assertEquals(stats.heldBytes, stats.liveBytes + stats.cachedBytes);
    assertEquals(stats.hits + stats.misses, stats.rents);
    this.#checkPlaces();
  }

  end(): void {
    while (this.#held.length > 0) this.#release();
    this.check();
  }

  #checkPlaces(): void {
    const byAddress = this.#held.map(({ block }) => block)
      .sort((a, b) => (a.address < b.address ? -1 : 1));
    for (let i = 1; i < byAddress.length; i++) {
      const { address, byteLength } = byAddress[i - 1];
      assert(address + BigInt(byteLength) <= byAddress[i].address, "two blocks overlap");
    }
  }

  #liveBytes(): number {
    return this.#held.reduce((sum, { block }) => sum + block.byteLength, 0);
  }

  #size(): number {
    const largest = [256, 4096, 70_000, mib, 5 * mib, 40 * mib][this.#random(6)];
    return 1 + this.#random(largest);
  }

  #acquire(): void {
    const bytes = this.#size();
    const alignment = this.#random(4) === 0 ? 1 << this.#random(13) : 64;
    const block = pool.acquire(bytes, alignment);
    assertEquals(block.address % BigInt(alignment), 0n);
    this.#hold(block, bytes);
  }

  #acquireBatch(): void {
    const bytes = 1 + this.#random(100_000);
    for (const block of pool.acquireBatch(bytes, this.#random(40))) this.#hold(block, bytes);
  }

  #release(): void {
    if (this.#held.length > 0) pool.release(this.#letGo());
  }

  #releaseBatch(): void {
    const count = this.#random(this.#held.length + 1);
    pool.releaseBatch(Array.from({ length: count }, () => this.#letGo()));
  }

  #hold(block: Block, bytes: number): void {
    assert(block.byteLength >= bytes);
    const mark = this.#mark++ & 0xff;
    const view = viewOf(block);
    view[0] = view[block.byteLength - 1] = mark;
    this.#held.push({ block, bytes, mark });
    this.#rents++;
  }

  #letGo(): Block {
    const [{ block, mark }] = this.#held.splice(this.#random(this.#held.length), 1);
    const view = viewOf(block);
    assertEquals([view[0], view[block.byteLength - 1]], [mark, mark], "contents");
    this.#returns++;
    return block;
  }
}

function viewOf(block: Block): Uint8Array {
  return new Uint8Array(block.buffer, block.bufferOffset, block.byteLength);
}

Deno.test("any sequence of rents and returns keeps the pool's books", () => {
  pool.trim();
  pool.resetStats();
  const model = new Model();
  for (let step = 0; step < steps; step++) {
    model.step();
    if (step % 20 === 0) model.check();
  }
  model.end();
});
