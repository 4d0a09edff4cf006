/**
 * How the command fails: one line on standard error, and an exit status.
 *
 * Status 1 means that the work failed, 2 that the command was used wrongly,
 * 130 that the user interrupted it. A stack is shown only with QUERN_DEBUG=1.
 *
 * @module
 */

import { environment } from "../ffi/environment.ts";

/** Exit statuses of the command. */
export const ExitStatus = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The command was used wrongly; the message says how, and what is right. */
export class UsageError extends Error {
  /** The name that stack traces show. */
  override readonly name = "UsageError";
}

/** Whoever read standard output went away. Not a failure: `quern … | head` ends like this. */
export class ClosedPipeError extends Error {
  /** The name that stack traces show. */
  override readonly name = "ClosedPipeError";
}

/** The user pressed Ctrl-C. */
export class InterruptedError extends Error {
  /** The name that stack traces show. */
  override readonly name = "InterruptedError";
}

/** The exit status that an error means. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof ClosedPipeError) return ExitStatus.done;
  if (error instanceof InterruptedError) return ExitStatus.interrupted;
  if (error instanceof UsageError) return ExitStatus.usage;
  return ExitStatus.failed;
}

/**
 * What to write on standard error for an error: one line, or with QUERN_DEBUG=1
 * the stack as well; nothing for a closed pipe or an interruption.
 */
export function errorReport(error: unknown): string | undefined {
  if (error instanceof ClosedPipeError || error instanceof InterruptedError) return undefined;
  const message = error instanceof Error ? error.message || error.name : String(error);
  const line = `quern: ${oneLine(message)}`;
  if (environment("QUERN_DEBUG") !== "1" || !(error instanceof Error)) return line;
  return `${line}\n${error.stack ?? ""}${causes(error)}`;
}

function causes(error: Error): string {
  const { cause } = error;
  return cause instanceof Error
    ? `\ncaused by: ${cause.stack ?? cause.message}${causes(cause)}`
    : "";
}

/** A text on one line, without control characters that could move a terminal's cursor. */
export function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are exactly what is looked for
  return text.replaceAll(/\s*[\r\n]+\s*/g, "; ").replaceAll(/[\x00-\x1f\x7f]/g, " ").trim();
}

/** Rethrows a failure of the file system as one clear line about a file. */
export function fileError(path: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const reason = fileReason(error);
  return reason === undefined ? error : new Error(`${path}: ${reason}`, { cause: error });
}

function fileReason(error: Error): string | undefined {
  const { errors } = Deno;
  if (error instanceof errors.NotFound) return "no such file or folder";
  if (error instanceof errors.NotADirectory) return "a part of that path is not a folder";
  if (error instanceof errors.IsADirectory) return "is a folder, a file is needed";
  if (error instanceof errors.PermissionDenied) return "the system denies access to it";
  if (error instanceof errors.NotCapable) return oneLine(error.message);
  const code = (error as Error & { code?: unknown }).code;
  if (code === "ENOSPC") return "no space left on that disk";
  if (code === "EISDIR") return "is a folder, a file is needed";
  return typeof code === "string" ? oneLine(error.message) : undefined;
}
