import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks, withoutLeaksAsync } from "../support/native.ts";
import { referenceLogits } from "../support/reference_llama.ts";
import { smallGguf, type SmallGgufOptions } from "../support/small_gguf.ts";
import { smallModel } from "../support/small_model.ts";
import { DisposedError, OutOfMemoryError } from "../../lib/core/errors.ts";
import { setThreads, threads } from "../../lib/ffi/mod.ts";
import { pool } from "../../lib/memory/mod.ts";
import type { Generation } from "../../lib/runtime/mod.ts";

const prompt = [5, 17, 42, 99, 150, 201, 7, 7, 13];

/** The centred, normalised squared difference. */
function nmse(actual: ArrayLike<number>, expected: readonly number[]): number {
  const mean = (x: ArrayLike<number>) => Array.from(x).reduce((s, v) => s + v, 0) / x.length;
  const [a, b] = [mean(actual), mean(expected)];
  let [error, power] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (actual[i] - a - expected[i] + b) ** 2;
    power += (expected[i] - b) ** 2;
  }
  return error / power;
}

function argmax(row: readonly number[]): number {
  return row.indexOf(Math.max(...row));
}

async function collect(generation: Generation): Promise<string> {
  let text = "";
  for await (const piece of generation) text += piece.text;
  return text;
}

for (const type of ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"] as const) {
  Deno.test(
    `logits() with ${type} weights agree with a float64 reference`,
    withoutLeaksAsync(async () => {
      const options: SmallGgufOptions = { type };
      const expected = referenceLogits(smallGguf(options), prompt).at(-1)!;
      using model = smallModel(options);
      using exact = model.createSession({ precision: "exact" });
      using fast = model.createSession({ precision: "fast" });
      const logits = await exact.logits(prompt);
      assert(nmse(logits, expected) < 1e-11, `exact ${nmse(logits, expected)}`);
      const rounded = nmse(await fast.logits(prompt), expected);
      assert(rounded < 1e-3, `fast ${rounded}`);
    }),
  );
}

Deno.test(
  "logits() use a separate output matrix when there is one",
  withoutLeaksAsync(async () => {
    const options: SmallGgufOptions = { tied: false };
    const expected = referenceLogits(smallGguf(options), prompt).at(-1)!;
    using model = smallModel(options);
    using session = model.createSession({ precision: "exact" });
    assert(nmse(await session.logits(prompt), expected) < 1e-11);
  }),
);

Deno.test(
  "greedy generation takes the reference's likeliest token each time",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession({ precision: "exact" });
    const { ids } = await session.generate(prompt, { maxTokens: 12 }).finish();
    const reference = smallGguf();
    const all = [...prompt];
    for (const id of ids) {
      assertEquals(id, argmax(referenceLogits(reference, all).at(-1)!));
      all.push(id);
    }
    assert(ids.length === 12 || model.tokenizer.endIds.has(ids.at(-1)!));
  }),
);

Deno.test(
  "a token's logits have the same bits whether it is run alone, in a batch, or after reuse",
  withoutLeaksAsync(async () => {
    using model = smallModel({ type: "Q4_1" });
    for (const precision of ["exact", "fast"] as const) {
      using whole = model.createSession({ precision });
      using steps = model.createSession({ precision });
      const atOnce = await whole.logits(prompt);
      for (let end = 1; end < prompt.length; end++) await steps.logits(prompt.slice(0, end));
      assertEquals(await steps.logits(prompt), atOnce);
      assertEquals(await steps.logits(prompt), atOnce);
      await steps.logits([1, 2, 3]);
      assertEquals(await steps.logits(prompt), atOnce);
    }
  }),
);

Deno.test(
  "logits have the same bits for any number of threads",
  withoutLeaksAsync(async () => {
    const before = threads();
    using model = smallModel({ type: "Q8_0" });
    const results: Float32Array[] = [];
    try {
      for (const count of [1, 2, 4, 7]) {
        setThreads(count);
        using session = model.createSession();
        results.push(await session.logits(prompt));
      }
    } finally {
      setThreads(before);
    }
    for (const result of results) assertEquals(result, results[0]);
  }),
);

