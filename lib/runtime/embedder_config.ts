/**
 * What the files beside an encoder say about its vectors, as sentence-transformers
 * writes them (Reimers and Gurevych, 2019):
 *
 *     modules.json                        the steps: transformer, pooling, normalisation
 *     1_Pooling/config.json               which rows of the last layer count
 *     config_sentence_transformers.json   prompts
 */
import { readJsonFile } from "../tokenizers/json_file.ts";
import type { EmbedderConfig } from "./embedder.ts";
import type { Pooling } from "./pooling.ts";

/**
 * The object in a JSON file.
 *
 * @param path The file.
 * @returns Its values; undefined where there is no such file.
 * @throws {SyntaxError} When it holds something else.
 */
export async function readObject(path: string): Promise<Record<string, unknown> | undefined> {
  const value = await readJsonFile(path);
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null) {
    throw new SyntaxError(`${path} holds no JSON object; fetch the model again`);
  }
  return value as Record<string, unknown>;
}

/**
 * Reads what a folder says of its model's vectors.
 *
 * @param folder The folder.
 * @param maxTokens The most tokens of a text.
 * @returns Means of length 1 where the folder does not say.
 * @throws {SyntaxError} When a file is malformed.
 * @throws {RangeError} When a step is not supported.
 */
export async function readEmbedderConfig(
  folder: string,
  maxTokens: number,
): Promise<EmbedderConfig> {
  const modules = await readObject(`${folder}/modules.json`);
  const steps = modules === undefined ? undefined : readSteps(`${folder}/modules.json`, modules);
  const poolingPath = steps?.find(({ kind }) => kind === "Pooling")?.path;
  return {
    pooling: poolingPath === undefined ? "mean" : await readPooling(`${folder}/${poolingPath}`),
    normalize: steps?.some(({ kind }) => kind === "Normalize") ?? true,
    maxTokens,
    ...await readPrompts(`${folder}/config_sentence_transformers.json`),
  };
}

/**
 * What is put before each text.
 *
 * @param config The model's prompts.
 * @param asked A prompt's name, or any text; the model's default when left out.
 * @returns The text.
 */
export function promptText(
  { prompts, defaultPrompt = "" }: EmbedderConfig,
  asked: string = defaultPrompt,
): string {
  return Object.hasOwn(prompts, asked) ? prompts[asked] : asked;
}

interface Step {
  readonly kind: string;
  readonly path: string;
}

function readSteps(path: string, modules: object): Step[] {
  const steps = Object.values(modules).map((module): Step => {
    const { type, path: place } = Object(module);
    if (typeof type !== "string" || typeof place !== "string") {
      throw new SyntaxError(`${path}: a module has no type or no path; fetch the model again`);
    }
    if (place.split(/[\\/]/).includes("..")) {
      throw new SyntaxError(`${path}: the module ${place} is outside of the model's folder`);
    }
    return { kind: type.slice(type.lastIndexOf(".") + 1), path: place };
  });
  const other = steps.find(({ kind }) => !["Transformer", "Pooling", "Normalize"].includes(kind));
  if (other !== undefined) {
    throw new RangeError(
      `${path}: a module of type ${other.kind} is not supported; ` +
        "there are Transformer, Pooling and Normalize",
    );
  }
  return steps;
}

const poolings: readonly [key: string, pooling: Pooling][] = [
  ["pooling_mode_mean_tokens", "mean"],
  ["pooling_mode_cls_token", "cls"],
  ["pooling_mode_lasttoken", "last"],
  ["pooling_mode_max_tokens", "max"],
];

async function readPooling(folder: string): Promise<Pooling> {
  const path = `${folder}/config.json`;
  const values = await readObject(path);
  if (values === undefined) throw new SyntaxError(`${path} is missing; fetch the model again`);
  const modes = Object.keys(values).filter((key) =>
    key.startsWith("pooling_mode") && values[key] === true
  );
  const found = poolings.find(([key]) => key === modes[0]);
  if (modes.length !== 1 || found === undefined) {
    throw new RangeError(
      `${path}: pooling by ${modes.join(" and ") || "nothing"} is not supported`,
    );
  }
  // A prompt is read like the rest of its text here.
  if (values.include_prompt === false && found[1] === "mean") {
    throw new RangeError(`${path}: a mean without the prompt's tokens is not supported`);
  }
  return found[1];
}

async function readPrompts(
  path: string,
): Promise<Pick<EmbedderConfig, "prompts" | "defaultPrompt">> {
  const { prompts, default_prompt_name: name } = await readObject(path) ?? {};
  const texts = Object.entries(Object(prompts)).filter(([, text]) => typeof text === "string");
  return {
    prompts: Object.fromEntries(texts) as Record<string, string>,
    defaultPrompt: typeof name === "string" ? name : undefined,
  };
}
