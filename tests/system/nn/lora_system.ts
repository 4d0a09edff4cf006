/**
 * Adapters in folders, as Hugging Face's PEFT writes and reads them.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { withFolder } from "../../support/folder.ts";
import { withoutLeaksAsync } from "../../support/native.ts";
import { LoraAdapters, TransformerBlock } from "../../../lib/nn/mod.ts";
import { openTensors, saveTensors, Tensor } from "../../../lib/tensor/mod.ts";

const block = () => new TransformerBlock({ dim: 4, heads: 2, seed: 1 });
const bits = (adapters: LoraAdapters) =>
  Object.values(adapters.state()).map((each) => each.toArray());
const fileName = (path: string) => `encoder.layer.0.${path}`;

Deno.test(
  "Adapters go through a folder and back with the same bits, also when they are merged",
  withoutLeaksAsync(async () => {
    await withFolder(async (folder) => {
      using model = block();
      const targets = ["query", "mlp.up"];
      using adapters = new LoraAdapters(model, { rank: 2, alpha: 3, targets, seed: 1, fileName });
      adapters.merge();
      await adapters.save(`${folder}/adapter`);
      using other = block();
      using opened = await LoraAdapters.open(other, `${folder}/adapter`, { fileName });
      assertEquals([...opened.layers.keys()], ["attention.query", "mlp.up"]);
      assertEquals(bits(opened), bits(adapters));
      assertEquals(opened.layers.get("mlp.up")?.scale, 1.5);
      const config = JSON.parse(await Deno.readTextFile(`${folder}/adapter/adapter_config.json`));
      assertEquals([config.peft_type, config.r, config.lora_alpha], ["LORA", 2, 3]);
      assertEquals(
        config.target_modules,
        targets.map((name) => {
          return fileName(name === "query" ? "attention.query" : name);
        }),
      );
      using file = openTensors(`${folder}/adapter/adapter_model.safetensors`);
      assertEquals(
        file.names.toSorted()[0],
        "base_model.model.encoder.layer.0.attention.query.lora_A.weight",
      );
    });
  }),
);

Deno.test(
  "A folder of PEFT's is opened by the last parts of names, and what is not LoRA is refused",
  withoutLeaksAsync(async () => {
    await withFolder(async (folder) => {
      const config = {
        peft_type: "LORA",
        r: 1,
        lora_alpha: 2,
        lora_dropout: 0.1,
        target_modules: ["value"],
        bias: "none",
        use_dora: false,
        rank_pattern: {},
        modules_to_save: null,
      };
      const write = (changes: object) =>
        Deno.writeTextFile(
          `${folder}/adapter_config.json`,
          JSON.stringify({ ...config, ...changes }),
        );
      using a = Tensor.from([[1, 2, 3, 4]], "float16");
      using b = Tensor.ones([4, 1]);
      await saveTensors(`${folder}/adapter_model.safetensors`, {
        "base_model.model.attention.value.lora_A.weight": a,
        "base_model.model.attention.value.lora_B.weight": b,
      });
      await write({});
      using model = block();
      {
        using adapters = await LoraAdapters.open(model, folder);
        assertEquals(bits(adapters), [[[1, 2, 3, 4]], [[1], [1], [1], [1]]]);
        assertEquals(adapters.layers.get("attention.value")?.dropout?.rate, 0.1);
      }
      const refused = async (changes: object, type: ErrorConstructor, message: string) => {
        await write(changes);
        await assertRejects(() => LoraAdapters.open(model, folder), type, message);
      };
      await refused({ use_dora: true }, RangeError, "use_dora is not supported");
      await refused({ bias: "all" }, RangeError, "trained biases are not supported");
      await refused({ peft_type: "IA3" }, RangeError, "type IA3");
      await refused({ r: "8" }, SyntaxError, "r, lora_alpha or lora_dropout is no number");
      await refused({ target_modules: "all-linear" }, RangeError, "is no list of names");
      await refused({ target_modules: ["q_proj"] }, RangeError, "no linear layer called q_proj");
      await refused({ target_modules: ["query", "value"] }, RangeError, "query.lora_A.weight");
      await refused({ r: 2 }, RangeError, "lora_B.weight is [4, 1], expected [4, 2]");
      await Deno.remove(`${folder}/adapter_config.json`);
      await assertRejects(() => LoraAdapters.open(model, folder), SyntaxError, "is missing");
    });
  }),
);
