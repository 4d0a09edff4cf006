/**
 * Embedders from folders as sentence-transformers lays them out: pooling, prompts, lengths and
 * weights in several files; and folders that hold nonsense.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { withoutLeaksAsync } from "../../support/native.ts";
import { withFolder } from "../../support/folder.ts";
import { encoderReferences } from "../../support/small_encoder.ts";
import { writeSmallModel } from "../../support/small_folder.ts";
import { pool } from "../../../lib/memory/mod.ts";
import { Embedder } from "../../../lib/runtime/mod.ts";
import { openTensors, saveTensors, type Tensor } from "../../../lib/tensor/mod.ts";

const text = "the mill . a cafe";
const type = (name: string) => `sentence_transformers.models.${name}`;
const transformer = { idx: 0, name: "0", path: "", type: type("Transformer") };
const pooling = { idx: 1, name: "1", path: "1_Pooling", type: type("Pooling") };
const normalize = { idx: 2, name: "2", path: "2_Normalize", type: type("Normalize") };

/** Files of a folder by path; objects are written as JSON. */
type Files = Readonly<Record<string, unknown>>;

async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [path, value] of Object.entries(files)) {
    const parent = `${folder}/${path}`.replace(/\/[^/]*$/, "");
    await Deno.mkdir(parent, { recursive: true });
    const content = typeof value === "string" ? value : JSON.stringify(value);
    await Deno.writeTextFile(`${folder}/${path}`, content);
  }
}

/** Runs a body with a small BERT's folder and some files more. */
async function withModel(files: Files, body: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await writeSmallModel(folder, encoderReferences.bert);
    await writeFiles(folder, files);
    await body(folder);
  });
}

/** A folder's vector of the text. */
async function vectorOf(folder: string, prompt?: string): Promise<number[]> {
  using embedder = await Embedder.load(folder);
  return [...(await embedder.embed([text], { prompt })).data];
}

Deno.test(
  "a folder's modules say which rows count, and whether vectors have length 1",
  withoutLeaksAsync(async () => {
    const modes = {
      mean: "pooling_mode_mean_tokens",
      cls: "pooling_mode_cls_token",
      last: "pooling_mode_lasttoken",
      max: "pooling_mode_max_tokens",
    };
    const all = Object.values(modes).map((key) => [key, false] as const);
    for (const [name, key] of Object.entries(modes)) {
      const config = { ...Object.fromEntries(all), [key]: true, word_embedding_dimension: 16 };
      const files = { "modules.json": [transformer, pooling], "1_Pooling/config.json": config };
      await withModel(files, async (folder) => {
        using embedder = await Embedder.load(folder);
        assertEquals([embedder.config.pooling, embedder.config.normalize], [name, false]);
      });
      const whole = { ...files, "modules.json": [transformer, pooling, normalize] };
      await withModel(whole, async (folder) => {
        const length = Math.hypot(...await vectorOf(folder));
        assert(Math.abs(length - 1) < 1e-6, `${length}`);
      });
    }
  }),
);

Deno.test("a folder's prompts are put before texts, and its length cuts them", async () => {
  const prompts = { query: "mills ", document: "" };
  const named = { "config_sentence_transformers.json": { prompts, default_prompt_name: "query" } };
  await withModel(named, async (folder) => {
    const expected = await vectorOf(folder, "mills ");
    assertEquals(await vectorOf(folder), expected);
    assertEquals(await vectorOf(folder, "query"), expected);
    assert((await vectorOf(folder, "document")).join() !== expected.join());
  });
  const limits: [Files, number][] = [
    [{}, 20],
    [{ "tokenizer_config.json": { model_max_length: 7 } }, 7],
    [{ "sentence_bert_config.json": { max_seq_length: 5 } }, 5],
    [{ "sentence_bert_config.json": { max_seq_length: 10 ** 6 } }, 20],
    [{ "tokenizer_config.json": { model_max_length: 1e30 } }, 20],
  ];
  for (const [files, most] of limits) {
    await withModel(files, async (folder) => {
      using embedder = await Embedder.load(folder);
      assertEquals(embedder.config.maxTokens, most);
      const cut = await embedder.embed(["mill ".repeat(100), "mill ".repeat(most - 2)]);
      assertEquals(cut.row(0), cut.row(1));
    });
  }
});

Deno.test("weights in several files give the bits of weights in one", async () => {
  await withModel({}, async (folder) => {
    const expected = await vectorOf(folder);
    await splitWeights(folder);
    assertEquals(await vectorOf(folder), expected);
    const index = `${folder}/model.safetensors.index.json`;
    const shard = `${folder}/model-00002-of-00002.safetensors`;
    const whole = Deno.readFileSync(shard);
    const { mappedBytes } = pool.stats();
    for (const bad of [whole.subarray(0, -1), whole.subarray(0, 7), new Uint8Array(9)]) {
      Deno.writeFileSync(shard, bad);
      await assertRejects(() => Embedder.load(folder), SyntaxError, "model-00002-of-00002");
    }
    Deno.writeFileSync(shard, whole);
    Deno.writeTextFileSync(index, Deno.readTextFileSync(index).replace("00002-of", "00003-of"));
    await assertRejects(() => Embedder.load(folder), Error, "model-00003-of-00002");
    assertEquals(pool.stats().mappedBytes, mappedBytes);
  });
});

