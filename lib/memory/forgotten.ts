/**
 * What is told of blocks that nobody gave back until their handles were
 * collected.
 */
import type { Block } from "./block.ts";
import type { DebugGuard } from "./debug.ts";
import { ageMs } from "./isolate.ts";

/** A block whose handle was collected before it was disposed of. */
export interface ForgottenBlock {
  /** The bytes that it was granted. */
  readonly byteLength: number;
  /** The bytes that were asked for. */
  readonly requestedBytes: number;
  /** Milliseconds since it was rented. */
  readonly ageMs: number;
  /** In debug mode, where it was rented. */
  readonly origin?: string;
}

/**
 * Describes forgotten blocks, before they are taken back.
 *
 * @param blocks The blocks.
 * @param guard Debug mode, which knows where they were rented.
 * @returns An entry for each.
 */
export function describeForgotten(
  blocks: readonly Block[],
  guard: DebugGuard | undefined,
): ForgottenBlock[] {
  return blocks.map((block) => {
    const { byteLength, requested: requestedBytes } = block;
    const described = { byteLength, requestedBytes, ageMs: ageMs(block.since) };
    const origin = guard?.originOf(block);
    return origin === undefined ? described : { ...described, origin };
  });
}
