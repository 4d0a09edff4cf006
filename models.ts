/**
 * Language models: load one, open a session, generate.
 *
 * @example
 * ```ts ignore
 * import { loadModel } from "@quern/quern/models";
 *
 * using model = await loadModel("smollm2");
 * using session = model.createSession();
 * for await (const piece of session.generate("The mill stood by the river.", { maxTokens: 32 })) {
 *   console.log(piece.text);
 * }
 * ```
 *
 * @module
 */
export type { Progress } from "./lib/core/progress.ts";
export type { Precision } from "./lib/ops/mod.ts";
export type { ChatMessage, TokenDecoder, Tokenizer } from "./lib/tokenizers/mod.ts";
export {
  Decoder,
  type DecoderForwardOptions,
  type DecoderOptions,
  type GgmlType,
  type GgufNotes,
  SentenceEncoder,
  type SentenceEncoderForwardOptions,
  type SentenceEncoderOptions,
} from "./lib/models/mod.ts";
export * from "./lib/runtime/mod.ts";
