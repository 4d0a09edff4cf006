import { assert, assertEquals } from "@std/assert";
import { native } from "../../../lib/ffi/mod.ts";
import { pool } from "../../../lib/memory/mod.ts";
import {
  ATTENTION_HEADS,
  ATTENTION_PASSES,
  AttentionPasses,
} from "../../../bench/memory/attention_passes.ts";
import { countProgram, saving, totalBytes } from "../../../bench/memory/counting.ts";
import {
  freshArrayChain,
  freshTensorChain,
  inPlaceChain,
} from "../../../bench/memory/in_place_chain.ts";
import { runSession } from "../../../bench/memory/inference_session.ts";
import {
  freshArrays,
  rawBlocks,
  safeBuffers,
  tensors,
} from "../../../bench/memory/rented_tensors.ts";
import {
  freshWindows,
  pooledWindows,
  windowCount,
} from "../../../bench/memory/window_preprocessing.ts";
import { assertClose } from "../../support/native.ts";
import { smallModel } from "../../support/small_model.ts";

native();

/** Asserts a saving of at least so much. */
function assertSaves(actual: number, least: number): void {
  assert(actual >= least, `saved ${(actual * 100).toFixed(2)} %, less than ${least * 100} %`);
}

Deno.test("1,000 rented tensors allocate 96 % less than fresh arrays, raw blocks 99.9 %", async () => {
  const before = pool.stats().outstanding;
  const fresh = await countProgram(freshArrays);
  assert(fresh.bufferBytes >= 1000 * 512 * 4, `${fresh.bufferBytes} bytes of fresh arrays`);
  const raw = await countProgram(rawBlocks);
  const safe = await countProgram(safeBuffers);
  const whole = await countProgram(tensors);
  assertEquals([raw, safe, whole].map(({ rents }) => rents), [1000, 1000, 1000]);
  assertEquals([raw, safe, whole].map(({ misses }) => misses), [0, 0, 0]);
  assertSaves(saving(raw, fresh), 0.999);
  assertSaves(saving(safe, fresh), 0.96);
  assertSaves(saving(whole, fresh), 0.96);
  assertEquals(raw.collections, 0);
  assertEquals(pool.stats().outstanding, before);
});

Deno.test("operations in place allocate 99.9 % less than fresh arrays, and give the same", async () => {
  const before = pool.stats().outstanding;
  {
    using arrays = freshArrayChain();
    using fresh = freshTensorChain();
    using chain = inPlaceChain();
    const against = await countProgram(arrays.run);
    const inPlace = await countProgram(chain.run);
    fresh.run(() => {});
    assertSaves(saving(inPlace, against), 0.999);
    assertEquals([inPlace.rents, inPlace.collections], [0, 0]);
    assertEquals(chain.result(), fresh.result());
    assertClose(chain.result(), arrays.result(), 1e-5);
  }
  assertEquals(pool.stats().outstanding, before);
});

Deno.test("an attention pass rents scratch that is there, and its handles are all it allocates", async () => {
  const before = pool.stats().outstanding;
  {
    using layer = new AttentionPasses();
    const counts = await countProgram(() => layer.run());
    assertEquals([counts.misses, counts.bufferBytes], [0, 0]);
    // Each head's task takes scratch from the pool, and gives it back.
    assert(counts.rents <= ATTENTION_PASSES * ATTENTION_HEADS, `${counts.rents} rents`);
    // Four handles and the shapes of four products: 2 KiB, or 4 before V8 has compiled all.
    // One result of 64 × 256 would be 64 KiB.
    const bytes = totalBytes(counts) / ATTENTION_PASSES;
    assert(bytes < 6 * 1024, `${bytes} bytes a pass`);
    assert(layer.output.data.every(Number.isFinite));
  }
  assertEquals(pool.stats().outstanding, before);
});

Deno.test("a session gives all its memory back, and a second one takes none that is new", async () => {
  using model = smallModel();
  assertEquals(await runSession(model), 48); // copies of weights stay with the model
  const before = pool.stats();
  assertEquals(await runSession(model), 48);
  const first = pool.stats();
  assertEquals([first.outstanding, first.liveBytes], [before.outstanding, before.liveBytes]);
  assertEquals(await runSession(model), 48);
  const second = pool.stats();
  assertEquals([second.outstanding, second.misses], [before.outstanding, first.misses]);
});

Deno.test("windows reuse their buffers, and hold what the series has at their places", async () => {
  const series = Float32Array.from({ length: 2000 }, (_, i) => Math.sin(i / 10));
  const plan = { length: 96, horizon: 24, stride: 1 };
  const before = pool.stats();
  const seen: number[][] = [];
  const keep = (inputs: Float32Array, targets: Float32Array) => {
    seen.push([...inputs, ...targets]);
  };
  assertEquals(pooledWindows(series, plan, keep), 1881);
  const after = pool.stats();
  const [rents, hits] = [after.rents - before.rents, after.hits - before.hits];
  assertEquals([rents, after.outstanding], [2 * 1881, before.outstanding]);
  assert(hits / rents >= 0.99, `${hits} of ${rents} rents were hits`);
  const pooled = seen.splice(0);
  freshWindows(series, plan, keep, () => {});
  assertEquals(pooled, seen);
  const use = () => {};
  const fresh = await countProgram((hold) => void freshWindows(series, plan, use, hold));
  const counts = await countProgram(() => void pooledWindows(series, plan, use));
  assertEquals(counts.misses, 0);
  assertSaves(saving(counts, fresh), 0.8);
});

Deno.test("the number of windows is exact, and zero where one is longer than the series", () => {
  // values, length, horizon, stride, windows
  const cases = [
    [10, 4, 2, 3, 2],
    [11, 4, 2, 3, 2],
    [12, 4, 2, 3, 3],
    [6, 4, 2, 3, 1],
    [6, 4, 2, 100, 1],
    [5, 4, 2, 3, 0],
    [3, 4, 2, 3, 0],
    [0, 4, 2, 1, 0],
  ];
  for (const [values, length, horizon, stride, windows] of cases) {
    const plan = { length, horizon, stride };
    const series = Float32Array.from({ length: values }, (_, i) => i);
    assertEquals(windowCount(values, plan), windows, JSON.stringify({ values, ...plan }));
    assertEquals(pooledWindows(series, plan, () => {}), windows);
  }
});

Deno.test("a constant window becomes zeros and no NaN", () => {
  const constant = new Float32Array(20).fill(3);
  pooledWindows(constant, { length: 8, horizon: 4, stride: 2 }, (inputs, targets) => {
    assertEquals([...inputs, ...targets], new Array(12).fill(0));
  });
});
