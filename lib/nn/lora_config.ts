/**
 * The file beside saved adapters that says what they are, as Hugging Face's PEFT writes it.
 */
import { readJsonFile } from "../tokenizers/json_file.ts";

/** The file that holds the adapters' tensors. */
export const TENSORS_FILE = "adapter_model.safetensors";
const CONFIG_FILE = "adapter_config.json";

/** What adapters are, besides their tensors. */
export interface LoraConfig {
  /** The rank of what is added. */
  readonly rank: number;
  /** Divided by the rank, what it is multiplied with. */
  readonly alpha: number;
  /** The probability that elements of the input are left out. */
  readonly dropout: number;
  /** What files call the layers, or the last parts of that. */
  readonly targets: readonly string[];
}

/**
 * Writes the file.
 *
 * @param folder Where to.
 * @param config What the adapters are.
 */
export async function writeLoraConfig(folder: string, config: LoraConfig): Promise<void> {
  const values = {
    peft_type: "LORA",
    task_type: null,
    base_model_name_or_path: null,
    inference_mode: true,
    r: config.rank,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    target_modules: config.targets,
    bias: "none",
    fan_in_fan_out: false,
  };
  await Deno.writeTextFile(`${folder}/${CONFIG_FILE}`, `${JSON.stringify(values, null, 2)}\n`);
}

/**
 * Reads the file.
 *
 * @param folder Where from.
 * @returns What the adapters are.
 * @throws {SyntaxError} When it is missing or malformed.
 * @throws {RangeError} When the adapters are of a kind that is not supported.
 */
export async function readLoraConfig(folder: string): Promise<LoraConfig> {
  const path = `${folder}/${CONFIG_FILE}`;
  const file = await readJsonFile(path);
  if (typeof file !== "object" || file === null) {
    throw new SyntaxError(`${path} is missing, or holds no JSON object`);
  }
  const values = file as Record<string, unknown>;
  const { r, lora_alpha: alpha, lora_dropout: dropout = 0, target_modules: targets } = values;
  checkKind(path, values);
  if (!isNumber(r) || !isNumber(alpha) || !isNumber(dropout)) {
    throw new SyntaxError(`${path}: r, lora_alpha or lora_dropout is no number`);
  }
  if (!Array.isArray(targets) || !targets.every((each) => typeof each === "string")) {
    throw new RangeError(`${path}: target_modules is no list of names`);
  }
  return { rank: r, alpha, dropout, targets };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

/** Settings under which PEFT adds something else than is added here. */
function checkKind(path: string, values: Record<string, unknown>): void {
  const { peft_type: type, bias = "none" } = values;
  if (type !== "LORA") throw new RangeError(`${path}: adapters of type ${type} are not supported`);
  if (bias !== "none") throw new RangeError(`${path}: trained biases are not supported`);
  const others = ["use_dora", "use_rslora", "fan_in_fan_out", "rank_pattern", "alpha_pattern"]
    .concat("modules_to_save", "layers_to_transform");
  for (const key of others) {
    const value = values[key];
    const isUnset = value === undefined || value === null || value === false ||
      (typeof value === "object" && Object.keys(value).length === 0);
    if (!isUnset) throw new RangeError(`${path}: ${key} is not supported`);
  }
}
