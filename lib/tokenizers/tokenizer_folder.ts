/**
 * The tokenizer of a folder model: the files beside its safetensors weights.
 *
 * @module
 */
import { readJsonFile } from "./json_file.ts";
import { tokenizerFromJson } from "./json_tokenizer.ts";
import type { PairTokenizer } from "./types.ts";

/**
 * Reads a folder's tokenizer: `tokenizer.json`, and where they are there `tokenizer_config.json`,
 * `special_tokens_map.json`, `sentence_bert_config.json` and `config.json`.
 *
 * @param folder The folder.
 * @returns The tokenizer. It cuts texts to what the model reads, which `maxTokens` says.
 * @throws {Deno.errors.NotFound} Where there is no `tokenizer.json`.
 * @throws {SyntaxError} Where a file is not JSON, or does not describe a tokenizer.
 *
 * @example
 * ```ts
 * import { tokenizerFromFolder } from "@quern/quern/tokenizers";
 *
 * async function idsOf(folder: string, text: string): Promise<Int32Array> {
 *   const tokenizer = await tokenizerFromFolder(folder);
 *   return tokenizer.encode(text);
 * }
 * console.log(typeof idsOf); // function
 * ```
 */
export async function tokenizerFromFolder(folder: string): Promise<PairTokenizer> {
  const path = `${folder}/tokenizer.json`;
  const tokenizer = await readJsonFile(path);
  if (tokenizer === undefined) {
    throw new Deno.errors.NotFound(
      `${path}: no such file; a folder model has a tokenizer.json, which ` +
        "tokenizer.save_pretrained() of a fast tokenizer writes",
    );
  }
  const [tokenizerConfig, specialTokensMap, sentenceBertConfig, config] = await Promise.all(
    ["tokenizer_config", "special_tokens_map", "sentence_bert_config", "config"]
      .map((name) => readJsonFile(`${folder}/${name}.json`)),
  );
  const files = { tokenizer, tokenizerConfig, specialTokensMap, sentenceBertConfig, config };
  try {
    return tokenizerFromJson(files);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new SyntaxError(`${path}: ${cause.message}`, { cause });
  }
}
