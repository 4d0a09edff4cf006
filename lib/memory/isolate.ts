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
 * native pool's own sum must be corrected by.
 *
 * When the thread of the isolate ends, the native pool takes back what it held.
 * A thread may also outlive it: `deno test` runs one module after another on one.
 * So the account is closed when the isolate unloads, too.
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
/** What has to be done before the account is closed. */
let endings: (() => void)[] = [];

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
 * What the pool's clock says.
 *
 * @returns Ticks, as a 32-bit integer.
 */
export function timeNow(): number {
  return isolate().fields[IsolateField.NOW] | 0;
}

/**
 * How long ago something was.
 *
 * @param since What the clock said then, as a 32-bit integer.
 * @returns Milliseconds.
 */
export function ageMs(since: number): number {
  return ((timeNow() - since) | 0) * tickMs;
}

/**
 * Registers what has to be done before the account is closed.
 *
 * @param ending Called once; it must drop the fields of the account, which are no memory after that.
 */
export function beforeClosing(ending: () => void): void {
  endings.push(ending);
}

function open(): Isolate {
  const account = new BigUint64Array(2);
  check(native().symbols.qn_isolate_open(account), "pool");
  const [number, address] = [Number(account[0]), account[1]];
  // Not at once, since others may use their memory while the isolate unloads.
  const close = () => queueMicrotask(() => closeAccount(number));
  globalThis.addEventListener("unload", close, { once: true });
  const bytes = IsolateField.FIELDS * Float64Array.BYTES_PER_ELEMENT;
  return { number, fields: new Float64Array(bufferAt(address, bytes)) };
}

function closeAccount(number: number): void {
  for (const ending of endings) ending();
  endings = [];
  opened = undefined;
  check(native().symbols.qn_isolate_close(number), "pool");
}
