/**
 * Forgotten handles: what they held comes back after a garbage collection, is
 * counted and told of, and nothing that somebody still holds ever does.
 */
import { assert, assertEquals } from "@std/assert";
import "../support/native.ts";
import { collectGarbage, collectUntil } from "../support/garbage.ts";
import { type ForgottenBlock, pool, PooledStorage } from "../../lib/memory/mod.ts";

const mib = 1 << 20;

/** Runs a test between two looks at what is outstanding, with an empty list of reports. */
function watched(run: (reports: ForgottenBlock[][]) => Promise<void>): () => Promise<void> {
  return async () => {
    const before = pool.stats().outstanding;
    const reports: ForgottenBlock[][] = [];
    pool.onForgotten = (blocks) => reports.push(blocks);
    pool.resetStats();
    try {
      await run(reports);
    } finally {
      pool.onForgotten = undefined;
    }
    assertEquals(pool.stats().outstanding, before);
  };
}

/** Makes garbage in a frame that is gone when it returns. */
function forget(count: number, make: () => unknown): void {
  for (let i = 0; i < count; i++) make();
}

const cases: [string, () => unknown, number][] = [
  ["a buffer", () => pool.rent(1000), 1],
  ["a large buffer", () => pool.rent(mib), 1],
  ["a batch", () => pool.rentBatch(7, 1000), 7],
  ["a batch of many", () => pool.rentBatch(500, 1000), 500],
  ["a storage", () => new PooledStorage(1000), 1],
  ["a buffer whose data was used", () => void pool.rent(1000).data.fill(1), 1],
];

for (const [title, make, blocks] of cases) {
  Deno.test(
    `${title} that is forgotten comes back, and is told of`,
    watched(async (reports) => {
      forget(1, make);
      assert(await collectUntil(() => pool.stats().forgotten === blocks));
      assertEquals(reports.flat().length, blocks);
    }),
  );
}

Deno.test(
  "what is told of a forgotten buffer is its size and its age",
  watched(async (reports) => {
    forget(1, () => pool.rent(1000));
    assert(await collectUntil(() => reports.length > 0));
    const [[{ byteLength, requestedBytes, ageMs, origin }]] = reports;
    assertEquals([byteLength, requestedBytes, origin], [4096, 4000, undefined]);
    assert(ageMs >= 0 && ageMs < 60_000, `${ageMs}`);
  }),
);

Deno.test(
  "a thousand forgotten buffers all come back",
  watched(async (reports) => {
    forget(1000, () => pool.rent(100));
    assert(await collectUntil(() => pool.stats().forgotten === 1000));
    assertEquals(reports.flat().length, 1000);
  }),
);

Deno.test(
  "what is held is never taken back, however much around it is forgotten",
  watched(async () => {
    const held = Array.from({ length: 200 }, (_, i) => pool.rent(50 + i));
    held.forEach(({ data }, i) => data.fill(i));
    for (let round = 0; round < 5; round++) {
      forget(100, () => pool.rent(100));
      await collectGarbage();
    }
    forget(100, () => pool.rent(60).data.fill(-1));
    assert(held.every(({ data }, i) => data.every((value) => value === i)));
    for (const buffer of held) buffer.dispose();
    assert(await collectUntil(() => pool.stats().forgotten === 600));
  }),
);

Deno.test(
  "disposal in any order leaves nothing to be forgotten",
  watched(async () => {
    let seed = 1;
    const random = (n: number) => (seed = seed * 48271 % 0x7fffffff) % n;
    const held: Disposable[] = [];
    for (let i = 0; i < 20_000; i++) {
      if (held.length > 0 && random(2) === 0) {
        held.splice(random(held.length), 1)[0][Symbol.dispose]();
      } else if (random(50) === 0) held.push(pool.rentBatch(random(80), 100));
      else held.push(pool.rent(random(20) === 0 ? 300_000 : random(2000)));
      if (i % 5000 === 0) await collectGarbage();
    }
    for (const each of held) each[Symbol.dispose]();
    for (let i = 0; i < 3; i++) await collectGarbage();
    assertEquals(pool.stats().forgotten, 0);
  }),
);

Deno.test(
  "a leak among buffers that are used properly is found",
  watched(async () => {
    const long = pool.rent(10);
    for (let i = 0; i < 1000; i++) {
      const buffer = pool.rent(100);
      if (i === 500) continue;
      buffer.dispose();
    }
    long.dispose();
    assert(await collectUntil(() => pool.stats().forgotten === 1));
  }),
);

Deno.test(
  "a large buffer that is forgotten beside one that is held comes back alone",
  watched(async () => {
    const before = pool.rent(10);
    forget(1, () => pool.rent(mib));
    const after = pool.rent(10);
    assert(await collectUntil(() => pool.stats().forgotten === 1));
    before.dispose();
    after.dispose();
  }),
);

Deno.test(
  "a storage that a holder is left of is not forgotten",
  watched(async () => {
    const storage = new PooledStorage(1000);
    storage.retain();
    storage.release();
    for (let i = 0; i < 3; i++) await collectGarbage();
    assertEquals(pool.stats().forgotten, 0);
    assertEquals(storage.references, 1);
    storage.release();
  }),
);

Deno.test("a handler of forgotten blocks that throws does not keep them from coming back", async () => {
  const before = pool.stats().outstanding;
  const seen: unknown[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    seen.push(event.error);
  };
  globalThis.addEventListener("error", listen);
  pool.onForgotten = () => {
    throw new Error("handler");
  };
  try {
    forget(3, () => pool.rent(1000));
    assert(await collectUntil(() => pool.stats().outstanding === before && seen.length > 0));
  } finally {
    pool.onForgotten = undefined;
    globalThis.removeEventListener("error", listen);
  }
});
