/**
 * A session with a language model: a prompt, some generated tokens, and the next prompt
 * that goes on from them. All memory is back when the session is disposed of.
 */
import type { LanguageModel } from "../../lib/runtime/mod.ts";

const PROMPT = Int32Array.of(5, 80, 100, 120, 90, 70, 60, 50);
const TOKENS = 24;

/** Opens a session, generates twice and disposes of it; the result is the number of tokens. */
export async function runSession(model: LanguageModel): Promise<number> {
  using session = model.createSession();
  let tokens = 0;
  for (const prompt of [PROMPT, Int32Array.of(...PROMPT, 33, 44)]) {
    for await (const { id } of session.generate(prompt, { maxTokens: TOKENS, temperature: 0 })) {
      if (id !== undefined) tokens++;
    }
  }
  return tokens;
}
