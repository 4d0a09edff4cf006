import { assertEquals, assertRejects } from "@std/assert";
import { delay } from "../../lib/core/delay.ts";

Deno.test("delay() rejects with the reason of a signal that was aborted before", async () => {
  const reason = new Error("enough");
  const waiting = delay(60_000, AbortSignal.abort(reason));
  assertEquals(await assertRejects(() => waiting), reason);
});

Deno.test("delay() ends at once, and leaves no timer, when its signal is aborted", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const waiting = delay(60_000, controller.signal);
  controller.abort(reason);
  assertEquals(await assertRejects(() => waiting), reason);
});

Deno.test("delay() outlives an abort that comes after it", async () => {
  const controller = new AbortController();
  await delay(1, controller.signal);
  controller.abort();
});