Deno.test(
  "two sessions of a model do not disturb each other",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using a = model.createSession();
    using b = model.createSession();
    const alone = await a.generate(prompt, { maxTokens: 8 }).finish();
    a.reset();
    const [first] = await Promise.all([
      a.generate(prompt, { maxTokens: 8 }).finish(),
      b.generate([9, 8, 7], { maxTokens: 8 }).finish(),
    ]);
    assertEquals(first.ids, alone.ids);
  }),
);

Deno.test(
  "perplexity() is the reference's mean over all tokens but the first, in windows too",
  withoutLeaksAsync(async () => {
    const reference = smallGguf();
    const ids = Array.from({ length: 40 }, (_, i) => (i * 37) % 300);
    const nll = (rows: number[][], window: number[]) =>
      window.slice(1).map((target, i) => {
        const row = rows[i];
        return Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) - row[target];
      });
    using model = smallModel();
    for (const contextLength of [128, 16]) {
      const losses: number[] = [];
      for (let start = 0; start < ids.length - 1; start += contextLength - 1) {
        const window = ids.slice(start, start + contextLength);
        losses.push(...nll(referenceLogits(reference, window), window));
      }
      using session = model.createSession({ contextLength, precision: "exact" });
      const result = await session.perplexity(ids);
      const mean = losses.reduce((sum, x) => sum + x, 0) / losses.length;
      assertEquals(result.tokens, 39);
      assertClose([result.meanNll, result.perplexity], [mean, Math.exp(mean)], 1e-5);
    }
  }),
);

Deno.test(
  "sampling with a seed can be repeated, and another seed differs",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    const run = async (seed: number) =>
      (await session.generate(prompt, { maxTokens: 20, temperature: 1.5, seed }).finish()).ids;
    assertEquals(await run(1), await run(1));
    assert(String(await run(1)) !== String(await run(2)));
  }),
);

Deno.test(
  "the pieces make up the summary's text, and the seed and counts are there",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    const generation = session.generate("the and", { maxTokens: 16, temperature: 1, seed: 3 });
    const text = await collect(generation);
    const { summary } = generation;
    assertEquals(summary.text, text);
    assertEquals(summary.seed, 3);
    assertEquals(summary.promptTokens, model.tokenizer.encode("the and").length);
    assertThrows(() => generation[Symbol.asyncIterator](), Error, "only once");
  }),
);

Deno.test(
  "a stop string ends the generation and is not shown",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    const options = { maxTokens: 24, temperature: 2, seed: 11 };
    const { text } = await session.generate(prompt, options).finish();
    const stop = text.slice(6, 9);
    const cut = await session.generate(prompt, { ...options, stop: [stop] }).finish();
    assertEquals(cut.stopReason, "stop");
    assertEquals(cut.text, text.slice(0, text.indexOf(stop)));
  }),
);

Deno.test(
  "generation ends with length when the context is full",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession({ contextLength: 16 });
    const options = { temperature: 3, seed: 4 };
    const { ids, stopReason } = await session.generate(prompt, options).finish();
    if (stopReason === "length") assertEquals(ids.length, 16 - prompt.length + 1);
    assert(session.position <= 16);
  }),
);

Deno.test(
  "an abort throws the signal's reason, keeps what was made, and frees the session",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    const controller = new AbortController();
    const generation = session.generate(prompt, {
      temperature: 3,
      seed: 4,
      signal: controller.signal,
    });
    let seen = 0;
    await assertRejects(
      async () => {
        for await (const _ of generation) if (++seen === 3) controller.abort(new Error("enough"));
      },
      Error,
      "enough",
    );
    assertEquals(generation.summary.stopReason, "aborted");
    assertEquals(generation.summary.ids.length, 3);
    await session.generate(prompt, { maxTokens: 2 }).finish();
    await assertRejects(
      () => session.logits(prompt, { signal: AbortSignal.abort(new Error("at once")) }),
      Error,
      "at once",
    );
  }),
);

