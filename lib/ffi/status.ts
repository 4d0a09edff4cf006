/**
 * Turns the status of a native call into the exception that fits.
 */
import { OutOfMemoryError } from "../core/errors.ts";
import { Status } from "./symbols.ts";
import { cString, native } from "./library.ts";

/**
 * Throws when a native call failed.
 *
 * @param status What the call returned.
 * @param operation The operation's public name, for the message.
 * @param details Shapes and values that a reader needs, for the message.
 * @throws {OutOfMemoryError} When memory was refused.
 * @throws {RangeError} For sizes, indices and scalars out of range.
 * @throws {TypeError} For a dtype that the operation does not take.
 * @throws {Error} For anything else.
 */
export function check(status: number, operation: string, details = ""): void {
  if (status !== Status.OK) throw statusError(status, operation, details);
}

/**
 * The exception for a failed native call.
 *
 * @param status What the call returned.
 * @param operation The operation's public name.
 * @param details Shapes and values that a reader needs.
 * @returns The exception, not thrown.
 */
export function statusError(status: number, operation: string, details: string): Error {
  const text = cString(native().symbols.qn_status_text(status)) || `native status ${status}`;
  const message = `${operation}: ${text}${details === "" ? "" : ` (${details})`}`;
  switch (status) {
    case Status.OUT_OF_MEMORY:
    case Status.OVER_BUDGET:
      return new OutOfMemoryError(message);
    case Status.BAD_SIZE:
    case Status.BAD_ARGUMENT:
    case Status.BAD_INDEX:
    case Status.BAD_ALIGNMENT:
      return new RangeError(message);
    case Status.BAD_DTYPE:
      return new TypeError(message);
    case Status.FILE_NOT_FOUND:
      return new Deno.errors.NotFound(message);
    case Status.FILE_DENIED:
      return new Deno.errors.PermissionDenied(message);
    default:
      return new Error(message);
  }
}
