/**
 * Shelves get the limits that their use asks for, within a bound.
 */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  planLimits,
  ShelfDemand,
  type ShelfUse,
  type TuneReport,
} from "../../lib/memory/auto_tune.ts";
import { type Block, pool } from "../../lib/memory/mod.ts";
import { classBytes, sizeClassOf, smallClasses } from "../../lib/memory/size_class.ts";
import { withoutLeaks } from "../support/native.ts";

/** Shelves that count blocks instead of keeping them. */
class CountingShelves {
  readonly demands = Array.from({ length: smallClasses }, () => new ShelfDemand());
  readonly counts: number[] = new Array(smallClasses).fill(0);
  readonly #hits: number[] = new Array(smallClasses).fill(0);
  readonly #misses: number[] = new Array(smallClasses).fill(0);
  limits: number[];

  constructor(limit: number) {
    this.limits = new Array(smallClasses).fill(limit);
  }

  use(): ShelfUse[] {
    return this.limits.map((limit, sizeClass) => ({
      bytes: classBytes(sizeClass),
      limit,
      hits: this.#hits[sizeClass],
      misses: this.#misses[sizeClass],
      avoidable: this.demands[sizeClass].avoidable,
      needed: limit + this.demands[sizeClass].missing,
    }));
  }

  tune(target: number, mostBytes?: number): TuneReport {
    const { limits, report } = planLimits(this.use(), target, mostBytes);
    this.limits = limits;
    for (const demand of this.demands) demand.reset();
    this.#hits.fill(0);
    this.#misses.fill(0);
    return report;
  }

  rent(sizeClass: number): void {
    if (this.counts[sizeClass] > 0) {
      this.counts[sizeClass]--;
      this.#hits[sizeClass]++;
    } else {
      this.demands[sizeClass].missed();
      this.#misses[sizeClass]++;
    }
  }

  giveBack(sizeClass: number): void {
    if (this.counts[sizeClass] < this.limits[sizeClass]) this.counts[sizeClass]++;
    else this.demands[sizeClass].passedOn();
  }

  /** Rents `live` blocks, then returns them, so often. */
  cycle(sizeClass: number, live: number, times: number): void {
    for (let time = 0; time < times; time++) {
      for (let i = 0; i < live; i++) this.rent(sizeClass);
      for (let i = 0; i < live; i++) this.giveBack(sizeClass);
    }
  }
}

function tunedClass(report: TuneReport, sizeClass: number) {
  return report.classes.find(({ bytes }) => bytes === classBytes(sizeClass));
}

Deno.test("a workload with more live blocks than the limit goes from below to above the target", () => {
  const shelves = new CountingShelves(8);
  shelves.cycle(4, 100, 20);
  const first = shelves.tune(0.95);
  assert(first.before < 0.1, `before ${first.before}`);
  assert(first.after > 0.95 - 0.06, `expected after ${first.after}`);
  assertEquals(tunedClass(first, 4)?.newLimit, 100);

  shelves.cycle(4, 100, 20);
  const second = shelves.tune(0.95);
  assert(second.before >= 0.95, `hit rate with the new limits ${second.before}`);
  assertEquals(tunedClass(second, 4)?.newLimit, 100);
});

Deno.test("the expected hit rate is what the same workload then gets", () => {
  const shelves = new CountingShelves(10);
  shelves.cycle(0, 40, 1000);
  const { after } = shelves.tune(0.95);
  shelves.cycle(0, 40, 1000);
  const { before } = shelves.tune(0.95);
  assertAlmostEquals(before, after, 0.002);
});

Deno.test("limits converge: the same workload changes nothing any more", () => {
  const shelves = new CountingShelves(4);
  const work = () => {
    for (const [sizeClass, live] of [[0, 300], [10, 50], [30, 20], [48, 6]]) {
      shelves.cycle(sizeClass, live, 10);
    }
  };
  const limits: string[] = [];
  for (let round = 0; round < 12; round++) {
    work();
    shelves.tune(0.95);
    limits.push(shelves.limits.join());
  }
  assertEquals(new Set(limits.slice(4)).size, 1, "limits after the first rounds");
});

Deno.test("limits converge also when the bound is too small for everything", () => {
  const shelves = new CountingShelves(4);
  const limits: string[] = [];
  for (let round = 0; round < 16; round++) {
    for (let sizeClass = 20; sizeClass < smallClasses; sizeClass++) {
      shelves.cycle(sizeClass, 64, 5);
    }
    const { shelfBytes } = shelves.tune(0.95, 4 << 20);
    assert(shelfBytes <= 4 << 20, `${shelfBytes} bytes`);
    limits.push(shelves.limits.join());
  }
  assertEquals(new Set(limits.slice(8)).size, 1, "limits after the first rounds");
});

Deno.test("variable sizes do not make the shelves grow beyond the bound", () => {
  const shelves = new CountingShelves(16);
  let seed = 1;
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 200; i++) {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      shelves.cycle(sizeClassOf(1 + seed % (1 << 20)), 1 + seed % 97, 2);
    }
    const { shelfBytes } = shelves.tune(0.99);
    const bytes = shelves.limits.reduce((sum, limit, c) => sum + limit * classBytes(c), 0);
    assertEquals(bytes, shelfBytes);
    assert(bytes <= 32 << 20, `${bytes} bytes in round ${round}`);
  }
});

