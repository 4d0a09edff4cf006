/**
 * Diagnostics say in words what is wrong with a pool and what to do, and that nothing is.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ShelfUse } from "../../lib/memory/auto_tune.ts";
import { describePool, type PoolFacts } from "../../lib/memory/diagnostics.ts";
import type { PoolStats } from "../../lib/memory/pool_stats.ts";
import type { BlockSnapshot, PoolSnapshot } from "../../lib/memory/snapshot.ts";

const mib = 1 << 20;

/** A pool that is well: 64 MiB in use and 16 MiB cached, all of it used again and again. */
function facts(
  stats: Partial<PoolStats> = {},
  blocks: Partial<BlockSnapshot>[] = [],
  shelves: readonly ShelfUse[] = [],
): PoolFacts {
  const healthy: PoolStats = {
    rents: 100_000,
    returns: 99_990,
    hits: 99_000,
    misses: 1000,
    hitRate: 0.99,
    outstanding: 10,
    liveBytes: 64 * mib,
    requestedBytes: 60 * mib,
    cachedBytes: 16 * mib,
    shelvedBytes: 4 * mib,
    heldBytes: 80 * mib,
    peakHeldBytes: 100 * mib,
    peakBytes: 90 * mib,
    reservedBytes: 128 * mib,
    segments: 32,
    trimmedBytes: 0,
    mappedBytes: 0,
    budgetBytes: Infinity,
    shared: 0,
    isolates: 1,
    forgotten: 0,
  };
  return { stats: { ...healthy, ...stats }, snapshot: snapshotOf(blocks), shelves };
}

function snapshotOf(blocks: Partial<BlockSnapshot>[]): PoolSnapshot {
  const all = blocks.map((block, index): BlockSnapshot => ({
    address: `0x${(0x1000 * (index + 1)).toString(16)}`,
    bytes: mib,
    requested: 0,
    state: "live",
    ageMs: 1500,
    isolate: 1,
    ...block,
  }));
  const segment = { address: "0x0", bytes: 64 * mib, kind: "large" as const, blocks: all };
  return { takenAt: "now", totals: {}, segments: [segment] };
}

const shortShelf: ShelfUse = {
  bytes: 4096,
  limit: 8,
  hits: 800,
  misses: 9200,
  avoidable: 9000,
  needed: 100,
};

const unhealthy: readonly { name: string; facts: PoolFacts; says: string[] }[] = [
  {
    name: "a low hit rate",
    facts: facts({ hitRate: 0.31 }),
    says: ["Only 31.0 % of 100,000 rents", "pool.prewarm()"],
  },
  {
    name: "forgotten tensors",
    facts: facts({ forgotten: 3 }),
    says: ["3 blocks were never disposed of", "`using`", "QUERN_DEBUG=1"],
  },
  {
    name: "a budget that live memory fills",
    facts: facts({ budgetBytes: 82 * mib, liveBytes: 79 * mib, requestedBytes: 78 * mib }),
    says: ["80.0 MiB of the budget of 82.0 MiB are held, 79.0 MiB", "raise the budget"],
  },
  {
    name: "a budget that cached memory fills",
    facts: facts({ budgetBytes: 82 * mib }),
    says: ["only cached is given up first"],
  },
  {
    name: "much rounding",
    facts: facts({ requestedBytes: 40 * mib }),
    says: ["takes 24.0 MiB, 37.5 % of what is in use", "1.25"],
  },
  {
    name: "free memory in small pieces",
    facts: facts({}, Array.from({ length: 20 }, () => ({ state: "cached" as const }))),
    says: ["The free 20.0 MiB of the large segments are in pieces of 1.00 MiB at most"],
  },
  {
    name: "much more cached than used",
    facts: facts({ liveBytes: mib, requestedBytes: mib }),
    says: ["16.0 MiB are kept for reuse while 1.00 MiB", "pool.trim()"],
  },
  {
    name: "memory that comes and goes",
    facts: facts({ trimmedBytes: 5000 * mib }),
    says: ["4.88 GiB went back to the operating system, 50 times", "pool.setIdle()"],
  },
  {
    name: "a shelf that is too short",
    facts: facts({}, [], [shortShelf, { ...shortShelf, bytes: 512, avoidable: 8000 }]),
    says: [
      "The shelf for blocks of 4.00 KiB is too short: it holds 8, and 9,000 rents",
      "if it held 100",
      "So is 1 other.",
      "pool.autoTune()",
    ],
  },
];

for (const { name, facts, says } of unhealthy) {
  Deno.test(`describePool() warns of ${name}, and of nothing else`, () => {
    const lines = describePool(facts).split("\n");
    assertEquals(lines[0], "The pool needs attention:");
    assertEquals(lines.filter((line) => line.startsWith("- ")).length, 1);
    for (const text of says) assertStringIncludes(lines[1], text);
  });
}

Deno.test("describePool() says that a healthy pool is healthy, and what it holds", () => {
  const lines = describePool(facts({ budgetBytes: 512 * mib }, [{ bytes: 3 * mib }])).split("\n");
  assertEquals(lines, [
    "The pool is healthy.",
    "64.0 MiB (60.0 MiB asked for) are in use in 10 blocks, and 16.0 MiB are kept for reuse, " +
    "4.00 MiB of them on shelves; the most held at one time was 100 MiB, and 128 MiB of address " +
    "space are reserved.",
    "99.0 % of 100,000 rents met memory that was ready.",
    "The budget of 512 MiB has 432 MiB left.",
    "The largest blocks in use, and for how long: 3.00 MiB (1.5 s).",
  ]);
});

Deno.test("describePool() does not judge a pool that was hardly used", () => {
  const few = { rents: 5, hits: 0, misses: 5, hitRate: 0, liveBytes: 4096, requestedBytes: 100 };
  const text = describePool(facts({ ...few, cachedBytes: mib }, [], [{
    ...shortShelf,
    hits: 0,
    misses: 5,
    avoidable: 5,
  }]));
  assertMatch(text, /^The pool is healthy\./);
});

Deno.test("describePool() speaks of a pool that was never used", () => {
  const none = { rents: 0, hits: 0, misses: 0, hitRate: 1, outstanding: 0 };
  const bytes = { liveBytes: 0, requestedBytes: 0, cachedBytes: 0, heldBytes: 0, shelvedBytes: 0 };
  const text = describePool(facts({ ...none, ...bytes, peakHeldBytes: 0 }));
  assertMatch(text, /^The pool is healthy\.\n0 B are in use in 0 blocks/);
  assertStringIncludes(text, "Nothing was rented");
  assertStringIncludes(text, "There is no budget.");
});

Deno.test("describePool() names the origins that hold the most, where they are known", () => {
  const text = describePool(facts({}, [
    { origin: "linear at app.ts:1:2", bytes: 4 * mib },
    { origin: "linear at app.ts:1:2", bytes: 4 * mib },
    { origin: "softmax at app.ts:9:9", bytes: mib },
  ]));
  assertStringIncludes(
    text,
    "The most is held by linear at app.ts:1:2 (8.00 MiB in 2 blocks); " +
      "by softmax at app.ts:9:9 (1.00 MiB in 1 block).",
  );
});

Deno.test("describePool() tells of isolates and of shared memory where there are any", () => {
  const text = describePool(facts({ isolates: 3, shared: 2 }));
  assertStringIncludes(text, "on shelves of 3 isolates");
  assertStringIncludes(text, "2 of the blocks in use are shared between isolates.");
  assert(!describePool(facts()).includes("isolates"));
});
