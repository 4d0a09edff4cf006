/**
 * Embedders that are trained, from folders and into them.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { withFolder } from "../../support/folder.ts";
import { assertClose, withoutLeaksAsync } from "../../support/native.ts";
import { encoderReferences } from "../../support/small_encoder.ts";
import { writeSmallModel } from "../../support/small_folder.ts";
import { LoraAdapters, multipleNegativesRanking } from "../../../lib/nn/mod.ts";
import { AdamW } from "../../../lib/optim/mod.ts";
import { Embedder, TrainableEmbedder } from "../../../lib/runtime/mod.ts";
import { openTensors, saveTensors, Tensor } from "../../../lib/tensor/mod.ts";

const texts = ["the mill . a cafe", "a", "cafe mills mills . the the mill"];

/** What `Embedder` makes of a folder. */
async function vectorsOf(folder: string, prompt?: string): Promise<Float32Array> {
  using embedder = await Embedder.load(folder);
  return (await embedder.embed(texts, { prompt })).data;
}

const vectors = (model: TrainableEmbedder, prompt?: string) => {
  using found = model.embed(texts, { prompt });
  return found.data.slice();
};

for (const name of ["bert", "roberta"]) {
  Deno.test(
    `a ${name} that is loaded, trained, merged and saved is what Embedder loads`,
    withoutLeaksAsync(async () => {
      await withFolder(async (folder) => {
        await writeSmallModel(`${folder}/base`, encoderReferences[name]);
        using model = await TrainableEmbedder.load(`${folder}/base`);
        const before = await vectorsOf(`${folder}/base`);
        assertClose(vectors(model), before, 1e-5);
        const fileName = model.fileName;
        using adapters = new LoraAdapters(model.encoder, { rank: 2, seed: 1, fileName });
        using optimizer = new AdamW(model.encoder.parameters(), { learningRate: 0.02 });
        const losses = Array.from({ length: 15 }, () => {
          using anchors = model.embed(["the mill", "a cafe", "mills ."]);
          using positives = model.embed(["cafe", ". .", "the"]);
          using loss = multipleNegativesRanking(anchors, positives);
          loss.backward();
          optimizer.step();
          return loss.get() as number;
        });
        assert(losses[14] < 0.7 * losses[0], `${losses}`);
        await assertRejects(
          () => model.save(`${folder}/tuned`),
          Error,
          "blocks.0.attention.query.adapter.a has no place in a file; merge the adapters before",
        );
        await adapters.save(`${folder}/adapters`);
        adapters.merge();
        const trained = vectors(model);
        assert(trained.some((x, i) => Math.abs(x - before[i]) > 0.01));
        await model.save(`${folder}/tuned`);
        assertClose(await vectorsOf(`${folder}/tuned`), trained, 1e-5);

        using other = await TrainableEmbedder.load(`${folder}/base`);
        using opened = await LoraAdapters.open(other.encoder, `${folder}/adapters`, { fileName });
        assertClose(vectors(other), trained, 1e-5);
        assert(
          "base_model.model.encoder.layer.1.attention.self.key.lora_A.weight" in opened.state(),
        );
      });
    }),
  );
}

Deno.test(
  "what is saved keeps the other tensors and files, and the same bits where nothing was trained",
  withoutLeaksAsync(async () => {
    await withFolder(async (folder) => {
      const base = `${folder}/base`;
      const { config, shapes } = encoderReferences.roberta;
      await writeSmallModel(base, { config, shapes: { ...shapes, "pooler.dense.bias": [16] } });
      const prompts = { query: "mills ", document: "" };
      const sentences = JSON.stringify({ prompts, default_prompt_name: "query" });
      await Deno.writeTextFile(`${base}/config_sentence_transformers.json`, sentences);
      await Deno.writeTextFile(`${base}/README.md`, "About the base.");
      using model = await TrainableEmbedder.load(base);
      await model.save(`${folder}/deep/copy`);
      using before = openTensors(base);
      using after = openTensors(`${folder}/deep/copy`);
      assertEquals(after.names.toSorted(), before.names.toSorted());
      for (const name of before.names) {
        using a = before.open(name);
        using b = after.open(name);
        assertEquals(b.toArray(), a.toArray());
      }
      const names = Array.from(Deno.readDirSync(`${folder}/deep/copy`), ({ name }) => name);
      assertEquals(names.toSorted(), [
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "tokenizer.json",
      ]);
      for (const prompt of [undefined, "document", "the "]) {
        assertClose(vectors(model, prompt), await vectorsOf(`${folder}/deep/copy`, prompt), 1e-5);
      }
      await model.save(base);
      assertClose(await vectorsOf(base), vectors(model), 1e-5);
    });
  }),
);

Deno.test(
  "halves are trained in float32, texts are cut, and what cannot be trained is refused",
  withoutLeaksAsync(async () => {
    await withFolder(async (folder) => {
      const { config, shapes } = encoderReferences.bert;
      await writeSmallModel(folder, { config, shapes });
      const halves: Record<string, Tensor> = {};
      for (const [name, shape] of Object.entries(shapes)) {
        halves[name] = Tensor.full(shape, 0.5, "bfloat16");
      }
      await saveTensors(`${folder}/model.safetensors`, halves);
      for (const tensor of Object.values(halves)) tensor.dispose();
      {
        using model = await TrainableEmbedder.load(folder);
        assertEquals(model.encoder.tokens.weight.dtype, "float32");
        using long = model.embed(["mills ".repeat(100)]);
        assertEquals(long.shape, [1, 16]);
        assertThrows(() => model.embed([]), RangeError, "there is no text");
      }
      const pooling = { idx: 1, name: "1", path: "1_Pooling", type: "x.Pooling" };
      await Deno.writeTextFile(`${folder}/modules.json`, JSON.stringify([pooling]));
      await Deno.mkdir(`${folder}/1_Pooling`);
      await Deno.writeTextFile(
        `${folder}/1_Pooling/config.json`,
        '{"pooling_mode_max_tokens":true}',
      );
      await assertRejects(() => TrainableEmbedder.load(folder), RangeError, "the pooling max");
      await Deno.remove(`${folder}/config.json`);
      await assertRejects(() => TrainableEmbedder.load(folder), SyntaxError, "no config.json");
    });
  }),
);