Deno.test("a class that is no longer used loses half of its limit each time, down to one", () => {
  const shelves = new CountingShelves(100);
  shelves.cycle(3, 50, 3);
  shelves.tune(0.95, Infinity);
  assertEquals(shelves.limits[3], 100);
  const seen: number[] = [];
  for (let round = 0; round < 8; round++) {
    shelves.tune(0.95, Infinity);
    seen.push(shelves.limits[3]);
  }
  assertEquals(seen, [50, 25, 12, 6, 3, 1, 1, 1]);
});

Deno.test("blocks that are passed on and never wanted back do not raise the limit", () => {
  const shelves = new CountingShelves(8);
  shelves.cycle(5, 1000, 1);
  shelves.tune(0.95);
  assertEquals(shelves.limits[5], 8);
});

Deno.test("a class that reaches the target keeps its limit", () => {
  const shelves = new CountingShelves(8);
  shelves.cycle(5, 8, 100);
  const { before } = shelves.tune(0.95);
  assert(before > 0.95);
  assertEquals(shelves.limits[5], 8);
});

Deno.test("after shelves were emptied on purpose, their misses ask for nothing", () => {
  const shelves = new CountingShelves(4);
  shelves.cycle(1, 50, 1);
  shelves.counts.fill(0);
  for (const demand of shelves.demands) demand.emptied();
  for (let i = 0; i < 50; i++) shelves.rent(1);
  const { avoidable, misses } = shelves.use()[1];
  assertEquals([avoidable, misses], [0, 100]);
});

Deno.test("classes that are rented most for their bytes come first when memory is short", () => {
  const use = { avoidable: 900, needed: 100, limit: 10, misses: 1000 };
  const { limits } = planLimits(
    [
      { ...use, bytes: 1024, hits: 0 },
      { ...use, bytes: 1024, hits: 100 },
    ],
    0.95,
    100 * 1024,
  );
  assertEquals(limits, [0, 100]);
});

Deno.test("the report tells hit rates and limits of what was used or changed, and of nothing else", () => {
  const shelves = new CountingShelves(1);
  shelves.cycle(2, 2, 50);
  const report = shelves.tune(0.9, Infinity);
  assertEquals(report.target, 0.9);
  assertEquals(report.classes.length, 1);
  const [{ bytes, hitRate, limit, newLimit }] = report.classes;
  assertEquals([bytes, limit, newLimit], [classBytes(2), 1, 2]);
  assertAlmostEquals(hitRate, 49 / 100);
  assertEquals(report.before, hitRate);
});

Deno.test("autoTune() throws RangeError for a hit rate that is none", () => {
  const shelves = new CountingShelves(1);
  for (const target of [0, -1, 1.01, NaN, Infinity]) {
    assertThrows(() => shelves.tune(target), RangeError, `not ${target}`);
  }
});

// ---- With the pool itself -------------------------------------------------

/** Takes `live` blocks, then returns them, so often. */
function cycle(bytes: number, live: number, times: number): void {
  const blocks: Block[] = [];
  for (let time = 0; time < times; time++) {
    for (let i = 0; i < live; i++) blocks.push(pool.acquire(bytes));
    for (const block of blocks.splice(0)) pool.release(block);
  }
}

/** A test that begins with nothing seen, and in which blocks go to shelves. */
function withFreshCounts(fn: () => void): () => void {
  return () => {
    const { debug } = pool;
    pool.debug = false;
    pool.autoTune();
    try {
      withoutLeaks(fn)();
    } finally {
      pool.debug = debug;
    }
  };
}

Deno.test(
  "pool.autoTune() lifts a real workload's hit rate from below to above the target",
  withFreshCounts(() => {
    const bytes = 40_000;
    const live = 4 * pool.limits[sizeClassOf(bytes)] + 10;
    cycle(bytes, live, 10);
    const first = pool.autoTune(0.95);
    assert(first.before < 0.5, `before ${first.before}`);
    assertEquals(pool.limits[sizeClassOf(bytes)], live);

    cycle(bytes, live, 40);
    const second = pool.autoTune(0.95);
    assert(second.before >= 0.95, `after ${second.before}`);
  }),
);

Deno.test(
  "pool.autoTune() stays within its bound under variable sizes",
  withFreshCounts(() => {
    let seed = 7;
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 100; i++) {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        cycle(1 + seed % 300_000, 1 + seed % 61, 2);
      }
      const { shelfBytes } = pool.autoTune(0.99);
      const bytes = pool.limits.reduce((sum, limit, c) => sum + limit * classBytes(c), 0);
      assertEquals(bytes, shelfBytes);
      assert(bytes <= 32 << 20, `${bytes} bytes`);
    }
  }),
);

Deno.test(
  "pool.autoTune() gives up the limits of what is no longer used",
  withFreshCounts(() => {
    cycle(5000, 2000, 3);
    pool.autoTune();
    const tuned = pool.limits[sizeClassOf(5000)];
    assert(tuned >= 2000, `limit ${tuned}`);
    for (let i = 0; i < 12; i++) pool.autoTune();
    assertEquals(pool.limits[sizeClassOf(5000)], 1);
    const before = pool.stats().shelvedBytes;
    cycle(5000, 100, 1);
    assert(pool.stats().shelvedBytes - before < 100 * 5120);
  }),
);

Deno.test("pool.autoTune() throws RangeError for a hit rate that is none", () => {
  assertThrows(() => pool.autoTune(0), RangeError, "pool.autoTune: the hit rate");
});