Deno.test(
  "leaving the loop early frees the session",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    for await (const _ of session.generate(prompt, { temperature: 3, seed: 4 })) break;
    await session.generate(prompt, { maxTokens: 2 }).finish();
  }),
);

Deno.test(
  "a session refuses a second call while it is busy",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    const first = session.generate(prompt, { maxTokens: 4 }).finish();
    await assertRejects(() => session.logits(prompt), Error, "busy");
    await first;
    await session.logits(prompt);
  }),
);

Deno.test(
  "prompts and options that make no sense are refused with a clear error",
  withoutLeaks(() => {
    using model = smallModel();
    using session = model.createSession({ contextLength: 8 });
    const refused: [() => unknown, typeof RangeError | typeof TypeError, string][] = [
      [() => session.generate([]), RangeError, "the prompt is empty"],
      [() => session.generate(prompt), RangeError, "9 tokens and the context holds 8"],
      [() => session.generate([300]), RangeError, "token 300 at position 0"],
      [() => session.generate([-1]), RangeError, "token -1"],
      [() => session.generate([1.5]), RangeError, "token 1.5"],
      [() => session.generate([1], { maxTokens: 0 }), RangeError, "maxTokens"],
      [() => session.generate([1], { temperature: -1 }), RangeError, "temperature"],
      [() => session.generate([1], { topK: 1.5 }), RangeError, "topK"],
      [() => session.generate([1], { topP: 0 }), RangeError, "topP"],
      [() => session.generate([1], { minP: 1 }), RangeError, "minP"],
      [() => session.generate([1], { repeatPenalty: 0 }), RangeError, "repeatPenalty"],
      [() => session.generate([1], { seed: -1 }), RangeError, "seed"],
      [() => session.generate([1], { stop: [""] }), RangeError, "stop string"],
      [() => model.createSession({ contextLength: 0 }), RangeError, "contextLength"],
      [() => model.createSession({ contextLength: 129 }), RangeError, "1 to 128"],
      [() => model.createSession({ precision: "some" as "fast" }), TypeError, "precision"],
    ];
    for (const [call, kind, words] of refused) assertThrows(call, kind, words);
  }),
);

Deno.test(
  "a disposed session or model is refused, and a model takes its sessions along",
  withoutLeaksAsync(async () => {
    const model = smallModel();
    const session = model.createSession();
    await session.logits(prompt);
    const generation = session.generate(prompt);
    model[Symbol.dispose]();
    model[Symbol.dispose]();
    assert(session.disposed);
    assertThrows(() => session.generate(prompt), DisposedError, "disposed");
    assertThrows(() => model.createSession(), DisposedError, "disposed");
    await assertRejects(() => generation.finish(), DisposedError);
  }),
);

Deno.test(
  "a budget that is too small ends in OutOfMemoryError and leaks nothing",
  withoutLeaksAsync(async () => {
    using model = smallModel();
    using session = model.createSession();
    try {
      pool.setBudget(pool.stats().liveBytes + 20_000);
      await assertRejects(() => session.logits(prompt), OutOfMemoryError, "budget");
    } finally {
      pool.setBudget(Infinity);
    }
    await session.logits(prompt);
  }),
);

Deno.test("a steady generation takes no native memory", async () => {
  using model = smallModel();
  using session = model.createSession();
  const options = { maxTokens: 100, temperature: 5, seed: 1 };
  let warm: ReturnType<typeof pool.stats> | undefined;
  let count = 0;
  for await (const _ of session.generate(prompt, options)) {
    if (++count === 5) warm = pool.stats();
  }
  const after = pool.stats();
  assert(count > 10);
  assertEquals(
    [after.misses, after.reservedBytes, after.liveBytes + 512],
    [warm!.misses, warm!.reservedBytes, warm!.liveBytes],
  );
});
