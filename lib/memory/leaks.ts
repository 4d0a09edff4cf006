/**
 * Leak checks: what a function made and did not dispose of, tensor by tensor.
 *
 * What the function returns is its caller's, by the rule of `scope()`: what is
 * found in arrays, maps, sets and fields of what it returns. Everything else that
 * was made inside must have been disposed of at the end, views included. What the
 * function keeps on purpose, in a cache for example, is made before the check.
 */
import { formatShape } from "../core/shape.ts";
import { formatBytes } from "../core/sizes.ts";
import { deferOrigin } from "./call_site.ts";
import type { AllocationObserver, ObservedTensor } from "./observer.ts";
import { visitScoped } from "./scope.ts";
import { track } from "./tracking.ts";

/** Something that was made and not disposed of. */
export interface Leak {
  /** For example `Tensor float32 [32, 512]`. */
  what: string;
  /** The bytes that it holds. */
  bytes: number;
  /** The operation and the line of source that made it. */
  origin: string;
}

/** Memory was not given back. */
export class LeakError extends Error {
  /** The name that stack traces and test reports show. */
  override readonly name = "LeakError";
  /** What was not disposed of, in the order in which it was made. */
  readonly leaks: readonly Leak[];

  /**
   * An error that lists leaks.
   *
   * @param leaks What was not disposed of.
   */
  constructor(leaks: readonly Leak[]) {
    super(describe(leaks));
    this.leaks = leaks;
  }
}

/**
 * Runs a function and throws when it leaves tensors or buffers behind: made
 * inside, neither disposed of nor returned. What it returns, also in arrays,
 * maps, sets and fields, belongs to the caller and is no leak. A function that
 * throws is not checked: its error is passed on. Blocks that are rented raw, with
 * `pool.acquire`, are not seen.
 *
 * @param fn What to run; it may be asynchronous.
 * @returns What the function returned.
 * @throws {LeakError} When something was not disposed of, with the shape, the
 * dtype, the bytes and the line of source of each.
 *
 * @example
 * ```ts
 * import { add, Tensor } from "@quern/quern";
 * import { assertNoLeaks } from "@quern/quern/testing";
 *
 * assertNoLeaks(() => {
 *   using x = Tensor.ones([2, 3]);
 *   using y = add(x, x);
 *   console.log(y.get(0, 0)); // 2
 * });
 * ```
 */
export function assertNoLeaks<T>(fn: () => T): T {
  const recorder = new Recorder();
  return track<Awaited<T>, unknown>(recorder, fn as () => Awaited<T>, (value) => {
    const leaks = recorder.leaks(value);
    if (leaks.length > 0) throw new LeakError(leaks);
    return value;
  }) as T;
}

/**
 * A test that fails when it leaves tensors or buffers behind: for `Deno.test`
 * and other runners that take a function.
 *
 * @param fn The test; it may be asynchronous.
 * @returns A function that runs it under {@linkcode assertNoLeaks}.
 *
 * @example
 * ```ts ignore
 * import { softmax, Tensor } from "@quern/quern";
 * import { withoutLeaks } from "@quern/quern/testing";
 *
 * Deno.test(
 *   "softmax() gives rows that sum to 1",
 *   withoutLeaks(() => {
 *     using x = Tensor.randn([4, 8]);
 *     using y = softmax(x);
 *     console.log(y.toArray());
 *   }),
 * );
 * ```
 */
export function withoutLeaks<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  return (...args) => assertNoLeaks(() => fn(...args));
}

interface Held {
  readonly bytes: number;
  /** Undefined for memory that is older than the check. */
  readonly origin?: () => string;
  /** The tensors made over it so far; old ones that were disposed of may be left out. */
  readonly tensors: { readonly tensor: ObservedTensor; readonly origin: () => string }[];
}

/** Remembers what is held, and which tensors show it. */
class Recorder implements AllocationObserver {
  readonly #held = new Map<object, Held>();

  allocated(holder: object, bytes: number): void {
    this.#held.set(holder, { bytes, origin: deferOrigin(), tensors: [] });
  }

  tensorMade(tensor: ObservedTensor, holder: object): void {
    let held = this.#held.get(holder);
    if (held === undefined) {
      // A view of something older, whose bytes are not the function's.
      held = { bytes: 0, tensors: [] };
      this.#held.set(holder, held);
    }
    const { tensors } = held;
    while (tensors.at(-1)?.tensor.disposed) tensors.pop();
    tensors.push({ tensor, origin: deferOrigin() });
  }

  freed(holder: object): void {
    this.#held.delete(holder);
  }

  leaks(returned: unknown): Leak[] {
    const owned = new Set<object>();
    visitScoped(returned, (member) => {
      owned.add(member);
      return true;
    });
    const leaks: Leak[] = [];
    for (const [holder, held] of this.#held) leaks.push(...leaksOf(holder, held, owned));
    return leaks;
  }
}

function leaksOf(holder: object, held: Held, owned: ReadonlySet<object>): Leak[] {
  const { bytes, origin } = held;
  const alive = held.tensors.filter(({ tensor }) => !tensor.disposed);
  if (alive.length === 0) {
    // A handle, or storage that something else than a tensor holds.
    if (origin === undefined || owned.has(holder)) return [];
    return [{ what: describeHolder(holder), bytes, origin: origin() }];
  }
  return alive
    .filter(({ tensor }) => !owned.has(tensor))
    .map(({ tensor, origin }) => ({
      what: `Tensor ${tensor.dtype} ${formatShape(tensor.shape)}`,
      bytes: tensor.byteLength,
      origin: origin(),
    }));
}

/** A handle of the pool tells its length and dtype. */
function describeHolder(holder: object): string {
  const { name } = holder.constructor;
  const { dtype, length } = holder as { dtype?: unknown; length?: unknown };
  return typeof dtype === "string" && typeof length === "number"
    ? `${name} ${dtype} of ${length}`
    : name;
}

/** The leaks that a message lists. */
const shownLeaks = 20;

function describe(leaks: readonly Leak[]): string {
  const bytes = leaks.reduce((sum, leak) => sum + leak.bytes, 0);
  const lines = leaks.slice(0, shownLeaks)
    .map((leak) => `  ${leak.what}, ${formatBytes(leak.bytes)}, from ${leak.origin}`);
  if (leaks.length > shownLeaks) lines.push(`  … and ${leaks.length - shownLeaks} more`);
  const subject = leaks.length === 1 ? "1 object was" : `${leaks.length} objects were`;
  return `${subject} not disposed of (${formatBytes(bytes)}); ` +
    `bind each with \`using\`, dispose of it, or return it:\n${lines.join("\n")}`;
}
