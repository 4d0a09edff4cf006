/**
 * Small models as folders, the way users have them: safetensors, `config.json` and
 * `tokenizer.json`.
 */
import { saveTensors, type Tensor } from "../../lib/tensor/mod.ts";
import { smallTokenizer } from "../tokenizers/small_tokenizer.ts";
import { Formula } from "./small_encoder.ts";

/** Writes a model whose weights are a formula of their names; see small_encoder.ts. */
export async function writeSmallModel(
  folder: string,
  { config, shapes }: {
    readonly config: Readonly<Record<string, unknown>>;
    readonly shapes: Readonly<Record<string, number[]>>;
  },
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(config));
  await Deno.writeTextFile(`${folder}/tokenizer.json`, JSON.stringify(smallTokenizer()));
  const formula = new Formula(new Map(Object.entries(shapes)));
  const tensors = new Map<string, Tensor>();
  try {
    for (const name of Object.keys(shapes)) tensors.set(name, formula.open(name));
    await saveTensors(`${folder}/model.safetensors`, tensors);
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}
