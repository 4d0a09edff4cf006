/**
 * The account of this isolate with the native pool.
 *
 * Blocks on an isolate's shelves are still handed out as the native pool sees
 * it. So that its statistics are right for the whole process, the isolate counts
 * what it does with them in memory that both see: an array of doubles whose
 * positions are `IsolateField`. Reading and writing it costs no native call.
 *
 *     taken from a shelf         RENTS[class] + 1      REQUESTED + bytes asked for
 *     put on a shelf             RETURNS[class] + 1    REQUESTED − what was asked for
 *     passed on from a shelf     RETURNS[class] − 1    REQUESTED + what the pool was told
 *     returned without a shelf                         REQUESTED − (asked − told)
 *
 * so that RETURNS − RENTS blocks are on shelves, and REQUESTED is what the
 * native pool's own sum must be corrected by. When the thread of the isolate
 * ends, the native pool takes back what it held.
 */
import { check, native } from "../ffi/mod.ts";
import { IsolateField } from "../ffi/symbols.ts";
import { bufferAt } from "./block.ts";

/** The unit of the pool's clock. */
const tickMs = 10;

/** An account. */
export interface Isolate {
  /** Its number, never 0. */
  readonly number: number;
  /** What it shares with the native pool; see `IsolateField`. */
  readonly fields: Float64Array<ArrayBuffer>;
}

let opened: Isolate | undefined;

/**
 * The account of this isolate; opened by the first call.
 *
 * @returns The same object each time.
 */
export function isolate(): Isolate {
  return opened ??= open();
}

/**
 * A time on the pool's clock.
 *
 * @param milliseconds How long.
 * @returns At least 1.
 */
export function ticksOf(milliseconds: number): number {
  return Math.max(Math.ceil(milliseconds / tickMs), 1);
}

/**
 * How long ago something was.
 *
 * @param since What the clock said then, as a 32-bit integer.
 * @returns Milliseconds.
 */
export function ageMs(since: number): number {
  return ((isolate().fields[IsolateField.NOW] - since) | 0) * tickMs;
}

function open(): Isolate {
  const account = new BigUint64Array(2);
  check(native().symbols.qn_isolate_open(account), "pool");
  const bytes = IsolateField.FIELDS * Float64Array.BYTES_PER_ELEMENT;
  return { number: Number(account[0]), fields: new Float64Array(bufferAt(account[1], bytes)) };
}
