/**
 * The small Llama as a loaded model, from memory, so that tests of sessions
 * need no file.
 */
import { parseGguf } from "../../lib/formats/mod.ts";
import { PooledStorage } from "../../lib/memory/mod.ts";
import { ggufArchitecture } from "../../lib/models/mod.ts";
import { LanguageModel } from "../../lib/runtime/language_model.ts";
import { tokenizerFromGguf } from "../../lib/tokenizers/mod.ts";
import { smallGguf, type SmallGgufOptions } from "./small_gguf.ts";

/** Builds a model from the bytes of a GGUF file. */
export function modelFromBytes(bytes: Uint8Array): LanguageModel {
  const gguf = parseGguf(bytes, { name: "small.gguf" });
  const build = ggufArchitecture(gguf.metadata.get("general.architecture"), "small.gguf");
  const storage = new PooledStorage(bytes.length);
  try {
    new Uint8Array(storage.buffer, storage.bufferOffset, bytes.length).set(bytes);
    const tokenizer = tokenizerFromGguf(gguf.metadata);
    return new LanguageModel("small.gguf", build(gguf, storage, "small.gguf"), tokenizer, 0);
  } finally {
    storage.release();
  }
}

/** The small model of tests. */
export function smallModel(options: SmallGgufOptions = {}): LanguageModel {
  return modelFromBytes(smallGguf(options).bytes);
}
