/**
 * From a text to a model in a folder: what is learnt, that an interrupted training has the same
 * bits as one that was not, and what is refused.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import "../../support/native.ts";
import { withFolder } from "../../support/folder.ts";
import { millText } from "../../support/mill_text.ts";
import { pool } from "../../../lib/memory/mod.ts";
import { loadModel } from "../../../lib/runtime/mod.ts";
import { tokenizerFromJson } from "../../../lib/tokenizers/mod.ts";
import { trainOnText, type TrainOnTextOptions } from "../../../lib/train/mod.ts";

const TEXT = millText(400);

const SMALL: Omit<TrainOnTextOptions, "folder"> = {
  ...{ text: TEXT, vocabularySize: 300, dim: 32, layers: 2, heads: 4, contextLength: 32 },
  ...{ batch: 8, steps: 60, every: 20, dropout: 0.05, learningRate: 0.01, seed: 5 },
};

Deno.test("a model learns a text, and runs from its folder", async () => {
  const { liveBytes } = pool.stats();
  await withFolder(async (parent) => {
    const folder = `${parent}/deep/mill`;
    const stages = new Set<string>();
    const onProgress = ({ stage }: { stage: string }) => void stages.add(stage);
    const result = await trainOnText({ ...SMALL, folder, onProgress });
    assertEquals(result.step, 60);
    assertEquals(result.history.length, 60);
    const validated = result.history.filter(({ validationLoss }) => validationLoss !== undefined);
    assertEquals(validated.map(({ step }) => step), [20, 40, 60]);
    assert(result.history[0].loss > 5.4 && result.trainingLoss < 3.5, `${result.trainingLoss}`);
    assert(result.validationLoss < 3.5, String(result.validationLoss));
    const bytes = new TextEncoder().encode(TEXT).length * 0.1;
    const bits = result.validationLoss * result.tokens.validation / bytes / Math.LN2;
    assert(Math.abs(result.bitsPerByte - bits) < 0.05 * bits, `${result.bitsPerByte}, ${bits}`);
    assertEquals(
      [...stages],
      ["counting words", "choosing tokens", "encoding the text", "training"],
    );
    using model = await loadModel(result.model);
    assertEquals([model.contextLength, model.tokenizer.vocabularySize], [32, 300]);
    using session = model.createSession({ precision: "exact" });
    const { meanNll } = await session.perplexity(model.tokenizer.encode(TEXT.slice(-800)));
    assert(Math.abs(meanNll - result.validationLoss) < 0.5, `${meanNll}`);
    const json = JSON.parse(await Deno.readTextFile(`${folder}/tokenizer.json`));
    const ids = tokenizerFromJson({ tokenizer: json }).encode("The miller sang.");
    assertEquals(ids, model.tokenizer.encode("The miller sang."));
    assert((await Deno.readTextFile(`${folder}/loss.svg`)).startsWith("<svg"));
  });
  assertEquals(pool.stats().liveBytes, liveBytes);
});

Deno.test("a training that was interrupted has the bits of one that was not", async () => {
  await withFolder(async (parent) => {
    const whole = await trainOnText({ ...SMALL, folder: `${parent}/whole` });
    const folder = `${parent}/parts`;
    for (const stop of [7, 20, 33]) {
      const controller = new AbortController();
      await assertRejects(
        () =>
          trainOnText({
            ...stop === 7 ? SMALL : { text: TEXT },
            folder,
            resume: true,
            signal: controller.signal,
            onProgress({ stage, completed }) {
              if (stage === "training" && completed === stop) controller.abort(new Error("enough"));
            },
          }),
        Error,
        "enough",
      );
    }
    const resumed = await trainOnText({ text: TEXT, folder, resume: true });
    assertEquals(resumed.history, whole.history);
    assertEquals(resumed.settings, whole.settings);
    const [one, other] = await Promise.all(
      [whole, resumed].map(({ model }) => Deno.readFile(model)),
    );
    // The names of the folders are in the files.
    assertEquals(hashOfTensors(other), hashOfTensors(one));
    const longer = await trainOnText({ text: TEXT, folder, resume: true, steps: 65 });
    assertEquals([longer.step, longer.history.length], [65, 65]);
  });
});

/** The last bytes of a file: its tensors lie behind its metadata. */
function hashOfTensors(file: Uint8Array): string {
  let hash = 0;
  for (const byte of file.subarray(-60_000)) hash = Math.imul(hash, 31) + byte | 0;
  return `${file.length > 60_000} ${hash}`;
}

Deno.test("what does not go together with the folder is refused, and nothing is changed", async () => {
  await withFolder(async (folder) => {
    const short = { ...SMALL, folder, steps: 3, every: 3 };
    await trainOnText(short);
    const before = await Deno.readTextFile(`${folder}/training.json`);
    const refused = async (options: Partial<TrainOnTextOptions>, message: string) => {
      await assertRejects(() => trainOnText({ ...short, ...options }), RangeError, message);
      assertEquals(await Deno.readTextFile(`${folder}/training.json`), before);
    };
    await refused({}, "holds a training; pass resume: true to go on with it, or name another");
    await refused({ resume: true, dim: 64 }, "dim is 64, and the training in ");
    await refused({ resume: true, text: `${TEXT}.` }, "the text is not the one that the training");
    await Deno.writeTextFile(`${folder}/training.json`, "{}");
    await assertRejects(
      () => trainOnText({ ...short, resume: true }),
      SyntaxError,
      "training.json: is no description of a training",
    );
  });
});

Deno.test("settings that make no sense are refused before there is a folder", async () => {
  await withFolder(async (parent) => {
    const folder = `${parent}/none`;
    for (
      const [options, message] of [
        [{ text: "too short" }, "tokens make no window of 32"],
        [{ text: "" }, "0 tokens make no window"],
        [{ vocabularySize: 200 }, "vocabularySize is 200"],
        [{ heads: 5 }, "no multiple of 5 heads"],
        [{ validationShare: 0 }, "validationShare is 0"],
        [{ steps: 0 }, "steps is 0"],
        [{ learningRate: -1 }, "learningRate is -1"],
      ] as const
    ) {
      await assertRejects(() => trainOnText({ ...SMALL, ...options, folder }), RangeError, message);
      await assertRejects(() => Deno.stat(folder), Deno.errors.NotFound);
    }
  });
});
