/**
 * Text to token ids and back, from a GGUF file's own vocabulary or a `tokenizer.json`; chat
 * templates; training of new vocabularies.
 *
 * @example
 * ```ts
 * import { renderChat, tokenizerFromGguf } from "@quern/quern/tokenizers";
 * import { parseGguf } from "@quern/quern/formats";
 *
 * function promptIds(file: Uint8Array, question: string): Int32Array {
 *   const tokenizer = tokenizerFromGguf(parseGguf(file).metadata);
 *   const messages = [{ role: "user", content: question }];
 *   const prompt = renderChat(tokenizer.chatTemplate, messages, { addGenerationPrompt: true });
 *   return tokenizer.encode(prompt);
 * }
 * console.log(typeof promptIds); // function
 * ```
 *
 * @module
 */
export type { Progress } from "../core/progress.ts";
export type { GgufArray, GgufValue } from "../formats/mod.ts";
export { type ChatMessage, type ChatOptions, renderChat } from "./chat_template.ts";
export { tokenizerFromJson } from "./json_tokenizer.ts";
export { tokenizerFromGguf } from "./tokenizer.ts";
export { tokenizerFromFolder } from "./tokenizer_folder.ts";
export { type BytePairOptions, type BytePairs, trainBytePairs } from "./train_byte_pairs.ts";
export type { TokenizerFiles } from "./tokenizer_json.ts";
export type {
  DecodeOptions,
  DecoderOptions,
  EncodeOptions,
  PairTokenizer,
  TokenDecoder,
  Tokenizer,
  TokenSequence,
} from "./types.ts";
export { ggufVocabulary, tokenizerJson, type VocabularyOptions } from "./written_vocabulary.ts";
