/**
 * What is said when memory is refused: what was asked for, what there is, who
 * holds the most of it, and what to do.
 */
import { OutOfMemoryError } from "../core/errors.ts";
import { formatShape } from "../core/shape.ts";
import { formatBytes } from "../core/sizes.ts";
import { statusError } from "../ffi/mod.ts";
import type { PoolStats } from "./pool_stats.ts";
import type { BlockSnapshot, PoolSnapshot } from "./snapshot.ts";
import { summarizeSnapshot } from "./snapshot_summary.ts";

const namedHolders = 5;

/**
 * The error for a request that was refused, after everything returned was given up.
 *
 * @param status What the native pool said.
 * @param operation What asked.
 * @param request What was asked for, in words.
 * @param stats What the pool holds.
 * @param snapshot Its blocks.
 * @returns The error, not thrown.
 */
export function refusal(
  status: number,
  operation: string,
  request: string,
  stats: PoolStats,
  snapshot: PoolSnapshot,
): OutOfMemoryError {
  const { liveBytes, cachedBytes, heldBytes, budgetBytes } = stats;
  const budget = budgetBytes === Infinity ? "none" : formatBytes(budgetBytes);
  const details = `asked for ${request}, live ${formatBytes(liveBytes)}, ` +
    `cached ${formatBytes(cachedBytes)}, held ${formatBytes(heldBytes)}, budget ${budget}`;
  const { message } = statusError(status, operation, details);
  const advice = budgetBytes === Infinity
    ? "dispose of tensors"
    : "dispose of tensors, or raise the budget";
  return new OutOfMemoryError(`${message}: ${advice}${holders(snapshot)}`);
}

/** The largest blocks in use; equal ones together. */
function holders(snapshot: PoolSnapshot): string {
  const counts = new Map<string, number>();
  for (const block of summarizeSnapshot(snapshot, Infinity).largest) {
    const text = describe(block);
    if (counts.size === namedHolders && !counts.has(text)) break;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  if (counts.size === 0) return "";
  const lines = Array.from(counts, ([text, count]) => `\n  ${count} × ${text}`);
  return `. The largest holders:${lines.join("")}`;
}

function describe({ bytes, tensor, origin, state }: BlockSnapshot): string {
  const serves = tensor === undefined ? "" : ` ${tensor.dtype} ${formatShape(tensor.shape)}`;
  const shared = state === "shared" ? ", shared" : "";
  return `${formatBytes(bytes)}${serves}${shared}${origin === undefined ? "" : `, by ${origin}`}`;
}
