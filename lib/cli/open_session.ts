/**
 * A model and a session, opened as a command's options ask.
 *
 * @module
 */

import type { LanguageModel, Session } from "../runtime/mod.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { loadWithProgress } from "./model_file.ts";
import { prepareNative } from "./native_library.ts";
import type { ParsedOptions } from "./options.ts";
import { precisionOf } from "./precision.ts";

/** A model with one session. Disposing of it again is harmless. */
export interface OpenSession extends Disposable {
  readonly model: LanguageModel;
  readonly session: Session;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Leaves Ctrl-C to somebody else: from here on `signal` is not aborted. */
  stopListening(): void;
}

/**
 * Prepares the native library, loads a model, pulled first where it is not there, and begins a
 * session.
 *
 * @param source the model, as `--model` names it; the one that is built in when left out
 * @param options `--threads`, `--memory-limit`, `--precision` and `--context-length` are used
 */
export async function openSession(
  source: string | undefined,
  options: ParsedOptions,
): Promise<OpenSession> {
  using opening = new DisposableStack();
  const interrupt = opening.use(listenForInterrupt());
  const { signal } = interrupt;
  await prepareNative(options, signal);
  const model = opening.use(await loadWithProgress(source, signal));
  const session = opening.use(model.createSession({
    contextLength: options.number("context-length"),
    precision: precisionOf(options),
  }));
  const opened = opening.move();
  return {
    model,
    session,
    signal,
    stopListening: () => interrupt[Symbol.dispose](),
    [Symbol.dispose]: () => opened.dispose(),
  };
}
