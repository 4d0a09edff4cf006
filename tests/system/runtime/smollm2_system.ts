/**
 * A real model against a float64 reference that PyTorch worked out. The model
 * is pulled into the cache when it is not there.
 */
import { assert, assertEquals } from "@std/assert";
import "../../support/native.ts";
import {
  instructionSets,
  selectInstructionSet,
  setThreads,
  threads,
} from "../../../lib/ffi/mod.ts";
import { pool } from "../../../lib/memory/mod.ts";
import { loadModel } from "../../../lib/runtime/mod.ts";
import { resolveModel } from "../../../lib/hub/mod.ts";

interface Reference {
  name: string;
  prompt: string;
  ids: number[];
  greedy: number[];
  first_top: [number, number][];
  mean_nll: number;
}

const folder = new URL("../../data/", import.meta.url);
const references: Reference[] = JSON.parse(
  Deno.readTextFileSync(new URL("smollm2_reference.json", folder)),
);
const path = await resolveModel("smollm2");

Deno.test("SmolLM2's tokenizer gives the reference's ids, and the text back", async () => {
  using model = await loadModel(path);
  for (const { prompt, ids } of references) {
    assertEquals([...model.tokenizer.encode(prompt)], ids);
    assertEquals(model.tokenizer.decode(ids), prompt);
  }
});

Deno.test("SmolLM2's chat template gives the reference's prompt", async () => {
  using model = await loadModel(path);
  using session = model.createSession({ precision: "exact" });
  const reference = references.find(({ name }) => name === "chat-simple")!;
  const question = { role: "user", content: "What is the boiling point of water at sea level?" };
  const generation = session.chat([question], { maxTokens: 8 });
  assertEquals((await generation.finish()).ids, reference.greedy.slice(0, 8));
});

for (const isa of instructionSets().filter((isa) => isa.supported)) {
  for (const { name, ids, greedy, first_top, mean_nll } of references) {
    Deno.test(`SmolLM2 with ${isa.name} agrees with the reference on ${name}`, async () => {
      selectInstructionSet(isa.name);
      try {
        using model = await loadModel(path);
        using exact = model.createSession({ precision: "exact" });
        using fast = model.createSession({ precision: "fast" });
        const logits = await exact.logits(ids);
        const rounded = await fast.logits(ids);
        for (const [id, logit] of first_top) {
          assert(Math.abs(logits[id] - logit) < 2e-3, `exact ${id}: ${logits[id]}, ${logit}`);
          assert(Math.abs(rounded[id] - logit) < 1.5, `fast ${id}: ${rounded[id]}, ${logit}`);
        }
        const { meanNll } = await exact.perplexity(ids);
        assert(Math.abs(meanNll - mean_nll) < 1e-5, `${meanNll}, expected ${mean_nll}`);
        const generated = await exact.generate(ids, { maxTokens: greedy.length }).finish();
        assertEquals(generated.ids, greedy);
      } finally {
        selectInstructionSet();
      }
    });
  }
}

Deno.test("SmolLM2's logits have the same bits with 1, 2 and 4 threads", async () => {
  const before = threads();
  using model = await loadModel(path);
  try {
    for (const precision of ["exact", "fast"] as const) {
      const results: Float32Array[] = [];
      for (const count of [1, 2, 4]) {
        setThreads(count);
        using session = model.createSession({ precision });
        results.push(await session.logits(references[0].ids));
      }
      assertEquals(results[1], results[0]);
      assertEquals(results[2], results[0]);
    }
  } finally {
    setThreads(before);
  }
});

Deno.test("256 tokens of SmolLM2 take no native memory after warm-up, and all is given back", async () => {
  const before = pool.stats();
  {
    using model = await loadModel(path);
    using session = model.createSession();
    const options = { maxTokens: 256, temperature: 0.9, seed: 1 };
    let warm: ReturnType<typeof pool.stats> | undefined;
    let count = 0;
    for await (const _ of session.generate([504, 1663], options)) {
      if (++count === 8) warm = pool.stats();
    }
    const after = pool.stats();
    assert(count > 100, `${count}`);
    assertEquals(after.misses, warm!.misses);
    assertEquals(after.reservedBytes, warm!.reservedBytes);
  }
  const after = pool.stats();
  assertEquals([after.outstanding, after.liveBytes], [before.outstanding, before.liveBytes]);
});
