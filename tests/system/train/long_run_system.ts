/**
 * A training of many steps: what it holds does not grow. `bench/training/long_run.ts` is the
 * same over ten thousand steps.
 */
import { assert, assertEquals } from "@std/assert";
import "../../support/native.ts";
import { longRun } from "../../../bench/training/long_run.ts";

Deno.test("a training asks for no memory once it is warm, and holds no more after 1,000 steps", async () => {
  const { samples, losses } = await longRun(1000, 100);
  assertEquals(
    samples.map(({ step }) => step),
    Array.from({ length: 10 }, (_, i) => 100 * (i + 1)),
  );
  const [first, ...others] = samples;
  for (const { step, outstanding, liveBytes, nativeAllocations } of others) {
    const { outstanding: blocks, liveBytes: bytes, nativeAllocations: asked } = first;
    assertEquals([outstanding, liveBytes, nativeAllocations], [blocks, bytes, asked], `${step}`);
  }
  assert(losses.length === 1000 && losses[999] < losses[0] / 2, `${losses[999]}`);
  // V8 compiles what runs often until about here; an object kept a step would show.
  const [early, last] = [samples[4], samples[9]];
  const heap = last.heapUsed - early.heapUsed;
  assert(heap < 500 * 1024, `${heap} bytes of objects more after 500 steps`);
  const resident = last.resident - early.resident;
  assert(resident < 16 * 2 ** 20, `${resident} bytes resident more after 500 steps`);
});
