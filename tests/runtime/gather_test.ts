/**
 * Groups of streams' values, and streams that are ended.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { gather } from "../../lib/runtime/gather.ts";

Deno.test("gather() makes groups of iterables and async iterables, and the last may be short", async () => {
  async function* numbers() {
    for (let i = 0; i < 7; i++) yield await Promise.resolve(i);
  }
  for (const values of [[0, 1, 2, 3, 4, 5, 6], numbers()]) {
    assertEquals(await Array.fromAsync(gather(values, 3)), [[0, 1, 2], [3, 4, 5], [6]]);
  }
  assertEquals(await Array.fromAsync(gather([], 3)), []);
  assertEquals(await Array.fromAsync(gather([1, 2, 3], 3, new AbortController().signal)), [[
    1,
    2,
    3,
  ]]);
});

Deno.test("gather() ends a stream of which no more is wanted", async () => {
  let ended = 0;
  function* numbers() {
    try {
      for (let i = 0;; i++) yield i;
    } finally {
      ended++;
    }
  }
  for await (const group of gather(numbers(), 2)) {
    if (group[0] > 4) break;
  }
  assertEquals(ended, 1);
  const failing = (async function* () {
    yield await Promise.resolve(1);
    throw new Error("broken");
  })();
  await assertRejects(() => Array.fromAsync(gather(failing, 5)), Error, "broken");
});

Deno.test("gather() stops waiting when its signal is aborted, and leaves no listener", async () => {
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove.apply(signal, args);
  };
  async function* stalled() {
    for (let i = 0; i < 100; i++) yield await Promise.resolve(i);
    await new Promise(() => {});
  }
  const groups = gather(stalled(), 10, signal);
  for (let i = 0; i < 10; i++) await groups.next();
  assertEquals(listeners, 0);
  const waiting = groups.next();
  controller.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
});