/** Puts a folder's weights in two files, every other tensor in each, with an index. */
async function splitWeights(folder: string): Promise<void> {
  const map: Record<string, string> = {};
  {
    using opened = openTensors(folder);
    const files = [1, 2].map((i) => `model-0000${i}-of-00002.safetensors`);
    for (const [i, file] of files.entries()) {
      const names = opened.names.filter((_, at) => at % 2 === i);
      const tensors = new Map<string, Tensor>();
      try {
        for (const name of names) {
          map[name] = file;
          tensors.set(name, opened.open(name) as Tensor);
        }
        await saveTensors(`${folder}/${file}`, tensors);
      } finally {
        for (const tensor of tensors.values()) tensor.dispose();
      }
    }
  }
  await Deno.remove(`${folder}/model.safetensors`);
  const index = JSON.stringify({ metadata: { total_size: 1 }, weight_map: map });
  await Deno.writeTextFile(`${folder}/model.safetensors.index.json`, index);
}

Deno.test(
  "Embedder.load() refuses folders with nonsense in them, in words that name the file",
  withoutLeaksAsync(async () => {
    const pools = (config: unknown): Files => ({
      "modules.json": [transformer, pooling],
      "1_Pooling/config.json": config,
    });
    const outside = { ...pooling, path: "../1_Pooling" };
    const dense = { ...pooling, type: type("Dense") };
    const cases: [files: Files, kind: typeof SyntaxError | typeof RangeError, words: string][] = [
      [{ "config.json": "" }, SyntaxError, "config.json is not valid JSON"],
      [{ "config.json": "[1]" }, RangeError, "config.json"],
      [{ "config.json": "7" }, SyntaxError, "config.json holds no JSON object"],
      [{ "config.json": "null" }, SyntaxError, "config.json holds no JSON object"],
      [{ "config.json": {} }, RangeError, "config.json"],
      [{ "config.json": { model_type: "t5" } }, RangeError, "t5"],
      [{ "config.json": { model_type: "bert" } }, SyntaxError, "hidden_size is missing"],
      [{ "tokenizer.json": "{" }, SyntaxError, "tokenizer.json is not valid JSON"],
      [{ "tokenizer.json": {} }, SyntaxError, "tokenizer.json"],
      [{ "model.safetensors": "" }, RangeError, "model.safetensors is empty"],
      [{ "model.safetensors": "PK\x03\x04 and more" }, SyntaxError, "a ZIP archive"],
      [{ "modules.json": "{" }, SyntaxError, "modules.json is not valid JSON"],
      [{ "modules.json": "7" }, SyntaxError, "modules.json holds no JSON object"],
      [{ "modules.json": [7] }, SyntaxError, "a module has no type or no path"],
      [{ "modules.json": [transformer, outside] }, SyntaxError, "outside of the model's folder"],
      [{ "modules.json": [transformer, dense] }, RangeError, "type Dense is not supported"],
      [{ "modules.json": [transformer, pooling] }, SyntaxError, "1_Pooling/config.json is missing"],
      [pools({}), RangeError, "pooling by nothing is not supported"],
      [pools({ pooling_mode_mean_tokens: "yes" }), RangeError, "pooling by nothing"],
      [
        pools({ pooling_mode_cls_token: true, pooling_mode_max_tokens: true }),
        RangeError,
        "pooling by pooling_mode_cls_token and pooling_mode_max_tokens is not supported",
      ],
      [
        pools({ pooling_mode_mean_tokens: true, include_prompt: false }),
        RangeError,
        "a mean without the prompt's tokens is not supported",
      ],
      [{ "config_sentence_transformers.json": "[" }, SyntaxError, "config_sentence_transformers"],
    ];
    for (const [files, kind, words] of cases) {
      await withModel(files, async (folder) => {
        await assertRejects(() => Embedder.load(folder), kind, words);
      });
    }
  }),
);

Deno.test("prompts that are nonsense are as if they were not there", async () => {
  await withModel({}, async (folder) => {
    const expected = await vectorOf(folder);
    for (const prompts of [null, 7, [], { query: 7 }, { __proto__: "x" }]) {
      const file = { prompts, default_prompt_name: ["query"] };
      await writeFiles(folder, { "config_sentence_transformers.json": file });
      assertEquals(await vectorOf(folder), expected);
    }
  });
});

Deno.test("texts that mean harm get a vector, in bounded time and memory", async () => {
  await withModel({}, async (folder) => {
    using embedder = await Embedder.load(folder);
    const huge = "a".repeat(10_000_000);
    const { peakBytes } = pool.stats();
    const vectors = await embedder.embed([huge, "\ud800mill\udc00", "\0", "a".repeat(1000), ""]);
    for (const vector of vectors) assert(vector.every(Number.isFinite));
    // One unknown word is one token, however long it is.
    assertEquals(vectors.row(0), vectors.row(3));
    assert(pool.stats().peakBytes < peakBytes + 2 ** 20);
    const [replaced] = await embedder.embed(["\ufffdmill\ufffd"]);
    assertEquals(vectors.row(1), replaced);
  });
});
