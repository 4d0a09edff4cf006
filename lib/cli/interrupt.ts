/**
 * Ctrl-C. The first one aborts the work, which then prints what is due and
 * exits with 130; the second ends the process at once.
 *
 * @module
 */

import { ExitStatus, InterruptedError } from "./errors.ts";

/** A signal that is aborted by Ctrl-C, for as long as it is not disposed of. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** Listens for SIGINT. */
export function listenForInterrupt(): Interrupt {
  const controller = new AbortController();
  let count = 0;
  const listener = () => {
    if (++count > 1) Deno.exit(ExitStatus.interrupted);
    controller.abort(new InterruptedError("interrupted"));
  };
  Deno.addSignalListener("SIGINT", listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", listener),
  };
}
