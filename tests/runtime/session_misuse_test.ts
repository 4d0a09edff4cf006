import { setImmediate } from "node:timers";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { withoutLeaksAsync } from "../support/native.ts";
import { smallModel } from "../support/small_model.ts";
import { DisposedError, OutOfMemoryError } from "../../lib/core/errors.ts";
import { pool, scope } from "../../lib/memory/mod.ts";

const prompt = [5, 17, 42, 99, 150, 201, 7, 7, 13];

/** A pause takes up to twice as many turns; neither even nor a multiple of three. */
const turnStep = 31;

/** Lets work pause as often as it may, by a clock that is always late. */
async function withLateClock(fn: () => Promise<void>): Promise<void> {
  const { now } = performance;
  let time = 0;
  performance.now = () => time += 1000;
  try {
    await fn();
  } finally {
    performance.now = now;
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

Deno.test(
  "a scope around a generation leaves the session and the model as they were",
  withoutLeaksAsync(async () => {
    using model = scope(() => smallModel());
    using session = model.createSession();
    const options = { maxTokens: 4 };
    const inside = await scope(() => session.generate(prompt, options).finish());
    const made = scope(() => session.generate(prompt, options));
    assertEquals((await made.finish()).ids, inside.ids);
    assertEquals((await session.generate(prompt, options).finish()).ids, inside.ids);
  }),
);

Deno.test(
  "a generation that never begins holds no memory",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    session.generate(prompt);
    await session.generate(prompt)[Symbol.asyncIterator]().return();
  }),
);

Deno.test(
  "a prompt that is changed before the iteration is run as it was given",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    const expected = await session.generate(prompt, { maxTokens: 3 }).finish();
    const ids = [...prompt];
    const generation = session.generate(ids, { maxTokens: 3 });
    ids.length = 0;
    assertEquals((await generation.finish()).ids, expected.ids);
  }),
);

Deno.test(
  "disposing of a session or its model at any pause of a pass ends in DisposedError",
  withoutLeaksAsync(() =>
    withLateClock(async () => {
      let completed = 0;
      for (let count = 0; completed < 2; count += turnStep) {
        const model = smallModel();
        const session = model.createSession();
        const work = count % 2 === 0
          ? session.logits(prompt)
          : session.generate(prompt, { maxTokens: 2 }).finish();
        const settled = work.then(() => undefined, (error: unknown) => error);
        await turns(count);
        (count % 3 === 0 ? model : session)[Symbol.dispose]();
        const error = await settled;
        if (error === undefined) completed++;
        else assert(error instanceof DisposedError, `after ${count} turns: ${error}`);
        model[Symbol.dispose]();
        assert(count < 100 * turnStep);
      }
    })
  ),
);

Deno.test(
  "disposing of a session when its prompt was read ends in DisposedError",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    for (const call of ["logits", "generate"] as const) {
      using session = model.createSession();
      const onProgress = (progress: { completed: number; total: number | undefined }): void => {
        if (progress.completed === progress.total) session[Symbol.dispose]();
      };
      const work = call === "logits"
        ? session.logits(prompt, { onProgress })
        : session.generate(prompt, { onProgress }).finish();
      await assertRejects(() => work, DisposedError, "session");
    }
  }),
);

Deno.test(
  "aborting at any pause throws the reason and leaves the session as good as new",
  withoutLeaksAsync(() =>
    withLateClock(async () => {
      using model = smallModel();
      using session = model.createSession();
      const expected = await session.logits(prompt);
      let completed = false;
      for (let count = 0; !completed; count += turnStep) {
        const controller = new AbortController();
        const { signal } = controller;
        session.reset();
        const work = session.generate(prompt, { maxTokens: 3, signal }).finish();
        const settled = work.then(() => undefined, (error: unknown) => error);
        await turns(count);
        controller.abort("enough");
        const reason = await settled;
        completed = reason === undefined;
        if (!completed) assertEquals(reason, "enough");
        assertEquals(await session.logits(prompt), expected);
        assert(count < 100 * turnStep);
      }
    })
  ),
);

Deno.test(
  "a budget that any one rent of a generation exceeds ends in OutOfMemoryError and leaks nothing",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    const first = model.createSession();
    await first.generate(prompt, { maxTokens: 1 }).finish(); // copies of weights stay with the model
    first[Symbol.dispose]();
    const before = pool.stats();
    let completed = 0;
    for (let extra = 256; completed < 4; extra += 2048) {
      using session = model.createSession();
      try {
        pool.setBudget(before.liveBytes + extra);
        await session.generate(prompt, { maxTokens: 4 }).finish();
        completed++;
      } catch (error) {
        assert(error instanceof OutOfMemoryError, `${error}`);
      } finally {
        pool.setBudget(Infinity);
      }
      await session.generate(prompt, { maxTokens: 2 }).finish();
      session[Symbol.dispose]();
      assertEquals(pool.stats().outstanding, before.outstanding, `with ${extra} bytes`);
    }
  }),
);
